"""Makes the message of a run from its changes, its open causes and its result."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from monitoring.alarms.message import (
    MAX_COLUMNS,
    MAX_EVENTS,
    Change,
    Item,
    NotJudged,
    Page,
    PageBudget,
    RunMessage,
    clean,
)  # fmt: skip
from monitoring.alarms.observation import Observation
from monitoring.alarms.policy import Policy
from monitoring.alarms.state import CauseState, SubjectState
from monitoring.alarms.transition import Changed
from monitoring.quality.result import QualityResult
from monitoring.result import RunResult, Status, Subject, Urgency, WindowCompleteness

MAX_NOT_JUDGED = 50


@dataclass(frozen=True, slots=True)
class Context:
    """Everything in a message except its causes. `report` and `trend` are URIs, empty where there is none."""

    subject: Subject
    start: dt.datetime
    end: dt.datetime
    created: dt.datetime
    verdict: str = ""
    lead: str = ""
    completeness: str = ""
    rows: int = 0
    events: int = 0
    not_judged: tuple[NotJudged, ...] = ()
    ruled_out: tuple[str, ...] = ()
    promise: str = ""
    report: str = ""
    trend: str = ""
    retraining: str = ""


def context_of(result: RunResult, report: str = "", trend: str = "", retraining: str = "") -> Context:
    """Returns the context of a run over captured data."""
    not_judged = tuple(
        NotJudged(column.name, column.reason) for column in result.columns if column.status is Status.NOT_JUDGED
    )
    return Context(
        result.subject, result.start, result.end, result.created, result.verdict, result.lead,
        completeness_text(result.completeness), result.rows, result.events, not_judged, result.ruled_out,
        f"{result.method.promise} {result.method.budget}".strip() if result.method is not None else "", report, trend,
        retraining,
    )  # fmt: skip


def context_of_quality(result: QualityResult, report: str = "", trend: str = "") -> Context:
    """Returns the context of a run of model quality."""
    maturity = result.maturity
    labelled = f"labels {maturity.stage}, {result.labelled:,} of {result.rows:,} rows labelled"
    return Context(
        result.subject, result.start, result.end, result.created, result.verdict, result.lead, labelled, result.rows,
        result.units, report=report, trend=trend,
    )  # fmt: skip


def context_of_observation(seen: Observation, model_name: str = "", verdict: str = "") -> Context:
    """Returns the context of an observation that comes without a result, for example of a heartbeat."""
    subject = Subject(seen.endpoint, seen.variant, model_name, seen.model_version, seen.monitor)
    return Context(subject, seen.start, seen.end, seen.created, verdict)


def completeness_text(held: WindowCompleteness) -> str:
    """Returns one phrase: "complete, 1,664 of 1,664 records", or what is missing."""
    if held.proved is None:
        return f"completeness unknown, {held.found:,} records"
    counted = f"{held.found:,} records" if held.expected is None else f"{held.found:,} of {held.expected:,} records"
    return f"complete, {counted}" if held.proved else f"incomplete, {counted}"


def compose(state: SubjectState, changes: list[Changed], context: Context, policy: Policy) -> RunMessage:
    """Returns the message of the state's present revision."""
    changed = {(entry.state.cause.key, entry.state.version) for entry in changes}
    items = [_item(entry.change, entry.state) for entry in changes]
    items += [
        _item(Change.OPEN, held)
        for held in state.open_causes()
        if held.urgency is not Urgency.NOTE and (held.cause.key, held.version) not in changed
    ]
    month = f"{context.created:%Y-%m}"
    return RunMessage(
        id=f"{state.endpoint}/{state.variant}/{state.revision}",
        revision=state.revision,
        subject=context.subject,
        start=context.start,
        end=context.end,
        created=context.created,
        verdict=clean(context.verdict),
        lead=clean(context.lead),
        completeness=clean(context.completeness),
        rows=context.rows,
        events=context.events,
        items=tuple(items),
        budget=PageBudget(month, sum(state.pages.get(month, {}).values()), policy.pages_per_month),
        not_judged=tuple(
            NotJudged(clean(entry.name, 255), clean(entry.reason)) for entry in context.not_judged[:MAX_NOT_JUDGED]
        ),
        ruled_out=tuple(clean(sentence) for sentence in context.ruled_out),
        promise=clean(context.promise),
        report=context.report,
        trend=context.trend,
        retraining=clean(context.retraining),
    )


def _item(change: Change, held: CauseState) -> Item:
    cause = held.cause
    return Item(
        key=clean(cause.key, 512),
        kind=cause.kind,
        change=change,
        episode=held.episode,
        grade=held.grade,
        urgency=held.urgency,
        title=clean(cause.title, 300),
        sentence=clean(cause.sentence),
        first=held.first,
        seen=held.seen,
        page=held.page if change not in (Change.LATE,) else Page.NONE,
        pages=held.pages,
        page_key=clean(held.page_key, 255),
        model_version=held.version,
        columns=tuple(clean(name, 255) for name in cause.columns[:MAX_COLUMNS]),
        since=clean(cause.since, 200),
        slice=clean(cause.slice, 500),
        event_ids=cause.event_ids[:MAX_EVENTS],
        query=clean(cause.query, 4_000),
        tonight=clean(cause.tonight),
        tomorrow=clean(cause.tomorrow),
        falls=held.falls,
    )

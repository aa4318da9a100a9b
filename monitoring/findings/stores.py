"""Stale and silent online stores: the causes that a distribution only hints at.

`stale_store_check` says which store is *stale*. A store is *silent* when it lacks more records than in the baseline. Training
data has no lookups: the baseline's share of missing records is then the smallest share of missing values among the columns of
the group, because a missing record makes all of them null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from capture.dataset import AGE_PREFIX, MISSING_PREFIX
from monitoring.findings import wording
from monitoring.findings.chance import MISSING_RISE, SILENT, lacks_records
from monitoring.findings.moved import missing_change, missing_share
from monitoring.findings.query import QuerySource, identifier, select
from monitoring.findings.severity import MOSTLY_PRESENT, grade_of_rise, urgency_of
from monitoring.result import Cause, CauseKind, ColumnResult, Grade, StoreHealth, Urgency, Violation

LEFT_OVER = 0.10
"""A column of a silent store that moved by more than this beyond its missing values is listed apart."""


def store_causes(
    columns: Sequence[ColumnResult],
    violations: Sequence[Violation],
    stores: Sequence[StoreHealth],
    groups: Mapping[str, str],
    source: QuerySource | None,
) -> tuple[Cause, ...]:
    """Returns a cause for each store that is stale or silent. Its `columns` are those whose change it explains."""
    causes = []
    stale = {v.feature_name: v for v in violations if v.constraint_check_type == "stale_store_check"}
    for store in stores:
        members = [column for column in columns if groups.get(column.name) == store.group]
        violation = stale.get(f"{AGE_PREFIX}{store.group}")
        causes += [] if violation is None else [_stale(store, violation, members, source)]
        silent = _silent(store, members, source)
        causes += [] if silent is None else [silent]
    return tuple(causes)


def lost_with(causes: Sequence[Cause], columns: Sequence[ColumnResult], groups: Mapping[str, str]) -> set[str]:
    """Returns the columns whose missing values a silent store explains, though their present values may have moved too."""
    found: set[str] = set()
    for cause in causes:
        if cause.kind is CauseKind.MISSING_ENTITIES:
            group = cause.key.removeprefix("missing_entities:")
            members = [column for column in columns if groups.get(column.name) == group]
            rise = min((missing_change(column) for column in members), default=0.0)
            found |= {column.name for column in members if missing_change(column) <= rise + LEFT_OVER}
    return found


def missing_shares(store: StoreHealth, members: Sequence[ColumnResult]) -> tuple[float, float] | None:
    """Returns the shares of missing records in window and baseline, None where the baseline's is not known."""
    if not store.events:
        return None
    if store.baseline_missing is not None:
        return store.events_with_missing / store.events, store.baseline_missing
    known = [column for column in members if column.window is not None and column.baseline is not None]
    if not known:
        return None
    return min(missing_share(column.window) for column in known), min(missing_share(c.baseline) for c in known)


def _stale(
    store: StoreHealth, violation: Violation, members: Sequence[ColumnResult], source: QuerySource | None
) -> Cause:
    moved = tuple(column.name for column in members)
    group = wording.column(store.group)
    old = f" {wording.duration(store.age_median)}" if store.age_median is not None else ""
    number = wording.capitalised(wording.spelled(len(moved)))
    followers = f" {number} {'column comes' if len(moved) == 1 else 'columns come'} from it." if moved else ""
    ordinary = store.baseline_age_median if store.baseline_age_median is not None else 0.0
    return Cause(
        key=f"stale_store:{store.group}",
        kind=CauseKind.STALE_STORE,
        grade=violation.grade,
        urgency=urgency_of(CauseKind.STALE_STORE, violation.grade),
        title=f"Records of store group {group} are{old} old",
        sentence=f"{violation.sentence}{followers} Likely cause: the job that writes the group stopped.",
        columns=moved,
        query=_query(source, f"{AGE_PREFIX}{store.group}", f"{identifier(AGE_PREFIX + store.group)} > {ordinary:.0f}"),
        tonight=f"Restart the job that writes group {group} now.",
        tomorrow="Predictions of this window used old values: decide whether their users must know.",
    )


def _silent(store: StoreHealth, members: Sequence[ColumnResult], source: QuerySource | None) -> Cause | None:
    shares = missing_shares(store, members)
    if shares is None:
        return None
    window, baseline = shares
    before = min((column.baseline.rows for column in members if column.baseline is not None), default=10_000)
    if not lacks_records(window, store.events, baseline, before):
        return None
    grade = grade_of_rise(window - baseline)
    explained = tuple(column.name for column in members if _explained(column))
    group = wording.column(store.group)
    noun = "events" if not members or members[0].request_level else "rows"
    number = wording.capitalised(wording.spelled(len(explained)))
    together = f" {number} columns are null together." if len(explained) > 1 else ""
    sentence = (
        f"{wording.percent(window)} of {noun} found no record in group {group}; {wording.percent(baseline)} in the "
        f"baseline.{together} Likely cause: the store timed out, or lost records."
    )
    return Cause(
        key=f"missing_entities:{store.group}",
        kind=CauseKind.MISSING_ENTITIES,
        grade=grade,
        urgency=_urgency(store, grade, window, baseline),
        title=f"Store group {group} did not answer {wording.percent(window)} of the lookups",
        sentence=sentence,
        columns=explained,
        since=next((column.since for column in members if column.since), ""),
        event_ids=next((column.event_ids for column in members if column.event_ids), ()),
        query=_query(source, f"{MISSING_PREFIX}{store.group}", f"{identifier(MISSING_PREFIX + store.group)} > 0"),
        tonight=f"Check the latency and the errors of store group {group}; the container's log names the timeouts.",
        tomorrow=f"Compare the ids that group {group} lacks with the ids that callers send.",
    )


def _urgency(store: StoreHealth, grade: Grade, window: float, baseline: float) -> Urgency:
    """Returns what missing records ask of a person.

    Training data has no lookups. Where its columns of the group were null at times, other ids are asked on other days: without a
    baseline of lookups only a silent store pages.
    """
    guessed = store.baseline_missing is None and baseline > 1 - MOSTLY_PRESENT
    return Urgency.MESSAGE if guessed and window < SILENT else urgency_of(CauseKind.MISSING_ENTITIES, grade)


def _explained(column: ColumnResult) -> bool:
    """Returns True if a silent store explains what a column moved."""
    change = missing_change(column)
    return change >= MISSING_RISE and (column.linf is None or column.linf <= change + LEFT_OVER)


def _query(source: QuerySource | None, column: str, condition: str) -> str:
    return select(source, column, condition) if source is not None and source.keys else ""

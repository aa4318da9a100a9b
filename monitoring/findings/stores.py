"""Stale and silent online stores: the causes that a distribution only hints at.

A store is *stale* when its records are several times older than in the baseline, *silent* when it lacks more records than
in the baseline. Training data has no lookups: the baseline's share of missing records is then the smallest share of missing
values among the columns of the group, because a missing record makes all of them null. The age has no such substitute, so
a group without a baseline age is never called stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.findings import wording
from monitoring.findings.moved import missing_change, missing_share
from monitoring.findings.query import RowSource, select
from monitoring.findings.severity import grade_of_rise, gravest, urgency_of
from monitoring.result import Cause, CauseKind, ColumnResult, Grade, StoreHealth

OLDER = ((10.0, Grade.LARGE), (5.0, Grade.MEDIUM), (3.0, Grade.SMALL))
"""How many times older than in the baseline the records are."""
OLDER_SECONDS = 300.0
"""Records that are less than this much older are current."""
SHORTEST_AGE = 60.0
MISSING_RISE = 0.005
LEFT_OVER = 0.10
"""A column of a silent store that moved by more than this beyond its missing values is listed apart."""


def store_causes(
    columns: Sequence[ColumnResult], stores: Sequence[StoreHealth], groups: Mapping[str, str], source: RowSource | None
) -> tuple[Cause, ...]:
    """Returns a cause for each store that is stale or silent. Its `columns` are those whose change it explains."""
    causes = []
    for store in stores:
        members = [column for column in columns if groups.get(column.name) == store.group]
        causes += [cause for cause in (_stale(store, members, source), _silent(store, members, source)) if cause]
    return tuple(causes)


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


def _stale(store: StoreHealth, members: Sequence[ColumnResult], source: RowSource | None) -> Cause | None:
    if store.age_median is None or store.baseline_age_median is None:
        return None
    ordinary = max(store.baseline_age_median, SHORTEST_AGE)
    if store.age_median < store.baseline_age_median + OLDER_SECONDS:
        return None
    grade = next((grade for times, grade in OLDER if store.age_median >= times * ordinary), None)
    if grade is None:
        return None
    moved = tuple(column.name for column in members)
    age, before = wording.duration(store.age_median), wording.duration(store.baseline_age_median)
    group = wording.column(store.group)
    followers = f" {wording.capitalised(wording.spelled(len(moved)))} columns come from it." if moved else ""
    sentence = (
        f"Records of group {group} are {age} old at the median of {wording.count(store.events)} events; {before} in "
        f"the baseline.{followers} Likely cause: the job that writes the group stopped."
    )
    return Cause(
        key=f"stale_store:{store.group}",
        kind=CauseKind.STALE_STORE,
        grade=grade,
        urgency=urgency_of(CauseKind.STALE_STORE, grade),
        title=f"Records of store group {group} are {age} old",
        sentence=sentence,
        columns=moved,
        query=_query(source, f"capture_age_{store.group}", f'"capture_age_{store.group}" > {ordinary:.0f}'),
        tonight=f"Restart the job that writes group {group} now.",
        tomorrow="Predictions of this window used old values: decide whether their users must know.",
    )


def _silent(store: StoreHealth, members: Sequence[ColumnResult], source: RowSource | None) -> Cause | None:
    shares = missing_shares(store, members)
    if shares is None or shares[0] - shares[1] < MISSING_RISE:
        return None
    window, baseline = shares
    grade = gravest([grade_of_rise(window - baseline)])
    explained = tuple(column.name for column in members if _explained(column))
    group = wording.column(store.group)
    noun = "events" if not members or members[0].request_level else "rows"
    together = f" {wording.capitalised(wording.spelled(len(explained)))} columns are null together."
    sentence = (
        f"{wording.percent(window)} of {noun} found no record in group {group}; {wording.percent(baseline)} in the "
        f"baseline.{together if len(explained) > 1 else ''} Likely cause: the store timed out, or lost records."
    )
    return Cause(
        key=f"missing_entities:{store.group}",
        kind=CauseKind.MISSING_ENTITIES,
        grade=grade,
        urgency=urgency_of(CauseKind.MISSING_ENTITIES, grade),
        title=f"Store group {group} did not answer {wording.percent(window)} of the lookups",
        sentence=sentence,
        columns=explained,
        since=next((column.since for column in members if column.since), ""),
        event_ids=next((column.event_ids for column in members if column.event_ids), ()),
        query=_query(source, f"capture_missing_{store.group}", f'"capture_missing_{store.group}" > 0'),
        tonight=f"Check the latency and the errors of store group {group}; the container's log names the timeouts.",
        tomorrow=f"Compare the ids that group {group} lacks with the ids that callers send.",
    )


def _explained(column: ColumnResult) -> bool:
    """Returns True if a silent store explains what a column moved."""
    change = missing_change(column)
    return change >= MISSING_RISE and (column.linf is None or column.linf <= change + LEFT_OVER)


def _query(source: RowSource | None, column: str, condition: str) -> str:
    return select(source, column, condition) if source is not None and source.keys else ""

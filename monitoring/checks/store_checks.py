"""`stale_store_check` and `missing_entities_check`: the online feature store, by what each request's lookups found.

A store is stale where the median age of its records is several times that of the baseline, or exceeds a limit that the monitor
names. Entities are missing where the store lacked an id in more events than in the baseline and than chance explains. A baseline of training data has no
lookups: there `completeness_check` sees the missing values, and `monitoring.findings.stores` which group they come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.findings import wording
from monitoring.findings.chance import lacks_records
from monitoring.findings.severity import grade_of_rise
from monitoring.result import Grade, StoreHealth, Violation

TIMES = ((10.0, Grade.LARGE), (5.0, Grade.MEDIUM), (3.0, Grade.SMALL))
"""How many times the baseline's age, or the limit, each grade needs."""
MIN_AGE = 300.0
"""Seconds by which records must be older than in the baseline."""


def check(stores: Sequence[StoreHealth], limits: Mapping[str, float] | None = None) -> list[Violation]:
    """Returns violations of stale and of missing records, by feature group.

    `limits` holds the largest ordinary age in seconds by group. A group without a limit and without an age in the baseline is
    never stale.
    """
    found = []
    for store in stores:
        found += [violation for violation in (_stale(store, limits or {}), _missing(store)) if violation is not None]
    return found


def _stale(store: StoreHealth, limits: Mapping[str, float]) -> Violation | None:
    age, ordinary, limit = store.age_median, store.baseline_age_median, limits.get(store.group)
    if age is None:
        return None
    if limit is not None:
        if age <= limit:
            return None
        grade = next((grade for times, grade in TIMES if age >= times * limit), Grade.SMALL)
        allowed = f"{wording.duration(limit)} allowed"
    elif ordinary is not None:
        found = next((grade for times, grade in TIMES if age >= times * ordinary), None)
        if found is None or age < ordinary + MIN_AGE:
            return None
        grade, limit, allowed = found, ordinary, f"{wording.duration(ordinary)} in the baseline"
    else:
        return None
    return Violation(
        feature_name=f"capture_age_{store.group}",
        constraint_check_type="stale_store_check",
        description=f"Store age requirement is not met. Expected: {limit} seconds. Observed: {age} seconds.",
        sentence=(
            f"Records of store group {wording.column(store.group)} are {wording.duration(age)} old at the median of "
            f"{wording.counted(store.events, 'event')}; {allowed}."
        ),
        grade=grade,
    )


def _missing(store: StoreHealth) -> Violation | None:
    before = store.baseline_missing
    if not store.events or before is None:
        return None
    share = store.events_with_missing / store.events
    if not lacks_records(share, store.events, before):
        return None
    return Violation(
        feature_name=f"capture_missing_{store.group}",
        constraint_check_type="missing_entities_check",
        description=f"Store coverage requirement is not met. Expected: {100.0 * (1 - before)}%. Observed: Only {100.0 * (1 - share)}%.",
        sentence=(
            f"Store group {wording.column(store.group)} lacked an id in {wording.percent(share)} of "
            f"{wording.counted(store.events, 'event')}; {wording.percent(before)} in the baseline."
        ),
        grade=grade_of_rise(share - before),
    )

"""What was checked and is not the cause, so that a person at night need not check it again."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.findings import wording
from monitoring.findings.groups import assign_groups
from monitoring.findings.stores import missing_shares
from monitoring.result import Cause, CauseKind, RunResult


def rule_out(result: RunResult, causes: Sequence[Cause]) -> tuple[str, ...]:
    """Returns sentences of the form "Subject: evidence", only for what was checked and found in order."""
    if not result.events:
        return ()
    kinds = {cause.kind for cause in causes}
    off = set(result.checks_off)
    lines = [_completeness(result), *_stores(result, kinds)]
    if CauseKind.DATA_TYPE not in kinds and "data_type_check" not in off:
        lines.append("Types: every value has its training type.")
    if not kinds & {CauseKind.MISSING_COLUMN, CauseKind.EXTRA_COLUMN, CauseKind.RENAMED_COLUMN}:
        lines.append("Columns: none is missing, none is new.")
    duplicates = result.completeness.duplicates
    noun = wording.counted(duplicates, "row") + (" stands" if duplicates == 1 else " stand")
    lines.append("Duplicates: none." if not duplicates else f"Duplicates: {noun} twice and counted once.")
    return tuple(line for line in lines if line)


def _completeness(result: RunResult) -> str:
    held = result.completeness
    if not held.proved:
        return ""
    expected = held.expected if held.expected is not None else held.found
    return f"Completeness: {wording.count(held.found)} of {wording.count(expected)} records proved."


def _stores(result: RunResult, kinds: set[CauseKind]) -> list[str]:
    groups = assign_groups(result.columns, result.stores)
    ages, missing = [], []
    for store in result.stores:
        members = [column for column in result.columns if groups.get(column.name) == store.group]
        if store.age_median is not None and store.baseline_age_median is not None:
            ages.append(
                f"{wording.column(store.group)} records are {wording.duration(store.age_median)} old at the median, "
                f"{wording.duration(store.baseline_age_median)} in the baseline"
            )
        shares = missing_shares(store, members)
        if shares is not None:
            missing.append(
                f"{wording.column(store.group)} lacks {wording.percent(shares[0])}, {wording.percent(shares[1])} in the "
                f"baseline"
            )
    lines = []
    if ages and CauseKind.STALE_STORE not in kinds:
        lines.append(f"Stale store: {'; '.join(ages)}.")
    if missing and CauseKind.MISSING_ENTITIES not in kinds:
        lines.append(f"Missing entities: {'; '.join(missing)}.")
    return lines

"""`categorical_values_check`: the share of values that lie in the known domain of a string column."""

from __future__ import annotations

from monitoring.baseline.constraints import DataType
from monitoring.checks.checked_column import CheckedColumn
from monitoring.findings import wording
from monitoring.findings.severity import grade_of_rise
from monitoring.result import Violation
from monitoring.states.binning import ColumnBinning, ColumnKind
from monitoring.states.column import ColumnState
from monitoring.states.text import short

SHOWN = 6
"""Unknown values that a sentence names."""


def check(column: CheckedColumn) -> Violation | None:
    """Returns a violation where a smaller share of the values than the threshold is known."""
    domain, binning, state = column.constraint.domain, column.binning, column.window
    threshold = column.config.domain_content_threshold
    if domain is None or column.constraint.data_type is not DataType.STRING:
        return None
    if binning is None or binning.kind is not ColumnKind.CATEGORICAL:
        return None
    total = int(state.fine[:-1].sum())
    unknown, by_value = unknown_values(state, binning, domain)
    if not total or (total - unknown) / total >= threshold:
        return None
    share = (total - unknown) / total
    return Violation(
        feature_name=column.name,
        constraint_check_type="categorical_values_check",
        description=f"Value: {share} does not meet the constraint requirement! ",
        sentence=_sentence(column, unknown, total, by_value),
        grade=grade_of_rise(threshold - share),
    )


def unknown_values(
    state: ColumnState, binning: ColumnBinning, domain: tuple[str, ...]
) -> tuple[int, list[tuple[str, int]]]:
    """Returns how many values lie outside `domain`, and the counts of those known by name, the most frequent first.

    `domain` may differ from that of the bins: a person may have edited it.
    """
    known = set(map(short, domain))
    counts = dict(zip(binning.domain, state.fine[: len(binning.domain)].tolist(), strict=True))
    inside = sum(count for value, count in counts.items() if value in known)
    inside += sum(count for value, count in state.unseen.items() if value in known)
    outside = {value: count for value, count in {**counts, **state.unseen}.items() if value not in known and count}
    ordered = sorted(outside.items(), key=lambda entry: (-entry[1], entry[0]))
    return int(state.fine[:-1].sum()) - inside, ordered


def _sentence(column: CheckedColumn, unknown: int, total: int, by_value: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{wording.value(value)} {wording.count(count)}" for value, count in by_value[:SHOWN])
    more = f" and {wording.counted(len(by_value) - SHOWN, 'more value')}" if len(by_value) > SHOWN else ""
    return (
        f"{wording.count(unknown)} of {wording.count(total)} values of {wording.column(column.name)} "
        f"({wording.percent(unknown / total)}) are unknown at training: {shown}{more}."
    )

"""A column's sentence, the condition of the rows that moved, and the query that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from monitoring.findings import wording
from monitoring.findings.moved import new_values, what_moved
from monitoring.findings.query import QuerySource, select
from monitoring.result import ColumnResult, Status

REAL = 0.05
"""A difference of a column that did not drift is real at most at this p."""
MEAN_MOVED = 0.05
"""A movement of the mean, in standard deviations of the baseline, that is worth a sentence."""
SPREAD_CHANGED = 1.25


def describe_columns(
    columns: Sequence[ColumnResult], groups: Mapping[str, str], source: QuerySource | None
) -> tuple[ColumnResult, ...]:
    """Returns the columns with group, sentence, condition, number of affected rows and query filled in."""
    return tuple(_described(column, groups.get(column.name, ""), source) for column in columns)


def status_sentence(column: ColumnResult) -> str:
    """Returns what was decided: "Large drift: L∞ 0.998, p ≤ 0.001." """
    linf, p = wording.distance(column.linf), wording.p_value(column.p_value)
    numbers = ", ".join(part for part in (f"L∞ {linf}" if linf else "", f"p {p}" if p else "") if part)
    if column.status is Status.DRIFT:
        return f"{wording.capitalised(str(column.grade))} drift{f': {numbers}' if numbers else ''}."
    if column.status is Status.NOT_JUDGED:
        reason = column.reason or not_judged_reason(column)
        return f"Not judged{f': {reason}' if reason else ''}."
    if column.p_value is not None and column.p_value <= REAL and linf:
        return f"No drift: the difference is real (p {p}) but too small to matter (L∞ {linf})."
    seen = f" This window could have shown a change of {column.detectable:.2f} or more." if column.detectable else ""
    return f"No drift{f': {numbers}' if numbers else ''}.{seen}"


def not_judged_reason(column: ColumnResult) -> str:
    """Returns why a column was not judged in terms of what the window could have shown, "" where that is unknown."""
    if column.detectable is None:
        return ""
    observed = f", observed {column.linf:.2f}" if column.linf is not None else ""
    return f"could only have seen {column.detectable:.2f}{observed}"


def _described(column: ColumnResult, group: str, source: QuerySource | None) -> ColumnResult:
    movement = what_moved(column)
    condition, affected = movement.condition, movement.affected
    if column.unseen and column.status is not Status.DRIFT:
        condition, affected = new_values(column), sum(number for _, number in column.unseen)
    sentence = column.sentence or " ".join(part for part in (movement.sentence, *_moments(column)) if part)
    query = column.query or (select(source, column.name, condition) if source and condition else "")
    return msgspec.structs.replace(
        column,
        group=column.group or group,
        sentence=sentence,
        condition=column.condition or condition,
        affected=column.affected if column.affected is not None else affected,
        query=query,
    )


def _moments(column: ColumnResult) -> list[str]:
    baseline, window = column.baseline, column.window
    if baseline is None or window is None or baseline.mean is None or window.mean is None or not baseline.std_dev:
        return []
    sentences = []
    moved = (window.mean - baseline.mean) / baseline.std_dev
    if abs(moved) >= MEAN_MOVED:
        sign = "+" if moved > 0 else "−"
        sentences.append(f"The mean moved by {sign}{abs(moved):.2f} standard deviations.")
    if window.std_dev is not None:
        ratio = window.std_dev / baseline.std_dev
        if ratio >= SPREAD_CHANGED or ratio <= 1 / SPREAD_CHANGED:
            sentences.append(f"The standard deviation is {ratio:.2f} times that of training.")
    return sentences


def recent_heading(columns: Sequence[ColumnResult]) -> str:
    """Returns the heading of the strips of recent windows, "Last 24 h" or "Last 7 d"; "" where no column has one."""
    column = next((column for column in columns if column.recent), None)
    return "" if column is None else f"Last {len(column.recent[-24:])} {column.recent_unit[:1]}"

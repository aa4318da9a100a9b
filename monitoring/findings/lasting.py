"""What lasts: verdict and lead of the trend page."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitoring.findings import wording
from monitoring.findings.verdict import WORDS, words
from monitoring.result import Grade, Status
from monitoring.trend_data import TrendColumn, TrendResult

TOGETHER = 4
"""Columns that were unusual in the same window and are not since: an event, not drift."""
MIN_WINDOWS = 2
"""Windows that a column must be unusual to be called lasting."""


def describe_trend(trend: TrendResult) -> TrendResult:
    """Returns the trend with verdict and lead filled in."""
    lasting = _lasting(trend)
    sentences = [_merged_only(trend, lasting), _together(trend, lasting), _unproved(trend)]
    return msgspec.structs.replace(
        trend, verdict=_verdict(trend, lasting), lead=" ".join(sentence for sentence in sentences if sentence)
    )


def _lasting(trend: TrendResult) -> list[tuple[TrendColumn, int]]:
    """Returns the columns that are unusual still, and for how many windows, the longest first."""
    found = []
    for column in trend.columns:
        since = column.since
        if since is None:
            continue
        length = sum(window.start >= since for window in trend.windows)
        if length >= MIN_WINDOWS:
            found.append((column, length))
    return sorted(found, key=lambda pair: (-pair[1], pair[0].name))


def _verdict(trend: TrendResult, lasting: Sequence[tuple[TrendColumn, int]]) -> str:
    if not any(window.rows for window in trend.windows):
        return "No traffic in any window."
    if not lasting:
        if any(cell.grade not in (None, Grade.NONE) for column in trend.columns for cell in column.cells):
            return f"Nothing lasts: the latest {trend.unit} looks like ordinary ones."
        judged = any(cell.grade is not None for column in trend.columns for cell in column.cells)
        return f"Every {trend.unit} looks like ordinary ones." if judged else f"No {trend.unit} could be judged."
    length = lasting[0][1]
    alike = [column for column, number in lasting if number == length][:2]
    names = wording.joined([wording.column(column.name) for column in alike])
    verb = "has" if len(alike) == 1 else "have"
    verdict = f"{names} {verb} been unlike training for {wording.counted(length, trend.unit)}"
    rest = lasting[len(alike) :]
    second = f", {wording.column(rest[0][0].name)} for {wording.count(rest[0][1])}" if rest else ""
    more = f", and {len(rest) - 1} more" if len(rest) > 1 else ""
    return f"{verdict}{second}{more}." if words(verdict + second + more) <= WORDS else f"{verdict}."


def _merged_only(trend: TrendResult, lasting: Sequence[tuple[TrendColumn, int]]) -> str:
    lasting_names = {column.name for column, _ in lasting}
    hidden = [
        column
        for column in trend.columns
        if column.status is Status.DRIFT
        and column.grade in (Grade.MEDIUM, Grade.LARGE)
        and column.name not in lasting_names
    ]
    if not hidden:
        return ""
    names = wording.joined([wording.column(column.name) for column in hidden], most=5)
    verb = "drifts" if len(hidden) == 1 else "drift"
    over = f" ({trend.merged})" if trend.merged else ""
    return f"{names} {verb} only over the merged window{over}: single {trend.unit}s look ordinary."


def _together(trend: TrendResult, lasting: Sequence[tuple[TrendColumn, int]]) -> str:
    lasting_names = {column.name for column, _ in lasting}
    passing = [column for column in trend.columns if column.name not in lasting_names]
    counts = [
        sum(column.cells[at].grade not in (None, Grade.NONE) for column in passing) for at in range(len(trend.windows))
    ]
    worst = max(range(len(counts)), key=lambda at: counts[at], default=0)
    if not counts or counts[worst] < TOGETHER:
        return ""
    number = wording.capitalised(wording.spelled(counts[worst]))
    at = wording.moment(trend.windows[worst].start, trend.created)
    return f"{number} columns were unusual together at {at} and are not now: look for an outage of their source."


def _unproved(trend: TrendResult) -> str:
    missing = [window for window in trend.windows if window.proved is False]
    if not missing:
        return ""
    total = wording.counted(len(trend.windows), trend.unit)
    verb = "is" if len(missing) == 1 else "are"
    return f"{len(missing)} of {total} {verb} not proved complete."

"""Bars and curves as SVG paths.

The baseline is a filled area, the window a line over it: fill against line survives print and grey. One path serves the
small picture in the row and the chart in the panel (`<use>`), in a box of 240 × 80. Missing values and a value that stands
apart are bars of their own at the left, drawn as shares of 100 %. "All others" of a categorical column are left out: they
would dwarf the rest, and the table states them. Labels are HTML, so that they are never scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.findings import wording
from monitoring.findings.visible import visible_value
from monitoring.result import Bin, ColumnResult

WIDTH, HEIGHT, TOP = 240, 80, 2
TICKS = 5
MIN_SIDE = 0.005
"""Missing values below this share have no bar: the table of numbers states them."""


@dataclass(frozen=True, slots=True)
class SideBar:
    """A bar at the left: shares of all rows, 0 to 1."""

    label: str
    baseline: float
    window: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the x axis. `left` is its place in per cent of the width."""

    left: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The paths and labels of one column's chart. `cdf_window` is "" where there is no curve."""

    baseline: str
    window: str
    peak: str
    span: str
    ticks: tuple[Tick, ...]
    sides: tuple[SideBar, ...]
    cdf_baseline: str = ""
    cdf_window: str = ""
    cdf_gap: str = ""


def draw(column: ColumnResult) -> Chart | None:
    """Returns the chart of a column, None where it has no bars."""
    numeric = [bar for bar in column.bins if _is_interval(bar)]
    sides = [
        bar for bar in column.bins if (bar.is_null and _is_seen(bar)) or (bar.low is not None and bar.low == bar.high)
    ]
    drawn = numeric or [bar for bar in column.bins if bar.low is None and not bar.is_null and not bar.is_other]
    if not drawn and not sides:
        return None
    bars = tuple(SideBar("null" if b.is_null else visible_value(b.label, 12), b.baseline, b.window) for b in sides)
    if not numeric:
        return _categories(drawn, bars)
    return _numbers(numeric, bars, column)


def _is_seen(bar: Bin) -> bool:
    return max(bar.baseline, bar.window) >= MIN_SIDE


def _is_interval(bar: Bin) -> bool:
    return bar.low is not None and bar.high is not None and bar.low < bar.high


def _numbers(bars: Sequence[Bin], sides: tuple[SideBar, ...], column: ColumnResult) -> Chart:
    low, high = bars[0].low or 0.0, bars[-1].high or 0.0
    peak = max(max(bar.baseline, bar.window) for bar in bars)
    before = _stairs([bar.baseline for bar in bars], peak)
    after = _stairs([bar.window for bar in bars], peak)
    step = (high - low) / len(bars)
    place = "a value" if step == 1 and all(bar.label.lstrip("-").isdigit() for bar in bars) else "a bin of "
    width = "" if place == "a value" else wording.number(float(f"{step:.4g}"))
    curves = _curves(column.cdf, low, high) if column.cdf else ("", "", "")
    return Chart(
        f"M0 {HEIGHT}{before}V{HEIGHT}z",
        f"M0 {HEIGHT}{after}V{HEIGHT}",
        f"up to {wording.percent(peak)} in {place}{width}",
        f"from {wording.number(low)} to {wording.number(high)}",
        tuple(_ticks(low, high)),
        sides,
        *curves,
    )


def _categories(bars: Sequence[Bin], sides: tuple[SideBar, ...]) -> Chart:
    peak = max((max(bar.baseline, bar.window) for bar in bars), default=0.0)
    width = WIDTH / max(len(bars), 1)
    before, after = [], []
    for at, bar in enumerate(bars):
        left, right = at * width, (at + 1) * width
        gap = width / 10
        before.append(f"M{_n(left + gap)} {HEIGHT}V{_y(bar.baseline, peak)}H{_n(right - gap)}V{HEIGHT}z")
        after.append(f"M{_n(left)} {_y(bar.window, peak)}H{_n(right)}")
    return Chart(
        "".join(before),
        "".join(after),
        f"up to {wording.percent(peak)}",
        wording.counted(len(bars), "bar"),
        (),
        sides,
    )


def _stairs(heights: Sequence[float], peak: float) -> str:
    """Returns the outline of adjacent bars from left to right; equal heights share a line."""
    parts = []
    last = None
    for at, height in enumerate(heights):
        y = _y(height, peak)
        if y != last:
            parts.append(f"H{_n(at * WIDTH / len(heights))}" if at else "")
            parts.append(f"V{y}")
            last = y
    return "".join(parts) + f"H{WIDTH}"


def _curves(points: Sequence[tuple[float, float, float]], low: float, high: float) -> tuple[str, str, str]:
    ordered = sorted(points)
    scale = WIDTH / (high - low)
    paths = []
    for side in (1, 2):
        parts = [f"M0 {_y(_at(ordered, low, side), 1)}"]
        last = None
        for point in ordered:
            y = _y(point[side], 1)
            if low <= point[0] <= high and y != last:
                parts.append(f"H{_n((point[0] - low) * scale)}V{y}")
                last = y
        paths.append("".join(parts) + f"H{WIDTH}")
    widest = max(ordered, key=lambda point: abs(point[2] - point[1]))
    x = _n(min(max((widest[0] - low) * scale, 0), WIDTH))
    return paths[0], paths[1], f"M{x} {_y(widest[1], 1)}V{_y(widest[2], 1)}"


def _at(points: Sequence[tuple[float, float, float]], value: float, side: int) -> float:
    return max((point[side] for point in points if point[0] <= value), default=0.0)


def _ticks(low: float, high: float) -> list[Tick]:
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 2.5, 5, 10) if times * power >= rough)
    first = math.ceil(low / step)
    values = [at * step for at in range(first, math.floor(high / step) + 1)]
    ticks = [
        Tick(round(100 * (value - low) / (high - low), 1), wording.number(float(f"{value:.6g}"))) for value in values
    ]
    return [tick for tick in ticks if 1 <= tick.left <= 98]


def _y(share: float, peak: float) -> str:
    return _n(HEIGHT - (HEIGHT - TOP) * share / peak) if peak else str(HEIGHT)


def _n(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")

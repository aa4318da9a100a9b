"""The bars and the curve of a column's chart, from the counts of its fine bins.

Numbers: at most 40 bars with a round step that is a multiple of the values' own grid, so that no bar is empty by rounding
alone. Whole numbers over a range of at most 62 get a bar each. The range leaves out the outermost 0.2 % of either side,
which stand in the first and the last bar. A value that holds half of the rows stands apart, and so do missing values.

Categories: the largest, then those that moved most, then the others together, values that training never had, missing
values. All heights are shares of all rows of a side, missing values included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitoring.findings import wording
from monitoring.findings.visible import ELLIPSIS
from monitoring.result import Bin

BARS = 40
WHOLE_NUMBERS = 62
TAIL = 0.002
APART = 0.5
CURVE_POINTS = 64
MAX_CATEGORIES, MOVED_CATEGORIES = 10, 4
LABEL_LENGTH = 200

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FineCounts:
    """Counts of one side. `counts`: shape (fine + 1,), missing values last. `sums`: shape (fine,), sums of the values."""

    counts: Floats
    sums: Floats

    @property
    def total(self) -> float:
        """Rows of this side, missing values included."""
        return float(self.counts.sum())

    def means(self) -> Floats:
        """Returns the mean of each fine bin, NaN for an empty one."""
        held = self.counts[:-1]
        means: Floats = np.divide(self.sums, held, out=np.full(len(held), np.nan), where=held > 0)
        return means


def number_bars(edges: Floats, baseline: FineCounts, window: FineCounts, *, whole: bool) -> tuple[Bin, ...]:
    """Returns the bars of a numeric column.

    `edges`: shape (fine - 1,), bin i holds edges[i-1] < x <= edges[i]. `whole` says that every value is a whole number.
    """
    sides = (baseline, window)
    low, high = _range(sides)
    bars = [_missing_bar(baseline, window)] if baseline.counts[-1] or window.counts[-1] else []
    if not math.isfinite(low):
        return tuple(bars)
    single = [_single_valued(edges, side) for side in sides]
    apart = _apart(sides, single)
    if apart is not None:
        bars.append(_value_bar(apart, baseline, window))
        low, high = _range(tuple(_without(side, apart) for side in sides))
        if not math.isfinite(low):
            return tuple(bars)
    start, step, number = _steps(low, high, _grid(sides, single), whole)
    heights = [_deposit(edges, _without(side, apart), start, step, number) / max(side.total, 1.0) for side in sides]
    for at in range(number):
        left = start + at * step
        label = wording.number(left + step / 2) if whole and step == 1 else wording.number(left)
        bars.append(Bin(label, _share(heights[0][at]), _share(heights[1][at]), left, left + step))
    return tuple(bars)


def category_bars(
    domain: tuple[str, ...], baseline: FineCounts, window: FineCounts, *, rest: str = "not in training"
) -> tuple[Bin, ...]:
    """Returns the bars of a categorical column. Fine bin i holds domain[i], bin len(domain) every other value, called `rest`."""
    before, after = baseline.counts / max(baseline.total, 1.0), window.counts / max(window.total, 1.0)
    known = len(domain)
    by_size = np.argsort(-np.maximum(before[:known], after[:known]), kind="stable")
    by_change = np.argsort(-np.abs(after[:known] - before[:known]), kind="stable")
    shown = dict.fromkeys(map(int, by_size[:MAX_CATEGORIES]))
    shown |= dict.fromkeys([int(at) for at in by_change if int(at) not in shown][:MOVED_CATEGORIES])
    bars = [Bin(_label(domain[at]), _share(before[at]), _share(after[at])) for at in shown]
    small = [at for at in range(known) if at not in shown]
    if small:
        label = f"{wording.count(len(small))} others"
        bars.append(Bin(label, _share(before[small].sum()), _share(after[small].sum()), is_other=True))
    if before[known] or after[known]:
        bars.append(Bin(rest, _share(before[known]), _share(after[known]), is_other=True))
    if before[-1] or after[-1]:
        bars.append(_missing_bar(baseline, window))
    return tuple(bars)


def curve(edges: Floats, baseline: FineCounts, window: FineCounts) -> tuple[tuple[float, float, float], ...]:
    """Returns (value, baseline CDF, window CDF) points: those with the largest steps, and the one of the largest gap."""
    before = np.cumsum(baseline.counts[:-1]) / max(baseline.total, 1.0)
    after = np.cumsum(window.counts[:-1]) / max(window.total, 1.0)
    inner = slice(0, len(edges))
    if not len(edges):
        return ()
    height = before[inner] + after[inner]
    picked = np.unique(
        np.searchsorted(height, np.linspace(height[0], height[-1], CURVE_POINTS)).clip(0, len(edges) - 1)
    )
    gap = int(np.argmax(np.abs(after[inner] - before[inner])))
    return tuple(
        (float(edges[at]), round(float(before[at]), 5), round(float(after[at]), 5))
        for at in np.unique(np.append(picked, gap))
    )


def _missing_bar(baseline: FineCounts, window: FineCounts) -> Bin:
    before, after = baseline.counts[-1] / max(baseline.total, 1.0), window.counts[-1] / max(window.total, 1.0)
    return Bin("null", _share(before), _share(after), is_null=True)


def _range(sides: tuple[FineCounts, ...]) -> tuple[float, float]:
    """Returns the range of the bin means that holds all but the tails of both sides; infinite without a value."""
    low, high = math.inf, -math.inf
    for side in sides:
        held, means = side.counts[:-1], side.means()
        if not held.sum():
            continue
        cumulated = np.cumsum(held) / held.sum()
        inside = np.flatnonzero((held > 0) & (cumulated >= TAIL) & (cumulated - held / held.sum() <= 1 - TAIL))
        low, high = min(low, float(means[inside[0]])), max(high, float(means[inside[-1]]))
    return low, high


def _single_valued(edges: Floats, side: FineCounts) -> npt.NDArray[np.bool_]:
    """Returns for each fine bin whether all its values are its upper edge: no mean below it."""
    upper = np.append(edges, np.inf)
    with np.errstate(invalid="ignore"):
        found: npt.NDArray[np.bool_] = np.abs(side.means() - upper) <= 1e-9 * np.maximum(np.abs(upper), 1e-9)
    return found


def _apart(sides: tuple[FineCounts, ...], single: list[npt.NDArray[np.bool_]]) -> int | None:
    """Returns the fine bin whose one value holds half of the rows of a side while others hold values too."""
    for side, is_single in zip(sides, single, strict=True):
        at = int(np.argmax(side.counts[:-1]))
        heavy = is_single[at] and side.counts[at] >= APART * side.total > 0
        if heavy and sum(np.count_nonzero(s.counts[:-1]) for s in sides) > 4:
            return at
    return None


def _value_bar(at: int, baseline: FineCounts, window: FineCounts) -> Bin:
    values = [float(side.means()[at]) for side in (baseline, window) if side.counts[at]]
    before, after = (side.counts[at] / max(side.total, 1.0) for side in (baseline, window))
    return Bin(wording.number(values[0]), _share(before), _share(after), values[0], values[0])


def _without(side: FineCounts, at: int | None) -> FineCounts:
    if at is None:
        return side
    counts = side.counts.astype(np.float64).copy()
    # Missing rows stand for the rows that stand apart, so that the total stays.
    counts[-1] += counts[at]
    counts[at] = 0
    return FineCounts(counts, side.sums)


def _grid(sides: tuple[FineCounts, ...], single: list[npt.NDArray[np.bool_]]) -> float:
    """Returns the step of which all values are multiples of, 0 where there is none: the step of a sensor."""
    found = [side.means()[is_single] for side, is_single in zip(sides, single, strict=True)]
    values = np.unique(np.concatenate(found).round(9))
    if len(values) < 3:
        return 0.0
    gaps = np.diff(values)
    step = float(np.quantile(gaps, 0.1))
    if step <= 0:
        return 0.0
    multiples = gaps / step
    return step if np.mean(np.abs(multiples - np.rint(multiples)) < 0.02) > 0.9 else 0.0


def _steps(low: float, high: float, grid: float, whole: bool) -> tuple[float, float, int]:
    if whole and high - low <= WHOLE_NUMBERS:
        return math.floor(low) - 0.5, 1.0, int(round(high) - math.floor(low)) + 1
    span = high - low
    if span <= 0:
        return low - 0.5, 1.0, 1
    step = _round_up(span / BARS)
    if grid:
        step = math.ceil(round(span / BARS / grid, 6)) * grid
        start = low - step / 2 if step == grid else low - grid / 2
    else:
        start = math.floor(low / step) * step
    return start, step, max(1, math.ceil((high - start) / step + 1e-9))


def _round_up(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(times * power for times in (1.0, 2.0, 2.5, 5.0, 10.0) if times * power >= step * (1 - 1e-9))


def _deposit(edges: Floats, side: FineCounts, start: float, step: float, number: int) -> Floats:
    """Returns the rows of each bar. A fine bin wider than a bar is spread evenly, a narrower one stands at its mean."""
    heights = np.zeros(number)
    means = side.means()
    for at in np.flatnonzero(side.counts[:-1] > 0):
        held = float(side.counts[at])
        left = edges[at - 1] if at > 0 else -math.inf
        right = edges[at] if at < len(edges) else math.inf
        if held >= 4 and math.isfinite(left) and math.isfinite(right) and right - left > 1.5 * step:
            borders = start + step * np.arange(number + 1)
            borders[0], borders[-1] = -math.inf, math.inf
            overlap = np.clip(np.minimum(borders[1:], right) - np.maximum(borders[:-1], left), 0, None)
            heights += held * overlap / overlap.sum()
        else:
            heights[int(np.clip((means[at] - start) // step, 0, number - 1))] += held
    return heights


def _label(text: str) -> str:
    return text if len(text) <= LABEL_LENGTH else text[: LABEL_LENGTH - 1] + ELLIPSIS


def _share(share: float | np.float64) -> float:
    return round(float(share), 6)

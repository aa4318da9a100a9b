"""What moved in one column: the part of it that explains most, as a sentence and as the SQL condition of its rows.

The parts are tried in this order, and the first that fits is taken: missing values, another unit, another rounding, values
outside the range that training had, one value instead of many, the share at the largest gap of the CDFs, the categories
that moved most. The comparison is always number, unit, training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from monitoring.findings import wording
from monitoring.findings.query import equals, identifier, one_of
from monitoring.result import Bin, ColumnResult, SideSummary

MISSING_PART = 0.5
"""Missing values explain a drift when their change is at least this part of the L-infinity distance."""
OUTSIDE_SHARE = 0.05
"""A share of values outside the range of training that is worth a sentence."""
PRESENT_LEVEL = 0.05
"""The values that are there count as unchanged where the p-value of their distribution is larger."""
ONE_VALUE_SHARE = 0.9
ROUNDING_SHIFT = 0.02
"""A Wasserstein distance, in standard deviations, below which values moved by their rounding only."""
ROUNDING_SPREAD = 0.05
"""A rounding changes the standard deviation by less than this part."""
UNIT_TOLERANCE, FAR_UNIT, FAR_UNIT_TOLERANCE = 0.04, 5.0, 0.10
"""How far quantiles may be from those of another unit, as a part of their spread; from a factor of FAR_UNIT on nothing else comes near."""
UNITS: tuple[tuple[float, float, str], ...] = (
    (1000.0, 0.0, "by 1,000: milli or kilo"),
    (100.0, 0.0, "by 100: per cent, or cents"),
    (60.0, 0.0, "by 60: minutes and hours, or seconds and minutes"),
    (3600.0, 0.0, "by 3,600: seconds and hours"),
    (86400.0, 0.0, "by 86,400: seconds and days"),
    (1024.0, 0.0, "by 1,024: bytes and kibibytes"),
    (1.609344, 0.0, "by 1.609: kilometres and miles"),
    (3.28084, 0.0, "by 3.281: feet and metres"),
    (2.54, 0.0, "by 2.54: centimetres and inches"),
    (2.204623, 0.0, "by 2.205: pounds and kilograms"),
    (25.4, 0.0, "by 25.4: inches and millimetres"),
    (30.48, 0.0, "by 30.48: feet and centimetres"),
    (28.349523, 0.0, "by 28.35: ounces and grams"),
    (10.0, 0.0, "by 10: centimetres and millimetres"),
    (24.0, 0.0, "by 24: days and hours"),
    (7.0, 0.0, "by 7: weeks and days"),
    (4.184, 0.0, "by 4.184: calories and joules"),
    (1e6, 0.0, "by 1,000,000: micro or mega"),
    (3.6, 0.0, "by 3.6: km/h and m/s"),
    (1.943844, 0.0, "by 1.944: knots and m/s"),
    (1.8, 32.0, "degrees Celsius and Fahrenheit"),
    (1.0, 273.15, "degrees Celsius and kelvin"),
)
"""Factor, offset and name of the unit changes that are recognised, each in both directions."""
SCALE, SCALE_TOLERANCE = 1.9, 0.03
"""A factor of no known unit is named from this size on, where the quantiles follow it this closely."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What moved. `part` is one of the names below; `affected` is None where the number of rows is not known.

    Parts: "missing", "unit", "above", "below", "one value", "rounding", "level", "shares", "".
    """

    part: str
    sentence: str
    condition: str = ""
    affected: int | None = None
    likely: str = ""


def unit_of_count(column: ColumnResult) -> str:
    """Returns the noun for what a column counts: "events" for a request-level column, else "rows"."""
    return "events" if column.request_level else "rows"


def missing_share(side: SideSummary | None) -> float:
    """Returns the share of missing values of one side, 0 without rows."""
    return side.missing / side.rows if side is not None and side.rows else 0.0


def missing_change(column: ColumnResult) -> float:
    """Returns by how much the share of missing values rose, -1 to 1."""
    return missing_share(column.window) - missing_share(column.baseline)


def by_missing_values(column: ColumnResult) -> bool:
    """Returns True if missing values explain most of what a column moved."""
    return column.linf is not None and abs(missing_change(column)) >= max(0.005, MISSING_PART * column.linf)


def by_type(column: ColumnResult) -> bool:
    """Returns True if values of kinds that training never had explain most of what a column moved."""
    if column.linf is None or column.baseline is None or column.window is None or not column.window.rows:
        return False
    known = column.baseline.kinds
    foreign = sum(number for kind, number in column.window.kinds.items() if not known.get(kind))
    return foreign / column.window.rows >= max(0.005, MISSING_PART * column.linf)


def what_moved(column: ColumnResult) -> Movement:
    """Returns the part of a column that explains most of its distance from the baseline."""
    if column.baseline is None or column.window is None or not column.window.rows:
        return Movement("", "")
    parts: tuple[Callable[[ColumnResult, SideSummary, SideSummary], Movement | None], ...]
    parts = (_missing, _unit, _rounding, _outside, _one_value, _level, _shares)
    for part in parts:
        found = part(column, column.baseline, column.window)
        if found is not None:
            return found
    return Movement("", "")


def _missing(column: ColumnResult, baseline: SideSummary, window: SideSummary) -> Movement | None:
    if not by_missing_values(column):
        return None
    known = column.name
    sentence = (
        f"{wording.percent(missing_share(window))} of the {wording.count(window.rows)} {unit_of_count(column)} lack "
        f"{wording.column(known)}; {wording.percent(missing_share(baseline))} in training."
    )
    if dict(column.tests).get("distribution", 0.0) > PRESENT_LEVEL:
        sentence += " The distribution of the values that are there did not change."
    if missing_change(column) < 0:
        return Movement("missing", sentence, f"{identifier(known)} IS NOT NULL", window.rows - window.missing)
    return Movement("missing", sentence, f"{identifier(known)} IS NULL", window.missing)


def _unit(column: ColumnResult, baseline: SideSummary, window: SideSummary) -> Movement | None:
    if column.shift is None or column.shift < 0.2:
        return None
    before, after = baseline.quantiles, window.quantiles
    fits = [(_misfit(before, after, unit, forward), unit) for unit in UNITS for forward in (True, False)]
    misfit, (factor, _, name) = min(fits)
    if misfit > (FAR_UNIT_TOLERANCE if factor >= FAR_UNIT else UNIT_TOLERANCE):
        return _scale(column, before, after)
    sentence = (
        f"The values of {wording.column(column.name)} follow those of training in another unit: the median is "
        f"{wording.number(after[3])}; {wording.number(before[3])} in training."
    )
    return Movement("unit", sentence, f"{identifier(column.name)} IS NOT NULL", None, f"a unit ({name})")


def _scale(column: ColumnResult, before: tuple[float, ...], after: tuple[float, ...]) -> Movement | None:
    """Returns that all values were multiplied by a factor of no known unit, None where they were not."""
    if len(before) != 7 or len(after) != 7 or before[3] * after[3] <= 0:
        return None
    factor = after[3] / before[3]
    if 1 / SCALE < factor < SCALE or _misfit(before, after, (factor, 0.0, ""), forward=True) > SCALE_TOLERANCE:
        return None
    sentence = (
        f"The values of {wording.column(column.name)} follow those of training multiplied by about {factor:.3g}: the median "
        f"is {wording.number(after[3])}; {wording.number(before[3])} in training."
    )
    return Movement("unit", sentence, f"{identifier(column.name)} IS NOT NULL", None, "another unit or scale")


def _misfit(
    before: tuple[float, ...], after: tuple[float, ...], unit: tuple[float, float, str], forward: bool
) -> float:
    """Returns how far the quantiles `after` are from those `before` in another unit, as a part of their spread.

    The outermost quantiles, of 1 and 99 %, are left out: the ends of two samples differ. Infinite where they could be the same unit: where the median moved by less than a third of the spread.
    """
    if len(before) != 7 or len(after) != 7:
        return math.inf
    spread = after[5] - after[1]
    if spread <= 0 or before[5] <= before[1] or abs(after[3] - before[3]) < min(spread, before[5] - before[1]) / 3:
        return math.inf
    factor, offset, _ = unit
    turned = [x * factor + offset if forward else (x - offset) / factor for x in before]
    return max(abs(a - b) / max(spread, abs(b)) for a, b in zip(after[1:6], turned[1:6], strict=True))


def _outside(column: ColumnResult, baseline: SideSummary, window: SideSummary) -> Movement | None:
    if not window.rows:
        return None
    above, below = window.above / window.rows, window.below / window.rows
    share, side = max((above, "above"), (below, "below"))
    edge = baseline.maximum if side == "above" else baseline.minimum
    if share < max(OUTSIDE_SHARE, 0.3 * (column.linf or 0.0)) or edge is None:
        return None
    extreme = "largest" if side == "above" else "smallest"
    sentence = (
        f"{wording.percent(share)} of the {wording.count(window.rows)} {unit_of_count(column)} are {side} "
        f"{wording.number(edge)} in {wording.column(column.name)}, the {extreme} value in training."
    )
    sign = ">" if side == "above" else "<"
    likely = "values that training did not contain"
    condition = f"{identifier(column.name)} {sign} {edge!r}"
    return Movement(side, sentence, condition, window.above if side == "above" else window.below, likely)


def _one_value(column: ColumnResult, baseline: SideSummary, window: SideSummary) -> Movement | None:
    if window.minimum is not None and window.minimum == window.maximum and baseline.minimum != baseline.maximum:
        if missing_share(window) > 1 - ONE_VALUE_SHARE:
            return None
        shown = wording.number(window.minimum)
        sentence = f"Every value of {wording.column(column.name)} is {shown}; training had many values."
        condition = f"{identifier(column.name)} = {window.minimum!r}"
        return Movement("one value", sentence, condition, window.rows - window.missing, "a default value, or a caller")
    categories = [bar for bar in column.bins if _is_category(bar)]
    top = max(categories, key=lambda bar: bar.window, default=None)
    if top is None or top.window < ONE_VALUE_SHARE or top.baseline > top.window - 0.2:
        return None
    sentence = (
        f"{wording.percent(top.window)} of the {wording.count(window.rows)} {unit_of_count(column)} are "
        f"{wording.value(top.label)} in {wording.column(column.name)}; {wording.percent(top.baseline)} in training."
    )
    return Movement("one value", sentence, equals(column.name, top.label), None, "a default value, or a caller")


def _rounding(column: ColumnResult, baseline: SideSummary, window: SideSummary) -> Movement | None:
    if column.kind != "numeric" or column.shift is None or column.linf is None:
        return None
    if column.shift > ROUNDING_SHIFT or column.linf < 0.05 or abs(missing_change(column)) > 0.01:
        return None
    if not baseline.std_dev or not window.std_dev or abs(window.std_dev / baseline.std_dev - 1) > ROUNDING_SPREAD:
        return None
    sentence = (
        f"The values of {wording.column(column.name)} moved by {column.shift:.3f} standard deviations only, "
        f"yet their steps differ from training's."
    )
    return Movement("rounding", sentence, f"{identifier(column.name)} IS NOT NULL", None, "another rounding")


def _level(column: ColumnResult, baseline: SideSummary, window: SideSummary) -> Movement | None:
    if not column.cdf:
        return None
    at, before, after = max(column.cdf, key=lambda point: abs(point[2] - point[1]))
    if not math.isfinite(at):
        return None
    if after == before:
        return Movement("", f"The values of {wording.column(column.name)} are distributed as in training.")
    sentence = (
        f"{wording.percent(after)} of {unit_of_count(column)} are at or below {wording.number(at)} in "
        f"{wording.column(column.name)}; {wording.percent(before)} in training."
    )
    sign = ">" if after < before else "<="
    return Movement("level", sentence, f"{identifier(column.name)} {sign} {at!r}")


def _shares(column: ColumnResult, baseline: SideSummary, window: SideSummary) -> Movement | None:
    categories = [bar for bar in column.bins if _is_category(bar)]
    by_change = sorted(categories, key=lambda bar: abs(bar.window - bar.baseline), reverse=True)
    if not by_change:
        return None
    parts = [
        f"{wording.value(bar.label)} {wording.percent(bar.window)}, was {wording.percent(bar.baseline)}"
        for bar in by_change[:3]
        if abs(bar.window - bar.baseline) >= max(0.001, abs(by_change[0].window - by_change[0].baseline) / 3)
    ]
    if not parts:
        return Movement("shares", "The shares of the values are as in training.")
    sentence = f"In {wording.column(column.name)}: {'; '.join(parts)}."
    risen = [bar for bar in by_change if bar.window > bar.baseline]
    shown = risen[0] if risen else by_change[0]
    return Movement("shares", sentence, equals(column.name, shown.label))


def _is_category(bar: Bin) -> bool:
    return bar.low is None and bar.high is None and not bar.is_null and not bar.is_other


def new_values(column: ColumnResult, most: int = 20) -> str:
    """Returns the SQL condition of the rows whose value training never had, by the values that are counted by name."""
    return one_of(column.name, [text for text, _ in column.unseen[:most]])

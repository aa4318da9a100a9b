"""Time units: is this hour or day unlike ordinary hours or days of the baseline?

Requests of one day resemble each other (weather, season, a sale), so against random requests of three months every single
day "differs". Here a unit of time is held against units of time: each baseline unit is scored against the baseline *without
its own week*, a unit of the window against the whole baseline, and the window's score is ranked among those.

A score is made comparable between columns by the column's own scores: (ln S - mean) / standard deviation over the baseline's
units. All units estimate these two numbers, so no tail of a few extreme days has to be shrunk (docs/decisions/0033). A CDF
point that never varied at training is left out, because every new extreme would pass it; the range check names new extremes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.drift import contrasts
from monitoring.drift.contrasts import Contrasts
from monitoring.drift.sample import ColumnSample, Floats, Ints
from monitoring.drift.tails import rank_p, tail_p

MIN_TIME_UNITS = 28
MIN_IN_STRATUM = 4
MIN_ROWS = 30.0
"""An hour of day with fewer rows on average is not judged: its shares are too coarse."""
DAYS_PAST = 10
"""A window that starts more days after the baseline's end is not judged: the season moves."""
MAX_CORRELATION = 0.6
"""Neighbouring units more correlated than this are no separate units."""
WEEK = 7 * 24
_NOISE = 0.002
"""A standard deviation added to every share: no share is known better."""
SHRINKAGE = 1.0
TAIL_OF_DAYS, TAIL_OF_HOURS = 0.2, 0.05
"""The share of the largest scores from which p-values are extrapolated."""
MIN_SCORE = 0.01
_POOLED_DF = 30.0
"""Degrees of freedom with which the pooled variance counts in that of a stratum of hours."""


@dataclass(frozen=True, eq=False)
class TimeUnits:
    """When units begin. `starts`: hours since 1970-01-01, ascending, of UTC for hours and of local time for days.

    `hours`: length of a unit, 1 or 24. `rows`: rows of each unit. `offset`: hours to add for the local time in which weekdays
    and hours of day are meant, one number or one for each unit. `zone` names that time.
    """

    starts: Ints
    rows: Floats
    hours: int = 24
    offset: int | Ints = 0
    zone: str = "UTC"

    @property
    def name(self) -> str:
        """What a unit is called."""
        return "day" if self.hours == 24 else "hour"

    def strata(self) -> Ints:
        """Returns the stratum of each unit: working day 0 or weekend 1; for hours the hour of day."""
        local = self.starts + self.offset
        if self.hours == 24:
            return np.asarray(((local // 24 + 3) % 7 >= 5).astype(np.int64))  # 1970-01-01 was a Thursday
        return np.asarray(local % 24)


@dataclass(frozen=True, eq=False)
class ColumnScores:
    """One column over units: `baseline` (n,) and `window` (m,) scores S = max |t|; `parts`: the same by part.

    `deviations`: (J,) standard deviations of the contrasts between units of a stratum.
    """

    name: str
    asked: Contrasts
    baseline: Floats
    window: Floats
    parts: dict[str, tuple[Floats, Floats]]
    deviations: Floats
    pooled: Floats


@dataclass(frozen=True)
class OrdinaryScale:
    """A column's ordinary ln S: mean and standard deviation."""

    mean: float
    deviation: float

    def of(self, scores: Floats) -> Floats:
        """Returns how extreme scores are, comparable between columns."""
        return np.asarray((np.log(np.maximum(scores, MIN_SCORE)) - self.mean) / self.deviation)

    def score(self, likeness: float) -> float:
        """Returns the score that is as extreme as `likeness`."""
        return float(np.exp(self.mean + self.deviation * likeness))


@dataclass(frozen=True, eq=False)
class TimeTest:
    """All columns over units.

    `likeness`: shape (columns, m), how extreme each column of each window unit is, comparable between columns. `ordinary`:
    shape (n,), the largest likeness of each baseline unit. `p_columns`: shape (columns,), family-wise over the window. `p_units`,
    `p_tails`: shape (m,), rank and extrapolated p-values of whole units.
    """

    columns: tuple[ColumnScores, ...]
    scales: tuple[OrdinaryScale, ...]
    likeness: Floats
    ordinary: Floats
    p_columns: Floats
    p_units: Floats
    p_tails: Floats


def declines(baseline: TimeUnits, window: TimeUnits, *, rolling: bool = False) -> str:
    """Returns why these units cannot be judged by time, as a clause; empty where they can."""
    name, side = baseline.name, "the rolling reference" if rolling else "the baseline"
    if baseline.hours != window.hours:
        return f"{side} has units of {baseline.hours} hours and the window of {window.hours}"
    if len(baseline.starts) < MIN_TIME_UNITS:
        return f"{side} has {len(baseline.starts)} {name}s; at least {MIN_TIME_UNITS} are needed"
    if not len(window.starts):
        return f"the window has no whole {name}"
    of_baseline, of_window = baseline.strata(), window.strata()
    for stratum in np.unique(of_window):
        units = int((of_baseline == stratum).sum())
        if units < MIN_IN_STRATUM:
            return f"{side} has {units} {name}s like it; at least {MIN_IN_STRATUM} are needed"
        rows = float(baseline.rows[of_baseline == stratum].mean())
        if rows < MIN_ROWS:
            return f"an ordinary {name} like it has {rows:.0f} rows; at least {MIN_ROWS:.0f} are needed"
    past = int(window.starts[-1] - baseline.starts[-1]) / 24
    if past > DAYS_PAST and not rolling:
        return (
            f"the window lies {past:.0f} days past the baseline's end, at most {DAYS_PAST} are judged: the season moves"
        )
    return ""


def time_test(
    samples: Sequence[ColumnSample], baseline: TimeUnits, window: TimeUnits, *, shrinkage: float = SHRINKAGE
) -> TimeTest:
    """Tests every unit of the window. Units of the samples are those of `baseline` and `window`, in their order.

    `shrinkage`: the units' worth with which the columns' median variance of ln S counts in each column's own.
    """
    return compare([score(sample, baseline, window) for sample in samples], baseline.hours, shrinkage)


def compare(columns: Sequence[ColumnScores], hours: int, shrinkage: float = SHRINKAGE) -> TimeTest:
    """Makes scores of all columns comparable and ranks the window's units among the baseline's."""
    logs = [np.log(np.maximum(column.baseline, MIN_SCORE)) for column in columns]
    varying = [float(log.var()) for log in logs if log.std() > 1e-9]
    typical = float(np.median(varying)) if varying else 1.0
    scales = tuple(
        OrdinaryScale(
            float(log.mean()), float(np.sqrt((len(log) * log.var() + shrinkage * typical) / (len(log) + shrinkage)))
        )
        for log in logs
    )
    likeness_b = np.array([scale.of(column.baseline) for scale, column in zip(scales, columns, strict=True)])
    likeness_w = np.array([scale.of(column.window) for scale, column in zip(scales, columns, strict=True)])
    ordinary, largest = likeness_b.max(axis=0), likeness_w.max(axis=0)
    share = TAIL_OF_DAYS if hours == 24 else TAIL_OF_HOURS
    units = likeness_w.shape[1]
    if units > 1:
        p_cells = np.minimum(1.0, units * np.array([tail_p(ordinary, row, share) for row in likeness_w]))
    else:
        p_cells = np.array([rank_p(ordinary, row) for row in likeness_w])
    return TimeTest(
        columns=tuple(columns),
        scales=scales,
        likeness=likeness_w,
        ordinary=ordinary,
        p_columns=p_cells.min(axis=1),
        p_units=rank_p(ordinary, largest),
        p_tails=tail_p(ordinary, largest, share),
    )


def score(sample: ColumnSample, baseline: TimeUnits, window: TimeUnits) -> ColumnScores:
    """Returns one column's scores: baseline units without their own week, the window's against the whole baseline."""
    counts_b = sample.baseline_units if sample.baseline_units is not None else np.zeros((0, sample.coarse))
    pooled = counts_b.sum(axis=0)
    asked = contrasts.categorical(sample.coarse) if sample.categorical else contrasts.numeric(pooled)
    of_b, of_w = _shares(counts_b) @ asked.weights, _shares(sample.window_units) @ asked.weights
    stratum_b, stratum_w = baseline.strata(), window.strata()
    size_b, size_w = counts_b.sum(axis=1), sample.window_units.sum(axis=1)
    week = (baseline.starts - baseline.starts[0]) // WEEK
    t_b = np.zeros_like(of_b)
    for number in np.unique(week):
        own = week == number
        fitted = _Reference.fit(of_b[~own], stratum_b[~own], size_b[~own], baseline.hours)
        t_b[own] = fitted.score(of_b[own], stratum_b[own], size_b[own])
    reference = _Reference.fit(of_b, stratum_b, size_b, baseline.hours)
    t_w = reference.score(of_w, stratum_w, size_w)
    varies = (of_b.std(axis=0) > 1e-9) | np.array([part != contrasts.CDF for part in asked.parts])
    if varies[list(asked.of(contrasts.CDF))].any():
        t_b, t_w = t_b * varies, t_w * varies
    parts = {
        part: (np.abs(t_b[:, asked.of(part)]).max(axis=1), np.abs(t_w[:, asked.of(part)]).max(axis=1))
        for part in dict.fromkeys(asked.parts)
    }
    return ColumnScores(
        sample.name, asked, np.abs(t_b).max(axis=1), np.abs(t_w).max(axis=1), parts, reference.widest(), pooled
    )


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9))


@dataclass(frozen=True, eq=False)
class _Reference:
    """Means, variances, numbers of units and rows of a unit by stratum: shape (G, J), (G, J), (G,), (G,)."""

    mean: Floats
    variance: Floats
    units: Floats
    rows: Floats

    @classmethod
    def fit(cls, values: Floats, stratum: Ints, rows: Floats, hours: int) -> _Reference:
        """Fits strata. Days share one variance; that of an hour of day leans on the pooled one with 30 degrees of freedom."""
        groups = int(stratum.max(initial=0)) + 1
        units = np.bincount(stratum, minlength=groups).astype(np.float64)
        safe = np.maximum(units, 1)[:, None]
        member = (stratum[None, :] == np.arange(groups)[:, None]).astype(np.float64)
        mean = member @ values / safe
        squares = member @ np.square(values - mean[stratum])
        pooled = squares.sum(axis=0) / max(1.0, len(values) - np.count_nonzero(units))
        if hours == 24:
            variance = np.tile(pooled, (groups, 1))
        else:
            variance = (squares + _POOLED_DF * pooled) / (np.maximum(units - 1, 0) + _POOLED_DF)[:, None]
        return cls(mean, variance + _NOISE**2, units, member @ rows / safe[:, 0])

    def score(self, values: Floats, stratum: Ints, rows: Floats) -> Floats:
        """Returns studentised differences from the stratum's mean; 0 where the stratum has no units.

        The shares of a unit with fewer rows than its stratum's mean vary more: its variance grows as if all of it came from the
        number of rows, which is the most that it can.
        """
        known = np.minimum(stratum, len(self.units) - 1)
        units = np.where(stratum < len(self.units), self.units[known], 0.0)
        fewer = np.maximum(1.0, self.rows[known] / np.maximum(rows, 1e-9))
        spread = self.variance[known] * (fewer + 1 / np.maximum(units, 1))[:, None]
        t = (values - self.mean[known]) / np.sqrt(spread)
        return np.where((units > 0)[:, None], t, 0.0)

    def widest(self) -> Floats:
        """Returns the largest standard deviation over strata of each contrast."""
        return np.asarray(np.sqrt(self.variance.max(axis=0)))


def likeness_of_neighbours(samples: Sequence[ColumnSample], baseline: TimeUnits) -> float:
    """Returns the median over columns of the lag-1 correlation of the most variable contrast, its strata's means taken off."""
    stratum = baseline.strata()
    follows = np.diff(baseline.starts) == baseline.hours
    found = []
    for sample in samples:
        if sample.baseline_units is None:
            continue
        pooled = sample.baseline_units.sum(axis=0)
        asked = contrasts.categorical(sample.coarse) if sample.categorical else contrasts.numeric(pooled)
        values = _shares(sample.baseline_units) @ asked.weights
        rows = sample.baseline_units.sum(axis=1)
        centred = values - _Reference.fit(values, stratum, rows, baseline.hours).mean[stratum]
        main = asked.of(contrasts.LOCATION) or (int(centred.var(axis=0).argmax()),)
        series = centred[:, main[0]]
        before, after = series[:-1][follows], series[1:][follows]
        scale = float(np.sqrt(np.square(before).sum() * np.square(after).sum()))
        if scale > 0:
            found.append(float(before @ after) / scale)
    return float(np.median(found)) if found else 0.0

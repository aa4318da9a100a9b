"""The decision by hours and days: ordinary days of the flights held out, months of a generator with day effects, budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from benchmarks import drift_columns
from benchmarks.drift_columns import Column
from benchmarks.drift_flights import Flights
from monitoring.drift import calendar
from monitoring.drift.budget import AlarmBudget, BudgetState, judge_day, judge_hour
from monitoring.drift.calendar import TimeUnits, compare, score
from monitoring.drift.sample import ColumnSample, Floats, Ints

SHRINKAGES = (1 / 3, 1.0, 3.0)
FIRST_DAY = 15706
"""1 January 2013 in days since 1970-01-01."""
LENGTH, LATER = 90, 30


@dataclass
class ByDay:
    """Alarms at 5 %, by shrinkage: lists of booleans."""

    held_out: dict[str, list[bool]] = field(default_factory=dict)
    days_1_to_10: dict[str, list[bool]] = field(default_factory=dict)
    days_11_to_30: dict[str, list[bool]] = field(default_factory=dict)
    months: dict[str, dict[str, list[bool]]] = field(default_factory=dict)
    weeks: list[bool] = field(default_factory=list)
    after: list[bool] = field(default_factory=list)


def rebinned(column: Column, rows: Ints) -> Column:
    """Returns the column in bins of its own `rows` alone."""
    chosen = np.zeros(len(column.fine), bool)
    chosen[rows] = True
    if column.categorical:
        codes = np.where(np.isnan(column.values), -1, np.nan_to_num(column.values)).astype(np.int64)
        labels = [str(k) for k in range(int(codes.max()) + 1)]
        return drift_columns.categorical(column.name, codes, labels, column.starts, chosen, column.request_level)
    return drift_columns.numeric(column.name, column.values, column.starts, chosen, column.request_level)


def by_unit(column: Column, unit_of_request: Ints, units: int) -> Floats:
    """Returns counts by unit and coarse bin of all requests, shape (units, K)."""
    return column.by_unit(np.arange(len(unit_of_request)), unit_of_request, units)


def select(columns: Sequence[tuple[Column, Floats]], baseline: Ints, window: Ints) -> list[ColumnSample]:
    """Returns the samples of some units of both sides; `columns`: each with its counts by unit."""
    return [
        ColumnSample(
            c.name, c.categorical, c.request_level, counts[baseline].sum(axis=0), counts[window].sum(axis=0),
            np.arange(c.coarse), counts[window], counts[baseline],
        )
        for c, counts in columns
    ]  # fmt: skip


def _days(days: Ints) -> TimeUnits:
    return TimeUnits(24 * (FIRST_DAY + days), np.full(len(days), 900.0))


def flights_by_day(flights: Flights, baselines: int, progress: Callable[[str], None]) -> ByDay:
    """Holds out each week of overlapping 90-day baselines, and judges the 30 days after each and three months."""
    found = ByDay()
    month = (np.datetime64("2013-01-01") + np.arange(365)).astype("datetime64[M]").astype(int) % 12 + 1
    for first in np.linspace(0, 365 - LENGTH - LATER, baselines).astype(int):
        everything = np.arange(first, first + LENGTH)
        for week in range((LENGTH + 6) // 7):
            held = everything[(everything - first) // 7 == week]
            tests = _judge_days(flights, np.setdiff1d(everything, held), held)
            _extend(found.held_out, {name: test.p_units <= 0.05 for name, test in tests.items()})
            found.weeks.append(month_alarms(tests["1"].p_units, tests["1"].p_tails))
        tests = _judge_days(flights, everything, np.arange(first + LENGTH, first + LENGTH + LATER))
        _extend(found.days_1_to_10, {name: test.p_units[:10] <= 0.05 for name, test in tests.items()})
        _extend(found.days_11_to_30, {name: test.p_units[10:] <= 0.05 for name, test in tests.items()})
        found.after.append(month_alarms(tests["1"].p_units, tests["1"].p_tails))
        progress(f"days of the baseline from day {first}")
    for name, number in (("April", 4), ("July", 7), ("October", 10)):
        tests = _judge_days(flights, np.arange(LENGTH), np.flatnonzero(month == number))
        found.months[name] = {key: list(map(bool, test.p_units <= 0.05)) for key, test in tests.items()}
    return found


def _judge_days(flights: Flights, baseline: Ints, window: Ints) -> dict[str, calendar.TimeTest]:
    """Returns the test by shrinkage, in bins of the baseline's days alone."""
    of_request = np.isin(flights.day, baseline)
    columns = []
    for column in flights.columns:
        rows = column.rows(np.flatnonzero(of_request))
        own = rebinned(column, rows)
        columns.append((own, by_unit(own, flights.day, 365)))
    samples = select(columns, baseline, window)
    scores = [score(sample, _days(baseline), _days(window)) for sample in samples]
    return {f"{shrinkage:.2g}": compare(scores, 24, shrinkage) for shrinkage in SHRINKAGES}


def _extend(into: dict[str, list[bool]], found: dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]) -> None:
    for name, alarms in found.items():
        into.setdefault(name, []).extend(bool(alarm) for alarm in alarms)


def month_alarms(p_units: Floats, p_tails: Floats, p_hours: Floats | None = None) -> bool:
    """Returns whether the budget alarms over days that follow each other."""
    budget, state, alarm = AlarmBudget(), BudgetState(), False
    for day, (p, tail) in enumerate(zip(p_units, p_tails, strict=True)):
        state, judged = judge_day(budget, state, day, float(p), float(tail))
        alarm = alarm or judged.alarm
    if p_hours is not None:
        alarm = alarm or any(judge_hour(budget, float(p)).alarm for p in p_hours)
    return alarm


@dataclass(frozen=True)
class Season:
    """A generator of days: `phi`, correlation of neighbouring days' effects of 0.1 sd; `shift` of the first column, in sd."""

    phi: float
    effect: float = 0.1
    shift: float = 0.0
    columns: int = 10
    rows: int = 60
    baseline: int = 91
    window: int = 30


_EDGES = special.ndtri(np.arange(1, 20) / 20)


def month_of(season: Season, rng: np.random.Generator) -> dict[str, bool]:
    """Returns whether a month of hours and days alarms: the budget, each of its parts, each day at 5 %."""
    days = season.baseline + season.window
    hours = days * 24
    starts = 24 * (FIRST_DAY - 1) + np.arange(hours)
    samples_h: list[ColumnSample] = []
    samples_d: list[ColumnSample] = []
    cut = season.baseline * 24
    for index in range(season.columns):
        effect = np.zeros(days)
        noise = rng.normal(size=days)
        for day in range(days):
            before = effect[day - 1] if day else noise[0]
            effect[day] = season.phi * before + np.sqrt(1 - season.phi**2) * noise[day]
        level = season.effect * np.repeat(effect, 24) + 0.2 * np.sin(2 * np.pi * np.arange(hours) / 24 + index)
        if index == 0:
            level[cut:] += season.shift
        cdf = special.ndtr(_EDGES - level[:, None])
        shares = np.diff(np.hstack([np.zeros((hours, 1)), cdf, np.ones((hours, 1))]), axis=1)
        counts = np.hstack([rng.multinomial(season.rows, shares), np.zeros((hours, 1))])
        for into, table, split in (
            (samples_h, counts, cut),
            (samples_d, counts.reshape(days, 24, -1).sum(axis=1), season.baseline),
        ):
            into.append(
                ColumnSample(
                    f"c{index}",
                    False,
                    False,
                    table[:split].sum(axis=0),
                    table[split:].sum(axis=0),
                    np.arange(21),
                    table[split:].astype(np.float64),
                    table[:split].astype(np.float64),
                )
            )
    by_hour = calendar.time_test(
        samples_h,
        TimeUnits(starts[:cut], np.full(cut, 60.0), hours=1),
        TimeUnits(starts[cut:], np.full(hours - cut, 60.0), hours=1),
    )
    by_day = calendar.time_test(
        samples_d,
        TimeUnits(starts[:cut:24], np.full(season.baseline, 1440.0)),
        TimeUnits(starts[cut::24], np.full(season.window, 1440.0)),
    )
    budget = AlarmBudget()
    hour = bool((by_hour.p_tails <= budget.of_hour).any())
    day = bool((by_day.p_tails <= budget.of_day).any())
    total = month_alarms(by_day.p_units, by_day.p_tails, by_hour.p_tails)
    state, running = BudgetState(), False
    for number, p in enumerate(by_day.p_units):
        state, judged = judge_day(budget, state, number, float(p), 1.0)
        running = running or judged.alarm
    return {
        "budget": total,
        "hours": hour,
        "days": day,
        "running sum": running,
        "each day at 5 %": bool((by_day.p_units <= 0.05).any()),
    }

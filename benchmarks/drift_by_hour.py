"""The hours of the flights in a month's budget, and what a rolling reference costs on the flights' days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.drift_by_time import FIRST_DAY, LATER, LENGTH, month_alarms, rebinned, select
from benchmarks.drift_columns import Column
from benchmarks.drift_flights import Flights
from monitoring.drift import calendar
from monitoring.drift.budget import AlarmBudget
from monitoring.drift.calendar import MIN_ROWS, TimeUnits, compare, likeness_of_neighbours, score
from monitoring.drift.sample import Floats, Ints

HELD_WEEKS = (2, 6, 10)
"""The weeks of a baseline that are held out, of 13."""
ROLLING = 28


def flights_by_hour(flights: Flights, baselines: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Judges hours and days together: weeks held out of 90-day baselines, and the 30 days after each."""
    found: dict[str, Any] = {
        "hours": [0, 0], "hours_after": [0, 0],
        "weeks": {"budget": 0, "hours": 0, "days": 0, "of": 0}, "after": {"budget": 0, "hours": 0, "days": 0, "of": 0},
    }  # fmt: skip
    for first in np.linspace(0, 365 - LENGTH - LATER, baselines).astype(int):
        everything = np.arange(first, first + LENGTH)
        for week in HELD_WEEKS:
            held = everything[(everything - first) // 7 == week]
            _add(found, "hours", "weeks", flights, np.setdiff1d(everything, held), held)
        _add(found, "hours_after", "after", flights, everything, np.arange(first + LENGTH, first + LENGTH + LATER))
        progress(f"hours of the baseline from day {first}")
    return found


def _add(found: dict[str, Any], hours: str, spans: str, flights: Flights, baseline: Ints, window: Ints) -> None:
    columns = [rebinned(c, c.rows(np.flatnonzero(np.isin(flights.day, baseline)))) for c in flights.columns]
    by_hour, by_day = _judge(flights, columns, baseline, window, 1), _judge(flights, columns, baseline, window, 24)
    budget = AlarmBudget()
    found[hours][0] += int((by_hour.p_units <= 0.05).sum())
    found[hours][1] += len(by_hour.p_units)
    found[spans]["hours"] += bool((by_hour.p_tails <= budget.of_hour).any())
    found[spans]["days"] += month_alarms(by_day.p_units, by_day.p_tails)
    found[spans]["budget"] += month_alarms(by_day.p_units, by_day.p_tails, by_hour.p_tails)
    found[spans]["of"] += 1


def _judge(flights: Flights, columns: Sequence[Column], baseline: Ints, window: Ints, length: int) -> calendar.TimeTest:
    """Returns the test of the window's units; hours of day with fewer than 30 rows on average are left out."""
    unit = flights.day if length == 24 else flights.day * 24 + flights.hour
    rows = np.bincount(unit, weights=flights.size, minlength=365 * 24 // length).astype(np.float64)
    hour = np.arange(len(rows)) % 24 if length == 1 else np.zeros(len(rows), int)
    typical = np.bincount(hour[rows > 0], weights=rows[rows > 0]) / np.maximum(1, np.bincount(hour[rows > 0]))
    judged = (rows > 0) & (typical[hour] >= MIN_ROWS)
    of_day = np.arange(len(rows)) * length // 24
    sides = [np.flatnonzero(judged & np.isin(of_day, days)) for days in (baseline, window)]
    counts = [(c, c.by_unit(np.arange(len(unit)), unit, len(rows))) for c in columns]
    units = [TimeUnits(24 * FIRST_DAY + side * length, rows[side], length) for side in sides]
    samples = select(counts, sides[0], sides[1])
    return compare([score(sample, units[0], units[1]) for sample in samples], length)


def rolling_reference(flights: Flights) -> dict[str, int]:
    """Judges each day of the year against the 28 days before it, in bins of January to March, as a monitor does."""
    rows = np.bincount(flights.day, weights=flights.size, minlength=365).astype(np.float64)
    counts = [(c, c.by_unit(np.arange(len(flights.day)), flights.day, 365)) for c in flights.columns]
    alarms: list[bool] = []
    declined = 0
    for day in range(ROLLING, 365):
        before = np.arange(day - ROLLING, day)
        samples = select(counts, before, np.array([day]))
        reference, one = _days(before, rows), _days(np.array([day]), rows)
        if likeness_of_neighbours(samples, reference) > calendar.MAX_CORRELATION:
            declined += 1
            continue
        test = compare([score(sample, reference, one) for sample in samples], 24)
        alarms.append(bool(test.p_units[0] <= 0.05))
    return {"alarms": sum(alarms), "of": len(alarms), "declined": declined}


def _days(days: Ints, rows: Floats) -> TimeUnits:
    return TimeUnits(24 * (FIRST_DAY + days), rows[days])

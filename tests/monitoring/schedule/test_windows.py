"""Windows are cut in UTC: no hour is counted twice or lost where clocks change."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest

from monitoring.schedule.windows import prefix, windows
from monitoring.window import Window

UTC = dt.UTC


def test_a_day_in_which_the_clock_is_set_back_has_25_hours():
    madrid = ZoneInfo("Europe/Madrid")
    day = Window(dt.datetime(2026, 10, 25, tzinfo=madrid), dt.datetime(2026, 10, 26, tzinfo=madrid))
    hours = list(windows(day.start, day.end, "hourly"))
    assert len(hours) == 25
    assert hours == list(day.hours())
    assert all(earlier.end == later.start for earlier, later in itertools.pairwise(hours))


@pytest.mark.parametrize(("schedule", "count"), [("hourly", 49), ("daily", 2)])
def test_only_windows_that_have_ended_are_yielded(schedule, count):
    first, until = dt.datetime(2026, 7, 1, 0, 30, tzinfo=UTC), dt.datetime(2026, 7, 3, 1, 59, tzinfo=UTC)
    assert len(list(windows(first, until, schedule))) == count


def test_hours_and_days_have_prefixes_of_their_own():
    start = dt.datetime(2026, 7, 1, tzinfo=UTC)
    hour, day = Window(start, start + dt.timedelta(hours=1)), Window(start, start + dt.timedelta(days=1))
    assert prefix("flights", "AllTraffic", hour) == "runs/flights/AllTraffic/2026/07/01/00/"
    assert prefix("flights", "AllTraffic", day) == "runs/flights/AllTraffic/2026/07/01/day/"

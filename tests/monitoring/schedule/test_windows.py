"""Hours are cut in UTC and days in the monitor's zone: no hour is counted twice or lost where clocks change."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest

from monitoring.schedule.windows import is_scheduled, prefix, windows
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


@pytest.mark.parametrize("zone", ["Europe/London", "Atlantic/Azores", "Pacific/Auckland", "Asia/Kolkata", "UTC"])
def test_local_days_follow_each_other_and_have_prefixes_of_their_own(zone):
    first = dt.datetime(2026, 1, 1, 12, tzinfo=UTC)
    days = list(windows(first, first + dt.timedelta(days=366), "daily", zone))
    assert len(days) == 366
    assert all(earlier.end == later.start for earlier, later in itertools.pairwise(days))
    assert len({prefix("flights", "AllTraffic", day, zone) for day in days}) == 366
    assert all(prefix("flights", "AllTraffic", day, zone).endswith("/day/") for day in days)
    assert all(is_scheduled(day, zone) for day in days[80:100])


def test_another_length_is_no_window_of_a_schedule():
    start = dt.datetime(2026, 7, 1, tzinfo=UTC)
    assert not is_scheduled(Window(start, start + dt.timedelta(hours=2)))
    assert not is_scheduled(Window(start, start + dt.timedelta(days=1)), "America/New_York")

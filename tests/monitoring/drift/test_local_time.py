"""Hours of UTC are put into local days and hours of day, also where clocks change and where offsets are not whole."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from monitoring.drift.local_time import local_days, local_offsets, whole_days

HOUR = dt.timedelta(hours=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def hours(first, count):
    return np.arange(count) + (first - EPOCH) // HOUR


def test_utc_has_no_offset() -> None:
    assert local_offsets(hours(EPOCH, 48), "UTC").tolist() == [0] * 48


def test_the_offset_changes_in_the_hour_in_which_the_clock_does() -> None:
    night = hours(dt.datetime(2026, 10, 25, tzinfo=dt.UTC), 3)
    assert local_offsets(night, "Europe/Madrid").tolist() == [2, 1, 1]


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("UTC", dt.date(2026, 3, 29), 24),
        ("Europe/Madrid", dt.date(2026, 3, 29), 23),
        ("Europe/Madrid", dt.date(2026, 10, 25), 25),
        ("America/New_York", dt.date(2013, 7, 1), 24),
        ("Asia/Kolkata", dt.date(2026, 7, 1), 24),
        ("Pacific/Auckland", dt.date(2026, 9, 27), 23),
    ],
)
def test_a_local_day_has_the_hours_between_two_local_midnights(zone: str, day: dt.date, length: int) -> None:
    around = hours(dt.datetime.combine(day, dt.time(), dt.UTC) - dt.timedelta(days=2), 96)
    number = (day - EPOCH.date()).days
    inside = around[local_days(around, zone) == number]
    assert len(inside) == length
    assert whole_days(int(inside[0]), int(inside[-1]) + 1, zone).tolist() == [number]
    assert whole_days(int(inside[0]) + 1, int(inside[-1]) + 1, zone).tolist() == []
    local = (EPOCH + int(inside[0]) * HOUR).astimezone(ZoneInfo(zone))
    assert local.date() == day
    assert local.hour == 0

"""Days of a monitor are days of its time zone."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np

from monitoring.judgement.time_samples import longest_unit, time_samples
from monitoring.states.profile import Profile, SliceKey, SliceState
from monitoring.states.units import UnitKind, UnitTable
from monitoring.window import Window

HOUR = dt.timedelta(hours=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NEW_YORK = "America/New_York"


class Sides:
    """The least that time_samples asks of a baseline and of samples."""

    def __init__(self, hours):
        self.units = self
        self.hours = hours
        self.columns = ()


def table(first, count):
    ids = (np.arange(count) + (first - EPOCH) // HOUR).astype(np.uint64)
    return UnitTable(UnitKind.HOUR, ids, np.ones(count), np.full(count, 10.0), {})


def test_a_window_of_a_local_day_has_one_day_of_this_zone_and_none_of_utc():
    place = ZoneInfo(NEW_YORK)
    window = Window(dt.datetime(2013, 7, 1, tzinfo=place), dt.datetime(2013, 7, 2, tzinfo=place))
    profile = Profile("b", {SliceKey(): SliceState(hours=table(window.start, 24))})
    sides = Sides(table(window.start - 40 * 24 * HOUR, 40 * 24))
    _, ordinary, day = time_samples(sides, sides, profile, window, "day", NEW_YORK)  # type: ignore[arg-type]
    assert (len(ordinary.starts), day.starts.tolist(), day.rows.tolist()) == (40, [15887 * 24], [240.0])
    assert day.strata().tolist() == [0]
    assert len(time_samples(sides, sides, profile, window, "day")[2].starts) == 0  # type: ignore[arg-type]
    assert (longest_unit(window, NEW_YORK), longest_unit(window)) == ("day", "hour")


def test_an_hour_is_held_against_the_same_hour_of_the_local_day_when_clocks_have_changed():
    start = dt.datetime(2013, 3, 1, 17, tzinfo=dt.UTC)
    sides = Sides(table(start, 30 * 24))
    window = Window(start, start + HOUR)
    profile = Profile("b", {SliceKey(): SliceState(hours=table(start, 1))})
    _, ordinary, hour = time_samples(sides, sides, profile, window, "hour", NEW_YORK)  # type: ignore[arg-type]
    assert hour.strata().tolist() == [12]
    assert ordinary.strata()[[0, 23 * 24]].tolist() == [12, 13]

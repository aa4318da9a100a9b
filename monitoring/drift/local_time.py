"""Hours of UTC in local time: in which hour of day and on which day they lie.

Hours cannot be divided, so in a zone whose offset is not whole (India, +05:30) local time is rounded down to the hour: a local
day begins at 00:30 there.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from monitoring.drift.sample import Ints
from monitoring.window import zone_of

UTC = "UTC"
_LONGEST_DAY = 26
"""Hours of UTC among which all hours of a local day lie, whichever of them is known."""


def local_offsets(hours: Ints, zone: str) -> Ints:
    """Returns the whole hours that `zone`, an IANA name, is ahead of UTC at each of `hours` since 1970-01-01 UTC."""
    if zone == UTC or not len(hours):
        return np.zeros(len(hours), np.int64)
    place, hour = zone_of(zone), dt.timedelta(hours=1)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    found = [(epoch + int(number) * hour).astimezone(place).utcoffset() or dt.timedelta() for number in hours]
    return np.array([offset // hour for offset in found], np.int64)


def local_days(hours: Ints, zone: str) -> Ints:
    """Returns the day, counted from 1970-01-01, on which each of `hours` lies in `zone`."""
    return np.asarray((hours + local_offsets(hours, zone)) // 24)


def whole_days(first: int, end: int, zone: str) -> Ints:
    """Returns the local days of which every hour lies in the hours [first, end), ascending."""
    inside = np.arange(first, end)
    around = np.arange(first - _LONGEST_DAY, end + _LONGEST_DAY)
    days = local_days(around, zone)
    outside = days[(around < first) | (around >= end)]
    return np.setdiff1d(local_days(inside, zone), outside)

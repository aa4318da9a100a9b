"""The counts of baseline and window by hour or day, as the drift decision by time wants them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from monitoring.drift.calendar import TimeUnits
from monitoring.drift.local_time import local_days, local_offsets, whole_days
from monitoring.states.units import UnitTable, days_of

if TYPE_CHECKING:
    from monitoring.baseline.baseline import Baseline
    from monitoring.drift.sample import ColumnSample
    from monitoring.judgement.samples import Samples
    from monitoring.states.profile import Profile
    from monitoring.window import Window

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
HOURS = {"hour": 1, "day": 24}


def time_samples(
    samples: Samples, baseline: Baseline, profile: Profile, window: Window, unit: str, zone: str = "UTC"
) -> tuple[list[ColumnSample], TimeUnits, TimeUnits]:
    """Returns the samples with `unit`s ("hour" or "day") as their units, and these units of baseline and window.

    Of the window only units that lie in it as a whole count. Days, weekdays and hours of day are those of `zone`.
    """
    ours = _by_unit(_inside(profile.total().hours, window, unit, zone), unit, zone)
    theirs = _by_unit(baseline.units.hours, unit, zone)
    columns = [
        replace(sample, window_units=ours.counts[sample.name], baseline_units=theirs.counts[sample.name])
        for sample in samples.columns
        if sample.name in ours.counts and sample.name in theirs.counts
    ]
    return columns, _time_units(theirs, unit, zone), _time_units(ours, unit, zone)


def longest_unit(window: Window, zone: str = "UTC") -> str:
    """Returns "day" where a whole day of `zone` lies in the window, else "hour"."""
    return "day" if len(whole_days(*_hours(window), zone)) else "hour"


def _hours(window: Window) -> tuple[int, int]:
    """Returns the first whole hour of the window since 1970 UTC, and the end of the last one."""
    first = -(-int((window.start - _EPOCH).total_seconds()) // 3600)
    return first, max(first, int((window.end - _EPOCH).total_seconds()) // 3600)


def _by_unit(hours: UnitTable, unit: str, zone: str) -> UnitTable:
    return hours if unit == "hour" else days_of(hours, local_days(hours.ids.astype(np.int64), zone))


def _inside(hours: UnitTable, window: Window, unit: str, zone: str) -> UnitTable:
    """Returns the hours of the units that begin and end in the window."""
    first, end = _hours(window)
    ids = hours.ids.astype(np.int64)
    kept = (ids >= first) & (ids < end)
    if unit == "day":
        kept &= np.isin(local_days(ids, zone), whole_days(first, end, zone))
    counts = {name: array[kept] for name, array in hours.counts.items()}
    return UnitTable(hours.kind, hours.ids[kept], hours.requests[kept], hours.rows[kept], counts, hours.bits)


def _time_units(table: UnitTable, unit: str, zone: str) -> TimeUnits:
    ids = table.ids.astype(np.int64)
    if unit == "day":
        return TimeUnits(ids * HOURS[unit], table.rows, HOURS[unit], zone=zone)
    return TimeUnits(ids, table.rows, HOURS[unit], local_offsets(ids, zone), zone)

"""The counts of baseline and window by hour or day, as the drift decision by time wants them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from monitoring.drift.calendar import TimeUnits
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
    samples: Samples, baseline: Baseline, profile: Profile, window: Window, unit: str
) -> tuple[list[ColumnSample], TimeUnits, TimeUnits]:
    """Returns the samples with `unit`s ("hour" or "day") as their units, and these units of baseline and window.

    Of the window only units that lie in it as a whole count.
    """
    ours = _whole(_by_unit(profile.total().hours, unit), window, unit)
    theirs = _by_unit(baseline.units.hours, unit)
    columns = [
        replace(sample, window_units=ours.counts[sample.name], baseline_units=theirs.counts[sample.name])
        for sample in samples.columns
        if sample.name in ours.counts and sample.name in theirs.counts
    ]
    return columns, _time_units(theirs, unit), _time_units(ours, unit)


def _by_unit(hours: UnitTable, unit: str) -> UnitTable:
    return hours if unit == "hour" else days_of(hours)


def _whole(table: UnitTable, window: Window, unit: str) -> UnitTable:
    """Returns the units that begin and end in the window."""
    seconds = HOURS[unit] * 3600
    first = -(-int((window.start - _EPOCH).total_seconds()) // seconds)
    last = int((window.end - _EPOCH).total_seconds()) // seconds
    kept = (table.ids >= first) & (table.ids < last)
    counts = {name: array[kept] for name, array in table.counts.items()}
    return UnitTable(table.kind, table.ids[kept], table.requests[kept], table.rows[kept], counts, table.bits)


def _time_units(table: UnitTable, unit: str) -> TimeUnits:
    return TimeUnits(table.ids.astype(np.int64) * HOURS[unit], table.rows, HOURS[unit])

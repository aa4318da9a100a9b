"""Days for the tests by time: values with a mean of their own each day."""

from __future__ import annotations

import numpy as np

from monitoring.drift.calendar import TimeUnits
from tests.monitoring.drift.tables import numeric

MONDAY = 24 * (4 + 7 * 2600)
"""Hours since 1970 of a Monday."""


def days(first, count, rows=400.0):
    return TimeUnits(MONDAY + 24 * np.arange(first, first + count), np.full(count, rows))


def column(name, rng, baseline, window, *, effect=0.1, phi=0.3, shift=0.0, rows=400):
    """A normal column over days with an autocorrelated mean; the window's days are shifted."""
    mean = np.zeros(baseline + window)
    noise = rng.normal(size=baseline + window)
    for i in range(1, len(mean)):
        mean[i] = phi * mean[i - 1] + np.sqrt(1 - phi**2) * noise[i]
    mean *= effect
    mean[baseline:] += shift
    unit = np.repeat(np.arange(baseline + window), rows)
    values = rng.normal(mean[unit], 1)
    old = unit < baseline
    return numeric(name, values[old], values[~old], unit[old], unit[~old] - baseline)

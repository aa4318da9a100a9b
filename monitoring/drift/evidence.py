"""How real the change of each column is: p-values over all columns of a run, and what could have been seen.

Three forms. *Units against units*: shuffled labels, exact. *Units against a table*: the baseline is a table of counts, its
variance that of independent rows times a design effect from the window. *A small baseline against a large window*: the same
with the roles exchanged, because a window of fifty times the baseline's requests is known better than the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitoring.drift.detectable import Detectable, detectable
from monitoring.drift.one_sample import OneSampleTest, holm, one_sample_test
from monitoring.drift.permutation import permutation_test
from monitoring.drift.sample import ColumnSample, Units
from monitoring.drift.tails import rank_p, tail_p

TAIL = 0.05
"""The share of the largest shuffled statistics from which p-values below 1 / shuffles are extrapolated."""


@dataclass(frozen=True, eq=False)
class ColumnEvidence:
    """One column's family-wise p-value, tail probabilities of its parts, and what could have been seen."""

    p_value: float
    parts: Mapping[str, float]
    visible: Detectable | None


@dataclass(frozen=True)
class RunEvidence:
    """The evidence of each column by name, and the p-values of the run as a whole, by rank and extrapolated, for a budget."""

    columns: Mapping[str, ColumnEvidence] = field(default_factory=dict)
    p_rank: float | None = None
    p_tail: float | None = None


def inflation(units: Units, window: int, baseline: int) -> float:
    """Returns how much wider the observed difference is than that of shuffled units.

    1 where units of both sides hold the same number of requests and all requests have the same sampling weight. Follows from
    the variance of a mean over independent requests; shuffling takes both sides' units as alike.
    """
    a, b = units.window_size, units.baseline_size
    mean = (window * a + baseline * b) / (window + baseline)
    truth = 1 / (window * a * units.weight_share) + 1 / (baseline * b)
    return float(np.sqrt(truth / ((1 / window + 1 / baseline) / mean)))


def evidence_of_units(
    samples: Sequence[ColumnSample], units: Units, level: float, shuffles: int, rng: np.random.Generator
) -> RunEvidence:
    """Returns the evidence of shuffled units. Needs two units or more on each side."""
    window = len(samples[0].window_units)
    baseline = len(samples[0].baseline_units) if samples[0].baseline_units is not None else 0
    if baseline < 2:
        return RunEvidence()
    wider = inflation(units, window, baseline)
    result = permutation_test(samples, level=level, shuffles=shuffles, rng=rng, inflation=wider)
    columns = {
        test.name: ColumnEvidence(float(p), test.p_parts, detectable(test, result.critical, baseline, window, wider))
        for test, p in zip(result.columns, result.p_values, strict=True)
    }
    shuffled, observed = result.largest[1:], result.largest[:1]
    return RunEvidence(columns, float(rank_p(shuffled, observed)[0]), float(tail_p(shuffled, observed, TAIL)[0]))


def evidence_of_table(
    samples: Sequence[ColumnSample], units: Units, level: float, rng: np.random.Generator
) -> RunEvidence:
    """Returns the evidence of the window's units against the baseline's table of counts."""
    found = [one_sample_test(sample, units, rng) for sample in samples]
    return _together(found, [(one.baseline, one.window) for one in found], level)


def evidence_of_large_window(
    samples: Sequence[ColumnSample], units: Units, level: float, rng: np.random.Generator
) -> RunEvidence:
    """Returns the evidence where the window is the table and the baseline's units are the sample."""
    exchanged = [
        replace(
            sample,
            baseline_fine=sample.window_fine * units.weight_share,
            window_fine=sample.baseline_fine,
            window_units=np.zeros((0, sample.coarse)) if sample.baseline_units is None else sample.baseline_units,
            baseline_units=None,
        )
        for sample in samples
    ]
    exchanged_units = Units(rows=units.baseline_rows, repeats=False)
    found = [one_sample_test(sample, exchanged_units, rng) for sample in exchanged]
    return _together(found, [(one.window, one.baseline) for one in found], level)


def _together(found: Sequence[OneSampleTest], rows: Sequence[tuple[float, float]], level: float) -> RunEvidence:
    """Returns the evidence of tests that are each of one column; `rows`: of the baseline and of the window."""
    p_values = holm(np.array([one.p_value for one in found]))
    critical = float(-np.log(level / len(found)))
    columns = {
        one.test.name: ColumnEvidence(float(p), one.test.p_parts, detectable(one.test, critical, *of_sides))
        for one, of_sides, p in zip(found, rows, p_values, strict=True)
    }
    smallest = float(p_values.min())
    return RunEvidence(columns, smallest, smallest)

"""Edges beyond the range of training: where values went that training never saw."""

import numpy as np
import pyarrow as pa
import pytest

from monitoring import Baseline, Monitor
from monitoring.baseline.choose_bins import coarse_of_numbers, numeric_edges, with_outer_edges
from monitoring.states.bin_table import BinTable

RNG = np.random.default_rng(4)


def edges_of(values: np.ndarray):
    edges = numeric_edges(values, values.min(), values.max())
    return edges, *with_outer_edges(edges, coarse_of_numbers(values, edges), values.std())


@pytest.mark.parametrize(
    "values",
    [RNG.normal(20, 5, 5000), RNG.exponential(1, 5000), RNG.lognormal(0, 2, 5000), RNG.integers(0, 2, 500) * 1.0],
)
def test_outer_edges_lie_beyond_the_range_and_share_its_coarse_bins(values: np.ndarray) -> None:
    edges, wider, coarse, (low, high) = edges_of(values)
    assert np.array_equal(wider[low : len(wider) - high], edges)
    assert (np.diff(wider) > 0).all()
    assert wider[-1] > values.max() + 5 * values.std()
    assert len(coarse) == len(wider) + 2
    assert len(set(coarse[: low + 1])) == 1
    assert len(set(coarse[-high - 2 : -1])) == 1
    assert np.array_equal(np.unique(coarse), np.arange(coarse[-1] + 1))


def test_a_column_without_negative_values_keeps_positive_edges_and_a_fast_table() -> None:
    _, wider, _, (low, _) = edges_of(RNG.lognormal(0, 2, 50_000))
    assert (wider > 0).all()
    assert BinTable(wider).steps in (1, 2)
    assert edges_of(np.arange(40.0, 60.0))[3][0] > 0
    assert low == 0


@pytest.mark.parametrize(
    ("low", "high", "std_dev"), [(3.0, 3.0, 0.0), (-1.5e308, 1.5e308, 1.5e308), (0.0, 1.0, np.inf)]
)
def test_a_column_without_spread_or_of_the_largest_numbers_keeps_its_edges(low, high, std_dev) -> None:
    values = np.array([low, high] * 50)
    edges = numeric_edges(values, low, high)
    wider, _, outer = with_outer_edges(edges, coarse_of_numbers(values, edges), std_dev)
    assert outer == (0, 0)
    assert np.array_equal(wider, edges)


def test_a_window_beyond_the_range_keeps_its_shape_its_median_and_its_counts() -> None:
    training, shifted = RNG.normal(38, 8, 4000), RNG.normal(81, 7, 2000)
    baseline = Baseline.from_training(pa.table({"temp": training}))
    column = Monitor(baseline).run(pa.table({"temp": shifted})).columns["temp"]
    assert column.window is not None
    assert column.window.above == int((shifted > training.max()).sum())
    assert column.window.quantiles[3] == pytest.approx(np.median(shifted), abs=1.0)
    filled = [bar for bar in column.bins if bar.window > 0.02]
    assert len(filled) > 8
    assert filled[-1].high is not None
    assert filled[-1].high > 90

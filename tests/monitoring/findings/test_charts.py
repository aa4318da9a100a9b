"""Bars and curves from fine counts: nothing is lost, nothing is invented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.findings.charts import BARS, FineCounts, category_bars, curve, number_bars

RNG = np.random.default_rng(9)


def fine(values: np.ndarray, edges: np.ndarray, missing: int = 0) -> FineCounts:
    at = np.searchsorted(edges, values, "left")
    counts = np.append(np.bincount(at, minlength=len(edges) + 1), missing).astype(float)
    return FineCounts(counts, np.bincount(at, values, len(edges) + 1).astype(float))


def bars_of(before: np.ndarray, after: np.ndarray, *, whole: bool = False, missing: tuple[int, int] = (0, 0)):
    edges = np.unique(np.quantile(before, np.linspace(0, 1, 400), method="inverted_cdf"))
    return number_bars(edges, fine(before, edges, missing[0]), fine(after, edges, missing[1]), whole=whole)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.integers(0, 50), st.booleans())
def test_the_bars_of_each_side_hold_all_of_its_rows(seed: int, scale: float, missing: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.gamma(2, scale, 400), rng.normal(scale, scale, 300)
    before, after = (np.rint(before), np.rint(after)) if whole else (before, after)
    bars = bars_of(before, after, whole=whole, missing=(missing, 2 * missing))
    assert sum(bar.baseline for bar in bars) == pytest.approx(1, abs=1e-4)
    assert sum(bar.window for bar in bars) == pytest.approx(1, abs=1e-4)


def test_whole_numbers_have_a_bar_each() -> None:
    bars = bars_of(np.repeat(np.arange(24.0), 10), np.arange(5.0), whole=True)
    assert [bar.label for bar in bars] == [str(at) for at in range(24)]
    assert bars[3].baseline == pytest.approx(1 / 24, abs=1e-6)


def test_bars_follow_the_steps_of_a_sensor_so_that_none_is_empty() -> None:
    degrees = np.round(np.arange(200) * 1.8, 2)
    bars = bars_of(np.repeat(degrees, 5), degrees)
    assert len(bars) <= BARS + 1
    assert min(bar.baseline for bar in bars[:-1]) > 0
    assert max(bar.baseline for bar in bars) < 2 * min(bar.baseline for bar in bars[:-1])


def test_missing_values_and_a_value_that_holds_half_of_the_rows_stand_apart() -> None:
    zeros = np.concatenate([np.zeros(700), RNG.exponential(1, 300)])
    bars = bars_of(zeros, zeros, missing=(0, 1000))
    assert bars[0].is_null
    assert (bars[0].baseline, bars[0].window) == (0.0, 0.5)
    assert (bars[1].label, bars[1].low, bars[1].high) == ("0", 0.0, 0.0)
    assert bars[1].baseline == pytest.approx(0.7)


@pytest.mark.parametrize("before", [np.full(40, 3.0), np.array([1.0]), np.zeros(0)])
def test_a_constant_or_empty_side_has_bars(before: np.ndarray) -> None:
    edges = np.array([2.0, 3.0])
    bars = number_bars(edges, fine(before, edges), fine(np.zeros(0), edges, 5), whole=False)
    assert all(np.isfinite([bar.baseline, bar.window]).all() for bar in bars)
    assert bars[0].is_null


def test_categories_are_the_largest_then_the_most_moved_then_the_rest() -> None:
    domain = tuple(f"c{at}" for at in range(30))
    before, after = np.full(32, 10.0), np.full(32, 10.0)
    before[30:], after[30:] = 0, 0
    before[:10], after[:10] = 100, 100
    after[25] = 60
    after[30], after[31] = 7, 3
    bars = category_bars(domain, FineCounts(before, np.zeros(31)), FineCounts(after, np.zeros(31)))
    labels = [bar.label for bar in bars]
    assert labels[:10] == [f"c{at}" for at in range(10)]
    assert labels[10] == "c25"
    assert labels[-3:] == ["16 others", "not in training", "null"]
    assert sum(bar.window for bar in bars) == pytest.approx(1, abs=1e-4)


def test_the_curve_has_the_largest_gap_and_few_points() -> None:
    before, after = RNG.normal(0, 1, 5000), RNG.normal(1, 1, 5000)
    edges = np.unique(np.quantile(before, np.linspace(0, 1, 400), method="inverted_cdf"))
    points = curve(edges, fine(before, edges), fine(after, edges))
    exact = max(abs((before <= x).mean() - (after <= x).mean()) for x in edges)
    assert max(abs(a - b) for _, a, b in points) == pytest.approx(exact, abs=1e-4)
    assert len(points) < 70
    assert [x for x, _, _ in points] == sorted(x for x, _, _ in points)

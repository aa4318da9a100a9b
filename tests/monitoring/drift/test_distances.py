"""The distances equal Deequ's on its own examples and SciPy's on any counts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial import distance as scipy_distance

from monitoring.drift import distances

counts = hnp.arrays(np.float64, st.integers(2, 30), elements=st.integers(0, 1000).map(float)).filter(
    lambda a: a.sum() > 0
)


def pairs():
    return counts.flatmap(
        lambda a: st.tuples(
            st.just(a),
            hnp.arrays(np.float64, len(a), elements=st.integers(0, 1000).map(float)).filter(lambda b: b.sum() > 0),
        )
    )


def test_categories_far_apart_have_the_linf_distance_that_deequ_gives() -> None:
    # Deequ's formulas by hand: shares (0.5, 0.25, 0.25) against (0.2, 0.3, 0.5), 200 and 100 rows.
    a, b = np.array([100.0, 50, 50]), np.array([20.0, 30, 50])
    found = distances.linf_shares(a, b)
    assert found is not None
    assert found == pytest.approx(0.3)
    assert distances.robust(found, 200, 100) == pytest.approx(0.3 - 1.8 * math.sqrt(300 / 20000))


def test_a_category_that_one_side_lacks_counts_with_its_whole_share() -> None:
    assert distances.linf_shares(np.array([10.0, 0, 30]), np.array([10.0, 10, 0])) == pytest.approx(0.75)


def test_the_robust_distance_is_never_negative() -> None:
    assert distances.robust(0.01, 50, 50) == 0.0


def test_c_alpha_of_0_003_is_deequs_default() -> None:
    assert distances.c_alpha(0.003) == pytest.approx(distances.C_ALPHA, abs=0.005)


@given(pairs())
def test_the_cdf_distance_equals_the_two_sample_kolmogorov_smirnov_statistic(sides) -> None:
    a, b = sides
    values = np.arange(len(a))
    expected = stats.ks_2samp(
        np.repeat(values, a.astype(int)), np.repeat(values, b.astype(int)), method="asymp"
    ).statistic
    assert distances.linf_cdf(a, b) == pytest.approx(expected, abs=1e-12)


@given(pairs())
def test_jensen_shannon_equals_scipys(sides) -> None:
    a, b = sides
    assert distances.jensen_shannon(a, b) == pytest.approx(scipy_distance.jensenshannon(a, b), abs=1e-7)


@given(pairs(), st.randoms(use_true_random=False))
def test_wasserstein_equals_scipys(sides, random) -> None:
    a, b = sides
    u = np.array([random.uniform(-1, 1) for _ in a])
    v = np.array([random.uniform(-1, 1) for _ in b])
    assert distances.wasserstein(a, b, u, v) == pytest.approx(stats.wasserstein_distance(u, v, a, b), abs=1e-7)


@given(pairs())
def test_psi_equals_its_formula_where_no_bin_is_empty(sides) -> None:
    a, b = sides[0] + 1000, sides[1] + 1000
    p, q = a / a.sum(), b / b.sum()
    assert distances.psi(a, b) == pytest.approx(float(np.sum((p - q) * np.log(p / q))))


def test_psi_of_a_bin_that_one_side_lacks_is_finite() -> None:
    found = distances.psi(np.array([5.0, 0.0]), np.array([5.0, 5.0]))
    assert found is not None
    assert 0 < found < 10


@given(
    hnp.arrays(np.float64, 6, elements=st.integers(50, 500).map(float)),
    hnp.arrays(np.float64, 6, elements=st.integers(200, 500).map(float)),
)
def test_chi_square_equals_scipys_where_every_count_is_large(window, baseline) -> None:
    expected = stats.chisquare(window, baseline / baseline.sum() * window.sum())
    assert distances.chi_square(window, baseline) == pytest.approx((expected.statistic, expected.pvalue))


def test_chi_square_puts_small_categories_together_as_deequ_does() -> None:
    window, baseline = np.array([40.0, 50, 6, 2, 1, 1]), np.array([400.0, 500, 60, 20, 10, 10])
    # Expected 40, 50, 6, 2, 1, 1: of six at most one may be below 5. 1 joins 1, then 2 joins 2: 40, 50, 6, 4 remain too many
    # (0 of four may be below 5), so 4 joins 6.
    expected = stats.chisquare([40.0, 50, 10], [40.0, 50, 10])
    assert distances.chi_square(window, baseline) == pytest.approx((expected.statistic, expected.pvalue))


def test_chi_square_of_one_category_is_undefined() -> None:
    assert distances.chi_square(np.array([10.0, 0.0]), np.array([10.0, 0.0])) is None


def test_a_side_without_rows_has_no_distance() -> None:
    nothing, some = np.zeros(3), np.ones(3)
    assert distances.linf_cdf(nothing, some) is None
    assert distances.linf_shares(some, nothing) is None
    assert distances.psi(nothing, some) is None
    assert distances.jensen_shannon(nothing, some) is None
    assert distances.chi_square(nothing, some) is None
    assert distances.wasserstein(nothing, some, some, some) is None

"""Model Monitor's rule says what the managed service would have said."""

import numpy as np
import pytest

from monitoring.drift.rules import CategoricalMethod, ComparisonMethod, ModelMonitorRule

BASE = np.array([500.0, 300, 200, 0])
FAR = np.array([200.0, 300, 500, 1000])


def test_a_distance_over_the_threshold_violates_and_missing_values_do_not_count() -> None:
    found = ModelMonitorRule(comparison_method=ComparisonMethod.SIMPLE).judge(BASE, FAR, categorical=False)
    assert found.distance == pytest.approx(0.3)
    assert (found.violated, found.threshold) == (True, 0.1)


def test_the_robust_method_forgives_small_samples() -> None:
    found = ModelMonitorRule().judge(BASE, FAR / 50, categorical=False)
    assert found.distance == 0.0
    assert not found.violated


def test_a_distance_at_the_threshold_does_not_violate() -> None:
    rule = ModelMonitorRule(comparison_threshold=0.3, comparison_method=ComparisonMethod.SIMPLE)
    assert not rule.judge(np.array([50.0, 50, 0]), np.array([75.0, 25, 0]) * 1.0, categorical=False).violated


def test_categories_have_a_threshold_of_their_own() -> None:
    rule = ModelMonitorRule(categorical_comparison_threshold=0.5, comparison_method=ComparisonMethod.SIMPLE)
    assert not rule.judge(BASE, FAR, categorical=True).violated
    assert rule.judge(BASE, FAR, categorical=False).violated


def test_chi_square_violates_below_its_threshold() -> None:
    rule = ModelMonitorRule(categorical_drift_method=CategoricalMethod.CHI_SQUARED)
    assert rule.judge(BASE, FAR, categorical=True).violated
    same = rule.judge(BASE, BASE, categorical=True)
    assert same.is_p_value
    assert same.distance == pytest.approx(1.0)
    assert not same.violated


def test_a_window_without_present_values_has_no_distance_and_no_violation() -> None:
    found = ModelMonitorRule().judge(BASE, np.array([0.0, 0, 0, 10]), categorical=False)
    assert (found.distance, found.violated) == (None, False)

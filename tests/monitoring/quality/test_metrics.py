"""Metrics equal scikit-learn's to 1e-9, with and without weights; what is undefined says why."""

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.quality.binary import binary_metrics
from monitoring.quality.calibration import calibration_metrics
from monitoring.quality.metric import MetricSums
from monitoring.quality.multiclass import multiclass_metrics
from monitoring.quality.regression import regression_metrics
from monitoring.quality.state import QualityState
from monitoring.quality.units import group_units

SEEDS = st.integers(0, 2**32 - 1)


def state(predicted: Any, score: Any, label: Any, weight: Any = None, classes: tuple[str, ...] = ()) -> QualityState:
    n = len(label)
    unit = np.arange(n) // 3
    ones = np.ones(n) if weight is None else np.asarray(weight, float)
    numbers = (np.asarray(values, float) for values in (predicted, score, label))
    predicted, score, label = numbers
    return QualityState(unit, np.zeros(n, np.int64), predicted, score, label, ones, np.zeros(n), classes)


def values(found: list[MetricSums]) -> dict[str, float | None]:
    for metric in found:
        if metric.value is not None and not metric.no_interval:
            np.testing.assert_allclose(metric.formula(metric.sums.sum(axis=0)), metric.value, rtol=1e-9, atol=1e-12)
    return {metric.name: metric.value for metric in found}


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 300), ties=st.booleans(), weighted=st.booleans())
def test_binary_metrics_equal_scikit_learn(seed: int, n: int, ties: bool, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(n), 1) if ties else rng.random(n)
    label = (rng.random(n) < 0.2 + 0.6 * score).astype(int)
    weight = rng.choice([1.0, 10.0], n) if weighted else None
    predicted = (score >= 0.5).astype(int)
    s = state(predicted, score, label, weight)
    found = values(binary_metrics(s, group_units(s.unit), True))
    w: Any = {"sample_weight": weight}
    if 0 < label.sum() < n:
        expected = {
            "accuracy": sk.accuracy_score(label, predicted, **w),
            "recall": sk.recall_score(label, predicted, **w),
            "f0_5": sk.fbeta_score(label, predicted, beta=0.5, **w),
            "f1": sk.f1_score(label, predicted, **w),
            "f2": sk.fbeta_score(label, predicted, beta=2, **w),
            "auc": sk.roc_auc_score(label, score, **w),
            "au_prc": sk.average_precision_score(label, score, **w),
            "brier_score": sk.brier_score_loss(label, score, **w),
            "log_loss": sk.log_loss(label, score, labels=[0, 1], **w),
        }
        if predicted.any():
            expected["precision"] = sk.precision_score(label, predicted, **w)
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=1e-9), name


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 200), offset=st.sampled_from([0.0, 1e6]))
def test_regression_metrics_equal_scikit_learn_far_from_zero_too(seed: int, n: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    label = rng.normal(offset, 1, n)
    predicted = label + rng.normal(0.2, 0.5, n)
    weight = rng.choice([1.0, 4.0], n)
    s = state(predicted, predicted, label, weight)
    found = values(regression_metrics(s, group_units(s.unit)))
    w: Any = {"sample_weight": weight}
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(label, predicted, **w), rel=1e-9)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(label, predicted, **w), rel=1e-9)
    assert found["mse"] == pytest.approx(sk.mean_squared_error(label, predicted, **w), rel=1e-9)
    assert found["r2"] == pytest.approx(sk.r2_score(label, predicted, **w), rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, n=st.integers(1, 200), size=st.integers(2, 5))
def test_multiclass_metrics_equal_scikit_learn(seed: int, n: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, size, n)
    predicted = np.where(rng.random(n) < 0.6, label, rng.integers(0, size, n))
    s = state(predicted, predicted, label, classes=tuple("abcdef"[:size]))
    found = values(multiclass_metrics(s, group_units(s.unit)))
    w: Any = {"average": "weighted", "zero_division": 0.0}
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(label, predicted), abs=1e-9)
    assert found["weighted_precision"] == pytest.approx(sk.precision_score(label, predicted, **w), abs=1e-9)
    assert found["weighted_recall"] == pytest.approx(sk.recall_score(label, predicted, **w), abs=1e-9)
    for name, beta in {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}.items():
        assert found[f"weighted_{name}"] == pytest.approx(sk.fbeta_score(label, predicted, beta=beta, **w), abs=1e-9)


def test_the_published_sample_of_the_service_gives_its_numbers() -> None:
    s = state([0, 1, 1, 1], [0.1, 0.6, 0.7, 0.9], [0, 0, 0, 1])
    found = values(binary_metrics(s, group_units(s.unit), True))
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["f2"] == pytest.approx(0.7142857142857143)
    assert found["false_positive_rate"] == pytest.approx(2 / 3)
    assert found["f0_5_best_constant_classifier"] == pytest.approx(0.29411764705882354)


def test_with_one_class_auc_is_undefined_with_the_reason_and_losses_are_given() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(300)
    s = state(score > 0.5, score, np.zeros(300))
    found = {
        m.name: m for m in binary_metrics(s, group_units(s.unit), True) + calibration_metrics(s, group_units(s.unit))
    }
    assert found["auc"].value is None
    assert "no positive label" in found["auc"].reason
    assert found["log_loss"].value is not None
    assert found["accuracy"].value is not None
    assert found["calibration_slope"].value is None


def test_labels_that_are_all_equal_give_no_r2() -> None:
    s = state([1, 2, 3], [1, 2, 3], [2, 2, 2])
    found = {m.name: m for m in regression_metrics(s, group_units(s.unit))}
    assert found["r2"].value is None
    assert found["r2"].reason == "all labels are equal"


def test_rare_positives_stand_beside_the_best_constant() -> None:
    rng = np.random.default_rng(2)
    label = np.r_[np.ones(3), np.zeros(2997)]
    score = np.r_[[0.9, 0.8, 0.1], rng.random(2997) * 0.5]
    s = state(score >= 0.5, score, label)
    found = values(binary_metrics(s, group_units(s.unit), True))
    assert found["accuracy_best_constant_classifier"] == pytest.approx(0.999)


def test_a_calibrated_model_has_slope_one_and_intercept_zero() -> None:
    rng = np.random.default_rng(3)
    score = rng.beta(2, 3, 200_000)
    s = state(score >= 0.5, score, rng.random(200_000) < score)
    found = values(calibration_metrics(s, group_units(s.unit)))
    assert found["calibration_slope"] == pytest.approx(1, abs=0.03)
    assert found["calibration_intercept"] == pytest.approx(0, abs=0.03)
    assert found["ece"] == pytest.approx(0, abs=0.01)


def test_weights_of_sampling_count_rows_by_what_they_stand_for() -> None:
    weight = np.r_[np.ones(900), np.full(100, 10.0)]
    label = np.r_[np.zeros(900), np.ones(100)]
    s = state(np.zeros(1000), np.full(1000, 0.4), label, weight)
    found = values(calibration_metrics(s, group_units(s.unit)))
    assert found["observed_rate"] == pytest.approx(1000 / 1900)

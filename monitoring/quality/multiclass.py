"""Metrics of multiclass classification under Model Monitor's names: weighted by the classes' labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.metric import Better, IntervalScale, MetricSums, divide, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from monitoring.quality.state import QualityState
    from monitoring.quality.units import RowUnits

    Numbers = npt.NDArray[np.float64]

_BETAS = {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}
MAX_CLASSES = 20
"""With more classes the weighted metrics have no interval: each class adds three sums."""


def multiclass_metrics(state: QualityState, units: RowUnits) -> list[MetricSums]:
    """Returns the metrics of a state with at least one row. A class that was never predicted has precision 0."""
    weight, n = state.weight, units.sums(state.weight)
    right = units.sums(weight * (state.label == state.predicted))
    majority = float(np.bincount(state.label.astype(np.intp), weights=weight).argmax())
    constant = units.sums(weight * (state.label == majority))
    codes = np.unique(np.concatenate([state.label, state.predicted]))
    found = [_shares("accuracy", right, n, Better.HIGHER)]
    hits, labels, predictions = _by_class(state, units, codes, state.predicted)
    found += _weighted(hits, labels, predictions, "", Better.HIGHER)
    found.append(_shares("accuracy_best_constant_classifier", constant, n, Better.NEITHER))
    always = np.full(len(state), majority)
    hits, labels, predictions = _by_class(state, units, codes, always)
    return found + _weighted(hits, labels, predictions, "_best_constant_classifier", Better.NEITHER)


def confusion_matrix(state: QualityState) -> dict[str, dict[str, float]]:
    """Returns weighted counts as Model Monitor writes them: label → prediction → count."""
    size = len(state.classes)
    cell = state.label.astype(np.intp) * size + state.predicted.astype(np.intp)
    counts = np.bincount(cell, weights=state.weight, minlength=size * size).reshape(size, size)
    return {
        label: {name: float(counts[i, j]) for j, name in enumerate(state.classes)}
        for i, label in enumerate(state.classes)
    }


def _shares(name: str, above: Numbers, below: Numbers, better: Better) -> MetricSums:
    value = float(above.sum() / below.sum())
    return MetricSums(name, value, np.column_stack([above, below]), ratio, IntervalScale.SHARE, better)


def _by_class(
    state: QualityState, units: RowUnits, codes: Numbers, predicted: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """Returns (hits, labels, predictions) of shape (units, classes), or of shape (1, classes) with too many classes."""
    few = len(codes) <= MAX_CLASSES

    def sums(mask: npt.NDArray[np.bool_]) -> Numbers:
        return units.sums(state.weight * mask) if few else np.array([state.weight[mask].sum()])

    columns = [
        (sums((state.label == code) & (predicted == code)), sums(state.label == code), sums(predicted == code))
        for code in codes
    ]
    hits, labels, predictions = (np.column_stack(part) for part in zip(*columns, strict=True))
    return hits, labels, predictions


def _weighted(hits: Numbers, labels: Numbers, predictions: Numbers, suffix: str, better: Better) -> list[MetricSums]:
    sums = np.concatenate([hits, labels, predictions], axis=1)
    classes = hits.shape[1]
    formulas: dict[str, Callable[[Numbers, Numbers, Numbers], Numbers]] = {
        "weighted_recall": lambda h, y, p: divide(h, y),
        "weighted_precision": lambda h, y, p: divide(h, p),
        **{f"weighted_{name}": _f_score(beta) for name, beta in _BETAS.items()},
    }
    found = []
    for name, formula in formulas.items():
        whole = _averaged(formula, classes)
        found.append(
            MetricSums(f"{name}{suffix}", float(whole(sums.sum(axis=0))), sums, whole, IntervalScale.SHARE, better)
        )
    return found


def _f_score(beta: float) -> Callable[[Numbers, Numbers, Numbers], Numbers]:
    b = beta * beta
    return lambda h, y, p: divide((1 + b) * h, b * y + p)


def _averaged(formula: Callable[[Numbers, Numbers, Numbers], Numbers], classes: int) -> Callable[[Numbers], Numbers]:
    """Returns the average of a class's metric over classes, weighted by labels; 0 where it is undefined."""

    def whole(t: Numbers) -> Numbers:
        h, y, p = t[..., :classes], t[..., classes : 2 * classes], t[..., 2 * classes :]
        return divide((np.nan_to_num(formula(h, y, p)) * y).sum(axis=-1), y.sum(axis=-1))

    return whole

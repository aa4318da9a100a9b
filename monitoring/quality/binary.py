"""Metrics of binary classification under Model Monitor's names, and log loss, Brier score and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.metric import Better, IntervalScale, MetricSums, divide, ratio, undefined

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from monitoring.quality.state import QualityState
    from monitoring.quality.units import RowUnits

    Numbers = npt.NDArray[np.float64]
    Places = npt.NDArray[np.intp]
    Formula = Callable[[Numbers], Numbers]

CURVE_POINTS = 101
_BETAS = {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}


def binary_metrics(state: QualityState, units: RowUnits, has_probability: bool) -> list[MetricSums]:
    """Returns the metrics of a state with at least one row. Labels and predictions are 0 and 1."""
    positive, predicted, weight = state.label == 1, state.predicted == 1, state.weight
    cells = [
        units.sums(weight * mask)
        for mask in (positive & predicted, ~positive & predicted, positive & ~predicted, ~positive & ~predicted)
    ]
    sums = np.column_stack(cells)
    tp, fp, fn, tn = (float(cell.sum()) for cell in cells)
    no_positive, no_negative = "no positive label", "no negative label"
    positives, negatives, alarms = (_units_with(units, mask) for mask in (positive, ~positive, predicted))
    found = [
        _of_cells("accuracy", sums, _accuracy, ""),
        _of_cells("precision", sums, _precision, "" if tp + fp else "nothing was predicted positive", support=alarms),
        _of_cells("recall", sums, _recall, "" if tp + fn else no_positive, support=positives),
        *(
            _of_cells(name, sums, _f_score(beta), "" if tp + fp + fn else no_positive, support=positives)
            for name, beta in _BETAS.items()
        ),
        _of_cells("true_positive_rate", sums, _recall, "" if tp + fn else no_positive, support=positives),
        _of_cells("true_negative_rate", sums, _true_negative_rate, "" if tn + fp else no_negative, support=negatives),
        _of_cells(
            "false_positive_rate", sums, _false_positive_rate, "" if tn + fp else no_negative, Better.LOWER, negatives
        ),
        _of_cells(
            "false_negative_rate", sums, _false_negative_rate, "" if tp + fn else no_positive, Better.LOWER, positives
        ),
        *_constant_metrics(sums),
    ]
    if has_probability:
        one_class = no_positive if not positive.any() else no_negative if positive.all() else ""
        found += [_auc(state, units, one_class), _average_precision(state, no_positive if not positive.any() else "")]
        found += _losses(state, units)
    return found


def confusion_matrix(state: QualityState) -> dict[str, dict[str, float]]:
    """Returns weighted counts as Model Monitor writes them: label → prediction → count."""
    cells = {}
    for label in (0, 1):
        rows = {str(p): state.weight[(state.label == label) & (state.predicted == p)].sum() for p in (0, 1)}
        cells[str(label)] = {name: float(count) for name, count in rows.items()}
    return cells


def curves(state: QualityState) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Returns the ROC curve and the precision-recall curve at no more than CURVE_POINTS thresholds, as Model Monitor names them."""
    tp, fp = _cumulative(state)
    if not len(tp) or tp[-1] == 0 or fp[-1] == 0:
        return {"false_positive_rates": [], "true_positive_rates": []}, {"precisions": [], "recalls": []}
    chosen = np.unique(np.linspace(0, len(tp) - 1, min(len(tp), CURVE_POINTS)).astype(np.intp))
    recalls, alarms = tp[chosen] / tp[-1], fp[chosen] / fp[-1]
    precisions = tp[chosen] / (tp[chosen] + fp[chosen])
    return (
        {"false_positive_rates": [0.0, *alarms.tolist()], "true_positive_rates": [0.0, *recalls.tolist()]},
        {"precisions": [1.0, *precisions.tolist()], "recalls": [0.0, *recalls.tolist()]},
    )


def auc_value(label: Numbers, score: Numbers, weight: Numbers) -> float:
    """Returns the weighted area under the ROC curve, ties counted half (Hanley and McNeil 1982); NaN with one class."""
    positive = label == 1
    total = float(weight[positive].sum()) * float(weight[~positive].sum())
    if not total:
        return float("nan")
    return float((weight[positive] * _placements(label, score, weight)[positive]).sum() / total)


def _of_cells(
    name: str,
    sums: Numbers,
    formula: Formula,
    reason: str,
    better: Better = Better.HIGHER,
    support: int | None = None,
) -> MetricSums:
    value = None if reason else float(formula(sums.sum(axis=0)))
    return MetricSums(name, value, sums, formula, IntervalScale.SHARE, better, reason, support=support)


def _units_with(units: RowUnits, mask: npt.NDArray[np.bool_]) -> int:
    """Returns how many units have a row in `mask`."""
    return int((units.sums(mask.astype(np.float64)) > 0).sum())


def _accuracy(t: Numbers) -> Numbers:
    return divide(t[..., 0] + t[..., 3], t.sum(axis=-1))


def _precision(t: Numbers) -> Numbers:
    return divide(t[..., 0], t[..., 0] + t[..., 1])


def _recall(t: Numbers) -> Numbers:
    return divide(t[..., 0], t[..., 0] + t[..., 2])


def _true_negative_rate(t: Numbers) -> Numbers:
    return divide(t[..., 3], t[..., 3] + t[..., 1])


def _false_positive_rate(t: Numbers) -> Numbers:
    return divide(t[..., 1], t[..., 3] + t[..., 1])


def _false_negative_rate(t: Numbers) -> Numbers:
    return divide(t[..., 2], t[..., 0] + t[..., 2])


def _f_score(beta: float) -> Formula:
    b = beta * beta
    return lambda t: divide((1 + b) * t[..., 0], (1 + b) * t[..., 0] + b * t[..., 2] + t[..., 1])


def _constant_metrics(sums: Numbers) -> list[MetricSums]:
    """Returns the metrics of the best constant prediction: the more frequent class for accuracy, else always positive."""
    positives, all_rows = sums[:, 0] + sums[:, 2], sums.sum(axis=1)
    share = float(positives.sum() / all_rows.sum())
    majority = positives if share >= 0.5 else all_rows - positives
    constant = np.column_stack([positives, all_rows - positives, np.zeros_like(positives), np.zeros_like(positives)])
    reason = "" if share else "no positive label"
    found = [
        MetricSums(
            "accuracy_best_constant_classifier", max(share, 1 - share), np.column_stack([majority, all_rows]), ratio,
            IntervalScale.SHARE, Better.NEITHER,
        ),
        _of_cells("precision_best_constant_classifier", constant, _precision, reason, Better.NEITHER),
        _of_cells("recall_best_constant_classifier", constant, _recall, reason, Better.NEITHER),
    ]  # fmt: skip
    for name, beta in _BETAS.items():
        found.append(_of_cells(f"{name}_best_constant_classifier", constant, _f_score(beta), reason, Better.NEITHER))
    return found


def _auc(state: QualityState, units: RowUnits, reason: str) -> MetricSums:
    """Returns the AUC with its placement values by unit (Obuchowski 1997): to first order a sum of two ratios."""
    if reason:
        return undefined("auc", f"undefined: {reason}")
    weight, positive = state.weight, state.label == 1
    placement = _placements(state.label, state.score, weight)
    positives, negatives = float(weight[positive].sum()), float(weight[~positive].sum())
    value = float((weight[positive] * placement[positive]).sum()) / (positives * negatives)
    sums = np.column_stack(
        [
            units.sums(np.where(positive, weight * placement / negatives, 0.0)),
            units.sums(np.where(positive, weight, 0.0)),
            units.sums(np.where(positive, 0.0, weight * placement / positives)),
            units.sums(np.where(positive, 0.0, weight)),
        ]
    )
    return MetricSums(
        "auc",
        value,
        sums,
        _auc_formula(value),
        IntervalScale.SHARE,
        Better.HIGHER,
        support=rarer_label_units(state, units),
    )


def _auc_formula(value: float) -> Formula:
    return lambda t: divide(t[..., 0], t[..., 1]) + divide(t[..., 2], t[..., 3]) - value


def _placements(label: Numbers, score: Numbers, weight: Numbers) -> Numbers:
    """Returns for each row the weight of the other class below it, for a negative row above it, and half of the tied weight."""
    order = score_order(score)
    ordered, w, positive = score[order], weight[order], label[order] == 1
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    sizes = np.diff(np.append(starts, len(ordered)))
    negatives = np.add.reduceat(np.where(positive, 0.0, w), starts)
    below = np.repeat(np.cumsum(negatives) - negatives / 2, sizes)
    positives = np.add.reduceat(np.where(positive, w, 0.0), starts)
    above = np.repeat(positives.sum() - np.cumsum(positives) + positives / 2, sizes)
    result = np.empty_like(below)
    result[order] = np.where(positive, below, above)
    return result


def score_order(score: Numbers) -> Places | slice:
    """Returns what puts scores in ascending order; a slice, which copies nothing, where they are in order."""
    if bool((score[1:] >= score[:-1]).all()):
        return slice(None)
    return np.argsort(score, kind="stable")


def _cumulative(state: QualityState) -> tuple[Numbers, Numbers]:
    """Returns the weights of true and false positives at each distinct threshold, from the highest score down."""
    order = score_order(state.score)
    score, w, positive = state.score[order][::-1], state.weight[order][::-1], state.label[order][::-1] == 1
    last = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1) if len(score) else np.zeros(0, np.intp)
    return np.cumsum(np.where(positive, w, 0.0))[last], np.cumsum(np.where(positive, 0.0, w))[last]


def _average_precision(state: QualityState, reason: str) -> MetricSums:
    """Returns Σ (recall_i - recall_{i-1}) precision_i over thresholds, as scikit-learn's average_precision_score."""
    if reason:
        return undefined("au_prc", f"undefined: {reason}")
    tp, fp = _cumulative(state)
    value = float((np.diff(tp, prepend=0.0) * tp / (tp + fp)).sum() / tp[-1])
    return MetricSums(
        "au_prc", value, np.zeros((0, 1)), ratio, IntervalScale.SHARE, Better.HIGHER, no_interval="not resampled"
    )


def _losses(state: QualityState, units: RowUnits) -> list[MetricSums]:
    weight, n = state.weight, units.sums(state.weight)
    tiny = np.finfo(np.float64).eps
    p = np.clip(state.score, tiny, 1 - tiny)
    logs = -np.where(state.label == 1, np.log(p), np.log1p(-p))
    found = []
    for name, loss in (("log_loss", logs), ("brier_score", (state.score - state.label) ** 2)):
        sums = np.column_stack([units.sums(weight * loss), n])
        value = float(sums[:, 0].sum() / n.sum())
        support = rarer_label_units(state, units)
        found.append(MetricSums(name, value, sums, ratio, IntervalScale.POSITIVE, Better.LOWER, support=support))
    return found


def rarer_label_units(state: QualityState, units: RowUnits) -> int:
    """Returns how many units have a row with the rarer of the two labels."""
    return min(_units_with(units, state.label == label) for label in (0, 1))

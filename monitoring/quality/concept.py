"""Whether P(y|x) changed: a direct test that moved inputs alone do not set off.

The mean label of the window is compared with the mean label of the baseline under weights that give the baseline the
window's inputs, both as residuals of a model of the label that was fitted on the baseline. An error of the model cancels
where the weights are right, an error of the weights where the model is right (doubly robust: Robins, Rotnitzky and Zhao
1994; balancing as in Zhao and Percival 2017). Contrasts are the mean, the slope along the expected label, and five groups
of it; their maximum is judged by a bootstrap over units (`max_test`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.design import Design, Side, make_design
from monitoring.quality.max_test import max_test
from monitoring.quality.reweighting import Overlap, balance, find_overlap, fit_linear, fit_logistic

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

GROUPS = 5
MIN_UNITS = 30
MIN_OVERLAP = 0.5
MIN_EFFECTIVE = 30.0
FLOOR = 0.02
"""The smallest change that counts, in standard deviations of the label."""


@dataclass(frozen=True, eq=False)
class ConceptTest:
    """The outcome of the test.

    `p_value` and all below are None where it was declined, with the `reason`. `change` is the mean residual of the window
    beyond the baseline's and `error` its standard error. `contrasts` holds (name, change, z). `weights` (n,) of sum 1 give
    the baseline's compared rows (`overlap.baseline`) the window's inputs; `expected_b` and `expected_w` are the model's
    expected labels of both sides. `group` (m,) is the group of each compared row of the window.
    """

    reason: str = ""
    p_value: float | None = None
    changed: bool = False
    change: float | None = None
    error: float | None = None
    contrasts: tuple[tuple[str, float, float], ...] = ()
    inputs_p_value: float | None = None
    inputs_moved: bool = False
    overlap: Overlap | None = None
    weights: Numbers | None = None
    expected_b: Numbers | None = None
    expected_w: Numbers | None = None
    group: npt.NDArray[np.intp] | None = None
    edges: tuple[float, ...] = ()
    inputs: tuple[str, ...] = ()


def judge_concept(
    baseline: Side, window: Side, rng: np.random.Generator, *, binary: bool, probability: bool, level: float = 0.05
) -> ConceptTest:
    """Tests whether the label's expectation for given inputs differs between the sides.

    `binary` says that labels are 0 and 1, `probability` that scores are probabilities. Declines below 30 units a side,
    where under half of the window's rows have inputs that the baseline has, or where too few units carry the weight.
    """
    units = min(len(np.unique(baseline.unit)), len(np.unique(window.unit)))
    if units < MIN_UNITS:
        return ConceptTest(f"{units} units, {MIN_UNITS} are needed on both sides")
    design = make_design(baseline, window, probability)
    moved_p, moved = _inputs_moved(design, baseline, window, rng, level)
    overlap = find_overlap(design.baseline, design.window, baseline.weight, window.weight)
    known = ConceptTest(inputs_p_value=moved_p, inputs_moved=moved, overlap=overlap, inputs=design.inputs)
    if overlap.share < MIN_OVERLAP:
        return replace(known, reason=f"{1 - overlap.share:.0%} of the rows have inputs that the baseline hardly has")
    sides = _Sides(
        _compared(baseline, overlap.baseline),
        _compared(window, overlap.window),
        design.baseline[overlap.baseline],
        design.window[overlap.window],
    )
    return _compare(sides, known, rng, binary, level)


@dataclass(frozen=True, eq=False)
class _Sides:
    """The rows that are compared, and their bases."""

    b: Side
    w: Side
    x_b: Numbers
    x_w: Numbers


def _compare(sides: _Sides, known: ConceptTest, rng: np.random.Generator, binary: bool, level: float) -> ConceptTest:
    b, w = sides.b, sides.w
    beta = (fit_logistic if binary else fit_linear)(sides.x_b, b.label, b.weight, 1.0)
    expected_b, expected_w = _predict(beta, sides.x_b, binary), _predict(beta, sides.x_w, binary)
    edges = np.unique(np.quantile(expected_w, np.arange(1, GROUPS) / GROUPS))
    group_b, group_w = (
        np.searchsorted(edges, expected_b, side="right"),
        np.searchsorted(edges, expected_w, side="right"),
    )
    h_b = _contrasts(expected_b, group_b, len(edges) + 1, expected_w)
    h_w = _contrasts(expected_w, group_w, len(edges) + 1, expected_w)
    target = np.average(np.column_stack([sides.x_w, h_w[:, 1:-1]]), axis=0, weights=w.weight)
    q = balance(np.column_stack([sides.x_b, h_b[:, 1:-1]]), target, b.weight)
    if q is None:
        return replace(known, reason="no weights give the baseline the window's inputs")
    effective = _effective_units(q, b.unit)
    if effective < MIN_EFFECTIVE:
        reason = f"about {effective:.0f} units of the baseline have the window's inputs, {MIN_EFFECTIVE:.0f} are needed"
        return replace(known, reason=reason)
    d_b = _by_unit(b.unit, -(q * (b.label - expected_b))[:, None] * h_b)
    d_w = _by_unit(w.unit, (w.weight / w.weight.sum() * (w.label - expected_w))[:, None] * h_w)
    changes = d_b.sum(axis=0) + d_w.sum(axis=0)
    p_values, z, errors = max_test((d_b, d_w), changes, rng)
    p_value = float(p_values.min())
    mean = np.average(b.label, weights=b.weight)
    spread = float(np.sqrt(np.average((b.label - mean) ** 2, weights=b.weight)))
    size = changes / np.maximum(np.average(np.abs(h_w), axis=0, weights=w.weight), 1e-12)
    large = bool((np.abs(size) >= FLOOR * spread)[np.abs(z) >= 1.96].any())
    names = ("mean", "slope", *(f"group {i + 1}" for i in range(len(edges) + 1)))
    return replace(
        known,
        p_value=p_value,
        changed=p_value <= level and large,
        change=float(changes[0]),
        error=float(errors[0]),
        contrasts=tuple((n, float(c), float(s)) for n, c, s in zip(names, size, z, strict=True)),
        weights=q,
        expected_b=expected_b,
        expected_w=expected_w,
        group=group_w,
        edges=tuple(edges.tolist()),
    )


def _compared(side: Side, mask: npt.NDArray[np.bool_]) -> Side:
    return Side(side.unit[mask], side.label[mask], side.score[mask], side.weight[mask], {})


def _predict(beta: Numbers, x: Numbers, binary: bool) -> Numbers:
    linear: Numbers = beta[0] + x @ beta[1:]
    return 1 / (1 + np.exp(-np.clip(linear, -30, 30))) if binary else linear


def _contrasts(expected: Numbers, group: npt.NDArray[np.intp], groups: int, reference: Numbers) -> Numbers:
    """Returns the contrasts of each row, (n, 2 + groups): mean, slope along the expected label, and each group."""
    slope = (expected - reference.mean()) / max(float(reference.std()), 1e-12)
    members = (group[:, None] == np.arange(groups)).astype(np.float64)
    return np.column_stack([np.ones(len(expected)), slope, members])


def _by_unit(unit: npt.NDArray[np.int64], values: Numbers) -> Numbers:
    _, index = np.unique(unit, return_inverse=True)
    return np.column_stack([np.bincount(index, weights=column) for column in values.T])


def _effective_units(q: Numbers, unit: npt.NDArray[np.int64]) -> float:
    by_unit = _by_unit(unit, q[:, None])[:, 0]
    return float(by_unit.sum() ** 2 / (by_unit**2).sum())


def _inputs_moved(
    design: Design, baseline: Side, window: Side, rng: np.random.Generator, level: float
) -> tuple[float, bool]:
    """Returns the p-value of the largest difference of the basis' means, and whether it is at least 0.05 sd."""
    mean_b = np.average(design.baseline, axis=0, weights=baseline.weight)
    mean_w = np.average(design.window, axis=0, weights=window.weight)
    d_b, d_w = (
        _by_unit(side.unit, (x - mean) * (side.weight / side.weight.sum())[:, None])
        for x, side, mean in ((design.baseline, baseline, mean_b), (design.window, window, mean_w))
    )
    p_value = float(max_test((d_b, d_w), mean_w - mean_b, rng)[0].min(initial=1.0))
    return p_value, p_value <= level and bool(np.abs(mean_w - mean_b).max(initial=0.0) >= 0.05)

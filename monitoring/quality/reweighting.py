"""Weights that give the baseline the window's inputs, and which rows both sides can be compared on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

MAX_RATIO = 20.0
"""Rows whose inputs are more than so many times as frequent in the window as in the baseline are not compared."""


@dataclass(frozen=True, eq=False)
class Overlap:
    """Which rows have inputs that both sides have: masks of shapes (n,) and (m,); `share` is the window's, by weight."""

    baseline: Mask
    window: Mask
    share: float


def find_overlap(baseline: Numbers, window: Numbers, weight_b: Numbers, weight_w: Numbers) -> Overlap:
    """Returns the common rows by the ratio of densities, which a logistic regression on the basis estimates."""
    x = np.concatenate([baseline, window])
    y = np.concatenate([np.zeros(len(baseline)), np.ones(len(window))])
    w = np.concatenate([weight_b / weight_b.sum(), weight_w / weight_w.sum()]) * len(baseline)
    beta = fit_logistic(x, y, w, ridge=1e-3 * len(baseline))
    ratio = beta[0] + x @ beta[1:]
    inside = ratio <= np.log(MAX_RATIO)
    first, second = inside[: len(baseline)], inside[len(baseline) :]
    return Overlap(first, second, float(weight_w[second].sum() / weight_w.sum()))


def balance(baseline: Numbers, target: Numbers, weight: Numbers) -> Numbers | None:
    """Returns weights (n,) of sum 1 under which the baseline's means equal `target` (k,), nearest to `weight`.

    Entropy balancing (Hainmueller 2012): weights are `weight` times the exponential of a linear function of the basis,
    found by Newton's method on the dual. Returns None where no such weights exist: the target lies outside the baseline.
    """
    x = baseline - target
    start = np.log(weight / weight.sum())
    direction = np.zeros(x.shape[1])
    value, q = _dual(x, start, direction)
    for _ in range(100):
        mean = q @ x
        if np.abs(mean).max(initial=0.0) < 1e-7:
            return q
        hessian = (x * q[:, None]).T @ x - np.outer(mean, mean) + 1e-10 * np.eye(len(direction))
        step = -np.linalg.solve(hessian, mean)
        for size in 0.5 ** np.arange(20):
            trial, weights = _dual(x, start, direction + size * step)
            if trial <= value + 1e-4 * size * float(mean @ step):
                direction, value, q = direction + size * step, trial, weights
                break
        else:
            break
    return q if np.abs(q @ x).max(initial=0.0) < 1e-4 else None


def fit_logistic(x: Numbers, y: Numbers, weight: Numbers, ridge: float) -> Numbers:
    """Returns (intercept, coefficients) of a logistic regression, the coefficients shrunk by `ridge`; y may be a share."""
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 0.0
    mean = float(np.clip(np.average(y, weights=weight), 1e-6, 1 - 1e-6))
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(mean / (1 - mean))
    for _ in range(30):
        fitted = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        information = (design * (weight * np.maximum(fitted * (1 - fitted), 1e-9))[:, None]).T @ design
        gradient = design.T @ (weight * (y - fitted)) - penalty * beta
        step = np.linalg.solve(information + np.diag(penalty + 1e-9), gradient)
        largest = np.abs(step).max()
        beta = beta + step * min(1.0, 4.0 / max(largest, 1e-12))
        if largest < 1e-8:
            break
    return beta


def fit_linear(x: Numbers, y: Numbers, weight: Numbers, ridge: float) -> Numbers:
    """Returns (intercept, coefficients) of a linear regression, the coefficients shrunk by `ridge`."""
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-9
    fitted: Numbers = np.linalg.solve((design * weight[:, None]).T @ design + np.diag(penalty), design.T @ (weight * y))
    return fitted


def _dual(x: Numbers, start: Numbers, direction: Numbers) -> tuple[float, Numbers]:
    exponent = start + x @ direction
    top = exponent.max()
    q = np.exp(exponent - top)
    total = q.sum()
    return float(top + np.log(total)), q / total

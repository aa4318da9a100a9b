"""Inputs to columns of numbers: a basis in which both the label's expectation and the window's weights are smooth.

Numeric inputs and the score become natural cubic splines, missing values an indicator, categories indicators. Inputs that
tell nothing about the label beyond the score are left out: how they moved cannot move the label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.quality.predictions import INPUT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

KNOTS = 5
MAX_INPUTS = 8
MAX_CATEGORIES = 12
MIN_SHARE = 0.01
_RELEVANT = 0.01
"""Level at which an input counts as relevant, divided by the number of inputs."""


@dataclass(frozen=True, eq=False)
class Side:
    """The rows of one side: `unit` (n,), `label`, `score` (the prediction where there is no probability), `weight`, and the
    inputs by name, numbers with NaN or text with None."""

    unit: npt.NDArray[np.int64]
    label: Numbers
    score: Numbers
    weight: Numbers
    inputs: Mapping[str, Numbers | pa.Array]

    def __len__(self) -> int:
        return len(self.unit)


def side_of(
    rows: pa.Table,
    unit: npt.NDArray[np.int64],
    label: Numbers,
    score: Numbers,
    weight: Numbers,
    kinds: Mapping[str, bool],
) -> Side:
    """Returns the rows of a joined table as a side; the arrays have the table's length."""
    inputs: dict[str, Numbers | pa.Array] = {}
    for name, numeric in kinds.items():
        column = rows[f"{INPUT_PREFIX}{name}"].combine_chunks()
        if numeric:
            inputs[name] = np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
        else:
            inputs[name] = column.cast(pa.string())
    return Side(unit, label, score, weight, inputs)


@dataclass(frozen=True, eq=False)
class Design:
    """The basis of both sides, float64 of shapes (n, k) and (m, k): standardized, without an intercept. `inputs` names what it uses."""

    baseline: Numbers
    window: Numbers
    inputs: tuple[str, ...]


def make_design(baseline: Side, window: Side, link: bool) -> Design:
    """Returns the basis of the score and of the relevant inputs. `link` is True where the score is a probability."""
    score_b, score_w = _score(baseline.score, link), _score(window.score, link)
    first = _spline(score_b, score_w)
    parts = [first] if first is not None else []
    residual = _residual(baseline, parts[0][0] if parts else np.zeros((len(baseline), 0)))
    chosen: list[tuple[float, str, tuple[Numbers, Numbers]]] = []
    count = max(len(baseline.inputs), 1)
    for name, values in baseline.inputs.items():
        basis = _basis(values, window.inputs[name])
        if basis is None:
            continue
        p_value = _relevance(basis[0], residual, baseline)
        if p_value <= _RELEVANT / count:
            chosen.append((p_value, name, basis))
    chosen.sort(key=lambda entry: entry[0])
    kept = chosen[:MAX_INPUTS]
    parts += [basis for _, _, basis in kept]
    parts.append(
        _products(
            np.column_stack([score_b, *_linear(baseline, kept)]), np.column_stack([score_w, *_linear(window, kept)])
        )
    )
    before, after = _standardized(
        np.column_stack([part[0] for part in parts]), np.column_stack([part[1] for part in parts]), baseline.weight
    )
    return Design(before, after, tuple(name for _, name, _ in kept))


def _score(score: Numbers, link: bool) -> Numbers:
    if not link:
        return score
    p = np.clip(score, 1e-6, 1 - 1e-6)
    logit: Numbers = np.log(p / (1 - p))
    return logit


def _basis(baseline: Numbers | pa.Array, window: Numbers | pa.Array) -> tuple[Numbers, Numbers] | None:
    if isinstance(baseline, np.ndarray) and isinstance(window, np.ndarray):
        return _spline(baseline, window)
    return _indicators(baseline, window)


def _spline(baseline: Numbers, window: Numbers) -> tuple[Numbers, Numbers] | None:
    """Returns a natural cubic spline (Harrell 2015, section 2.4) with an indicator of missing values, None for a constant."""
    present = baseline[np.isfinite(baseline)]
    if not len(present):
        return None
    knots = np.unique(np.quantile(present, np.linspace(0.05, 0.95, KNOTS)))
    centre, spread = float(np.median(present)), float(np.std(present))
    if not spread:
        return None
    found = []
    for values in (baseline, window):
        missing = ~np.isfinite(values)
        x = (np.where(missing, centre, values) - centre) / spread
        columns = [x, *_cubic(x, (knots - centre) / spread)]
        if 0.005 < np.mean(~np.isfinite(baseline)) < 0.995:
            columns.append(missing.astype(np.float64))
        found.append(np.column_stack(columns))
    return found[0], found[1]


def _cubic(x: Numbers, knots: Numbers) -> list[Numbers]:
    if len(knots) < 3:
        return []
    last, before = knots[-1], knots[-2]
    scale = (last - knots[0]) ** 2

    def cube(t: float) -> Numbers:
        return np.maximum(x - t, 0) ** 3

    return [
        (cube(k) - cube(before) * (last - k) / (last - before) + cube(last) * (before - k) / (last - before)) / scale
        for k in knots[:-2]
    ]


def _indicators(baseline: pa.Array, window: pa.Array) -> tuple[Numbers, Numbers] | None:
    counts = pc.value_counts(baseline)
    shares = sorted(((c["counts"].as_py(), c["values"].as_py()) for c in counts), key=lambda entry: -entry[0])
    names = [value for count, value in shares if count >= MIN_SHARE * len(baseline)][: MAX_CATEGORIES + 1]
    if len(names) < 2:
        return None
    found = []
    for values in (baseline, window):
        columns = [
            (pc.is_null(values) if name is None else pc.fill_null(pc.equal(values, name), False))
            .to_numpy(zero_copy_only=False).astype(np.float64)
            for name in names[1:]
        ]  # fmt: skip
        found.append(np.column_stack(columns))
    return found[0], found[1]


def _residual(side: Side, basis: Numbers) -> Numbers:
    """Returns the label minus its least-squares fit on the score."""
    design = np.column_stack([np.ones(len(side)), basis])
    root = np.sqrt(side.weight)
    fit, *_ = np.linalg.lstsq(design * root[:, None], side.label * root, rcond=None)
    residual: Numbers = side.label - design @ fit
    return residual


def _relevance(basis: Numbers, residual: Numbers, side: Side) -> float:
    """Returns the p-value of a score test of the residual on the basis, with variances by unit (Liang and Zeger 1986)."""
    from scipy.stats import chi2

    centred = (basis - np.average(basis, axis=0, weights=side.weight)) * (side.weight * residual)[:, None]
    _, index = np.unique(side.unit, return_inverse=True)
    sums = np.column_stack([np.bincount(index, weights=column) for column in centred.T])
    covariance = sums.T @ sums
    total = sums.sum(axis=0)
    statistic = float(total @ np.linalg.pinv(covariance, rcond=1e-8) @ total)
    return float(chi2.sf(statistic, np.linalg.matrix_rank(covariance, tol=1e-8 * max(1e-300, np.trace(covariance)))))


def _linear(side: Side, kept: Sequence[tuple[float, str, tuple[Numbers, Numbers]]]) -> list[Numbers]:
    """Returns the numeric inputs among those kept, missing values as the mean."""
    found = []
    for _, name, _ in kept:
        values = side.inputs[name]
        if isinstance(values, np.ndarray):
            found.append(
                np.where(np.isfinite(values), values, np.nanmean(values) if np.isfinite(values).any() else 0.0)
            )
    return found


def _products(baseline: Numbers, window: Numbers) -> tuple[Numbers, Numbers]:
    """Returns the products of each two of the score and the numeric inputs, on the baseline's scale and clipped to 4 sd."""
    mean, spread = baseline.mean(axis=0), baseline.std(axis=0)
    spread[spread == 0] = 1
    found = []
    for values in (baseline, window):
        scaled = np.clip((values - mean) / spread, -4, 4)
        above, below = np.triu_indices(values.shape[1], 1)
        found.append(scaled[:, above] * scaled[:, below])
    return found[0], found[1]


def _standardized(baseline: Numbers, window: Numbers, weight: Numbers) -> tuple[Numbers, Numbers]:
    mean = np.average(baseline, axis=0, weights=weight)
    spread = np.sqrt(np.average((baseline - mean) ** 2, axis=0, weights=weight))
    used = spread > 1e-9
    return (baseline[:, used] - mean[used]) / spread[used], (window[:, used] - mean[used]) / spread[used]

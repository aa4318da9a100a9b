"""Where quality fell: the mean loss of each value of a column, window against baseline, under one false-alarm promise.

Losses are additive over rows: squared error (Brier score for a probability), or 0 and 1 for a wrong class; for ranking one
minus the request's NDCG, which stands for each of its rows. The largest |z| over all segments of all columns is judged by
a bootstrap over units (`max_test`): at most `level` of all ordinary runs name any segment.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.quality.max_test import max_test
from monitoring.quality.problem import Problem
from monitoring.quality.ranking import rank_requests
from monitoring.quality.result import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from monitoring.quality.design import Side
    from monitoring.quality.problem import Question
    from monitoring.quality.state import QualityState

    Numbers = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

MIN_UNITS = 30
MAX_VALUES = 50
QUARTERS = (0.25, 0.5, 0.75)
FLOOR = 0.05
"""The smallest rise of a loss that counts, relative to the baseline's loss of the segment."""


def row_losses(state: QualityState, question: Question) -> tuple[Numbers, str]:
    """Returns the loss of each row, (n,), and the loss's name; NaN where a request says nothing about the order."""
    if question.problem is Problem.RANKING:
        requests = rank_requests(state, question.k, question.relevant_from)
        _, index = np.unique(state.unit, return_inverse=True)
        lost: Numbers = (1 - requests.ndcg)[index]
        return lost, f"1-NDCG@{question.k}"
    if question.problem is Problem.MULTICLASS or (question.problem is Problem.BINARY and question.probability is None):
        return (state.label != state.predicted).astype(np.float64), "error"
    squared: Numbers = (state.score - state.label) ** 2
    return squared, "Brier" if question.problem is Problem.BINARY else "MSE"


def find_segments(
    baseline: Side,
    window: Side,
    losses: tuple[Numbers, Numbers],
    columns: tuple[str, ...],
    rng: np.random.Generator,
    level: float = 0.05,
) -> tuple[Segment, ...]:
    """Returns each segment of `columns`, those that fell furthest first. `losses` are the row losses of both sides.

    A segment with under 30 units on a side is shown and not judged.
    """  # fmt: skip
    found: list[Segment] = []
    judged: list[tuple[int, Numbers, Numbers]] = []
    for column in columns:
        for value, mask_b, mask_w in _values(column, baseline.inputs, window.inputs):
            b, w = mask_b & np.isfinite(losses[0]), mask_w & np.isfinite(losses[1])
            segment = _describe(column, value, baseline, window, losses, (b, w))
            if not segment.reason:
                judged.append((len(found), *_influences(baseline, window, losses, (b, w))))
            found.append(segment)
    for (place, *_), p_value in zip(judged, _p_values(judged, found, rng), strict=True):
        segment = found[place]
        change, before = segment.change or 0.0, segment.baseline_loss or 0.0
        fell = p_value <= level and change > FLOOR * before
        found[place] = Segment(
            segment.column, segment.value, segment.rows, segment.units, segment.baseline_loss, segment.window_loss,
            segment.change, p_value, fell,
        )  # fmt: skip
    return tuple(sorted(found, key=lambda s: -(s.change if s.change is not None else -np.inf)))


def _values(
    column: str, baseline: Mapping[str, Numbers | pa.Array], window: Mapping[str, Numbers | pa.Array]
) -> Iterator[tuple[str, Mask, Mask]]:
    """Yields (name, rows of the baseline, rows of the window) of each segment; numbers by the baseline's quarters."""
    before, after = baseline[column], window[column]
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        edges = (
            np.unique(np.quantile(before[np.isfinite(before)], QUARTERS)) if np.isfinite(before).any() else np.zeros(0)
        )
        bounds = [-np.inf, *edges.tolist(), np.inf]
        for low, high in pairwise(bounds):
            name = (
                f"> {low:.4g}" if high == np.inf else f"≤ {high:.4g}" if low == -np.inf else f"{low:.4g} to {high:.4g}"
            )
            yield name, (before > low) & (before <= high), (after > low) & (after <= high)
        yield "missing", ~np.isfinite(before), ~np.isfinite(after)
        return
    counts = pc.value_counts(after)
    most = sorted(((c["counts"].as_py(), c["values"].as_py()) for c in counts), key=lambda entry: -entry[0])
    for _, value in most[:MAX_VALUES]:
        masks = (
            (pc.is_null(side) if value is None else pc.fill_null(pc.equal(side, value), False))
            for side in (before, after)
        )
        first, second = (mask.to_numpy(zero_copy_only=False) for mask in masks)
        yield "missing" if value is None else str(value), first, second


def _describe(
    column: str, value: str, baseline: Side, window: Side, losses: tuple[Numbers, Numbers], masks: tuple[Mask, Mask]
) -> Segment:
    means, units = [], []
    for side, loss, mask in zip((baseline, window), losses, masks, strict=True):
        units.append(len(np.unique(side.unit[mask])))
        means.append(float(np.average(loss[mask], weights=side.weight[mask])) if mask.any() else None)
    before, after = means
    change = after - before if before is not None and after is not None else None
    reason = f"{min(units)} units, {MIN_UNITS} are needed" if min(units) < MIN_UNITS else ""
    return Segment(column, value, int(masks[1].sum()), units[1], before, after, change, None, False, reason)


def _influences(
    baseline: Side, window: Side, losses: tuple[Numbers, Numbers], masks: tuple[Mask, Mask]
) -> tuple[Numbers, Numbers]:
    """Returns the influence of each unit of either side on its mean loss."""
    found: list[Numbers] = []
    for side, loss, mask in zip((baseline, window), losses, masks, strict=True):
        weight = np.where(mask, side.weight, 0.0)
        mean = float(np.average(loss[mask], weights=side.weight[mask]))
        _, index = np.unique(side.unit, return_inverse=True)
        centred = weight * (np.where(mask, loss, mean) - mean) / weight.sum()
        found.append(np.bincount(index, weights=centred).astype(np.float64, copy=False))
    return found[0], found[1]


def _p_values(
    judged: list[tuple[int, Numbers, Numbers]], found: list[Segment], rng: np.random.Generator
) -> list[float]:
    if not judged:
        return []
    sides = np.column_stack([b for _, b, _ in judged]), np.column_stack([w for _, _, w in judged])
    changes = np.array([found[place].change or 0.0 for place, *_ in judged])
    return [float(p) for p in max_test(sides, changes, rng)[0]]

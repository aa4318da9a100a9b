"""A metric's change in two parts: what the moved inputs explain, and what a change of P(y|x) does.

The middle is the baseline's metric with its rows weighted to the window's inputs (`concept.judge_concept`): the quality that
the model would have if only the inputs had moved. All three are taken on the rows whose inputs both sides have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.bootstrap import measure
from monitoring.quality.measurement import metric_sums, primary_metrics
from monitoring.quality.problem import Problem
from monitoring.quality.result import Split

if TYPE_CHECKING:
    from monitoring.quality.concept import ConceptTest
    from monitoring.quality.metric import Metric
    from monitoring.quality.problem import Question
    from monitoring.quality.state import QualityState

DRAWS = 500
_ALSO = {Problem.BINARY: ("observed_rate", "brier_score"), Problem.REGRESSION: ("mae",)}


def split_changes(
    baseline: QualityState, window: QualityState, test: ConceptTest, question: Question, rng: np.random.Generator
) -> tuple[Split, ...]:
    """Returns the split of each primary metric; nothing where the test was declined.

    Both states hold the rows that the test saw, in their order.
    """
    if test.weights is None or test.overlap is None:
        return ()
    kept = baseline.take(test.overlap.baseline)
    weights = test.weights * len(kept)
    used = weights > 1e-9
    reweighted = replace(kept.take(used), weight=weights[used])
    sides = [_metrics(state, question, rng) for state in (kept, reweighted, window.take(test.overlap.window))]
    wanted = (*primary_metrics(question), *_ALSO.get(question.problem, ()))
    found = [_split(*(side.get(name) for side in sides)) for name in wanted]
    return tuple(split for split in found if split is not None)


def _metrics(state: QualityState, question: Question, rng: np.random.Generator) -> dict[str, Metric]:
    wanted = {*primary_metrics(question), *_ALSO.get(question.problem, ())}
    sums = [metric for metric in metric_sums(state, question)[0] if metric.name in wanted]
    return {metric.name: metric for metric in measure(sums, rng, DRAWS)}


def _split(before: Metric | None, middle: Metric | None, after: Metric | None) -> Split | None:
    if before is None or middle is None or after is None:
        return None
    if before.value is None or middle.value is None or after.value is None:
        return None
    inputs, concept = middle.value - before.value, after.value - middle.value
    return Split(
        before.name, before.value, middle.value, after.value, inputs, concept,
        *_ends(inputs, middle, before), *_ends(concept, after, middle),
    )  # fmt: skip


def _ends(change: float, later: Metric, earlier: Metric) -> tuple[float | None, float | None]:
    """Returns the ends of the interval of a difference by the MOVER method (Zou and Donner 2008); None without intervals.

    The reweighted and the plain baseline share their rows, so the interval of the inputs' part is wider than it must be.
    """
    if later.low is None or later.high is None or earlier.low is None or earlier.high is None:
        return None, None
    assert later.value is not None  # noqa: S101
    assert earlier.value is not None  # noqa: S101
    below = ((later.value - later.low) ** 2 + (earlier.high - earlier.value) ** 2) ** 0.5
    above = ((later.high - later.value) ** 2 + (earlier.value - earlier.low) ** 2) ** 0.5
    return change - below, change + above

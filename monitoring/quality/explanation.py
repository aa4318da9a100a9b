"""Why quality is as it is: the concept test, the split of each change, the segments; one of four cases and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from monitoring.quality.concept import ConceptTest, judge_concept
from monitoring.quality.design import Side, side_of
from monitoring.quality.problem import Problem, Unit
from monitoring.quality.result import Case, Concept, ScoreGroup, Segment, Split
from monitoring.quality.segments import find_segments, row_losses
from monitoring.quality.split import split_changes
from monitoring.quality.state import state_of_batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pyarrow as pa

    from monitoring.quality.baseline import QualityBaseline
    from monitoring.quality.problem import Question
    from monitoring.quality.state import QualityState

    Numbers = npt.NDArray[np.float64]

ADVICE = {
    Case.NOTHING: "Nothing to do.",
    Case.INPUTS: (
        "The model sees other inputs than in training, and labels follow from inputs as before. A fall of quality comes "
        "from harder inputs: retrain with recent rows if such inputs stay, no labels need checking."
    ),
    Case.CONCEPT: (
        "Equal inputs have other labels than in training. Check the labels and the meaning of the features first; if both "
        "are right, retrain on recent labelled rows only, because older rows teach the old relation."
    ),
    Case.BOTH: (
        "Inputs moved and equal inputs have other labels. Check for a changed feature pipeline first: it shows as both. "
        "Otherwise retrain on recent labelled rows, and compare the new model on this window before it serves."
    ),
}


def explain_quality(
    baseline: QualityBaseline,
    rows: pa.Table,
    question: Question,
    kinds: Mapping[str, bool],
    by: tuple[str, ...],
    rng: np.random.Generator,
    level: float = 0.05,
) -> tuple[Concept, tuple[Segment, ...], str]:
    """Returns the concept verdict, the segments of `by`, and the name of their loss.

    `rows` are joined rows of the window with inputs; the baseline must have rows. For class names the label of the test is
    whether the prediction was right.
    """
    assert baseline.rows is not None  # noqa: S101
    known = dict(baseline.inputs or {})
    before, state_b = _usable(baseline.rows, question)
    after, state_w = _usable(rows, question)
    side_b = _side(before, state_b, question, _baseline_unit(question, state_b), known)
    side_w = _side(after, state_w, question, question.unit, known)
    binary = question.problem in (Problem.BINARY, Problem.MULTICLASS)
    test = judge_concept(side_b, side_w, rng, binary=binary, probability=question.probability is not None, level=level)
    concept = _concept(test, side_w.label, split_changes(state_b, state_w, test, question, rng), level)
    if test.p_value is None and test.overlap is not None and question.probability is not None:
        same_scores = (replace(side_b, inputs={}), replace(side_w, inputs={}))
        at_scores = judge_concept(*same_scores, rng, binary=binary, probability=True, level=level)
        concept = msgspec.structs.replace(
            concept, score_splits=split_changes(state_b, state_w, at_scores, question, rng)
        )
    columns = tuple(name for name in by if name in known)
    (loss_b, name), (loss_w, _) = row_losses(state_b, question), row_losses(state_w, question)
    segments = find_segments(side_b, side_w, (loss_b, loss_w), columns, rng, level) if columns else ()
    return concept, segments, name if columns else ""


def _usable(rows: pa.Table, question: Question) -> tuple[pa.Table, QualityState]:
    """Returns the rows with a prediction, and their state in the same order."""
    kept = rows.filter(rows["predicted"].is_valid())
    return kept, state_of_batch(kept.combine_chunks().to_batches()[0], question.text_labels)


def _side(rows: pa.Table, state: QualityState, question: Question, unit: Unit, kinds: Mapping[str, bool]) -> Side:
    label, score = _label_and_score(state, question)
    return side_of(rows, state.unit_ids(unit), label, score, state.weight, kinds)


def _label_and_score(state: QualityState, question: Question) -> tuple[Numbers, Numbers]:
    if question.problem is Problem.MULTICLASS:
        return (state.label == state.predicted).astype(np.float64), np.zeros(len(state))
    if question.problem is Problem.BINARY and question.probability is None:
        return state.label, state.predicted
    return state.label, state.score


def _baseline_unit(question: Question, state: QualityState) -> Unit:
    """Returns the unit of the baseline: training data without event times has requests only."""
    return question.unit if len(np.unique(state.time)) > 1 else Unit.REQUEST


def _concept(test: ConceptTest, label: Numbers, splits: tuple[Split, ...], level: float) -> Concept:
    overlap = test.overlap.share if test.overlap is not None else None
    if test.p_value is None:
        return Concept(
            Case.NOT_JUDGED, None, test.reason, inputs_moved=test.inputs_moved, inputs_p_value=test.inputs_p_value,
            overlap=overlap, level=level, inputs=test.inputs,
        )  # fmt: skip
    if test.changed:
        case = Case.BOTH if test.inputs_moved else Case.CONCEPT
    else:
        case = Case.INPUTS if test.inputs_moved else Case.NOTHING
    change, error = test.change or 0.0, test.error or 0.0
    return Concept(
        case=case, p_value=test.p_value, change=change, change_low=change - 1.96 * error, change_high=change + 1.96 * error,
        inputs_moved=test.inputs_moved, inputs_p_value=test.inputs_p_value, overlap=overlap, level=level,
        advice=ADVICE[case], inputs=test.inputs, groups=_groups(test, label), splits=splits,
    )  # fmt: skip


def _groups(test: ConceptTest, label: Numbers) -> tuple[ScoreGroup, ...]:
    """Returns the window's groups of expected labels, with what was expected and observed."""
    if test.group is None or test.expected_w is None or test.overlap is None:
        return ()
    compared, z = label[test.overlap.window], {name: score for name, _, score in test.contrasts}
    found = []
    for number in range(len(test.edges) + 1):
        mask = test.group == number
        if mask.any():
            expected = test.expected_w[mask]
            found.append(
                ScoreGroup(
                    float(expected.min()), float(expected.max()), int(mask.sum()), float(expected.mean()),
                    float(compared[mask].mean()), z.get(f"group {number + 1}", 0.0),
                )
            )  # fmt: skip
    return tuple(found)

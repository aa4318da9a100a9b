"""What a run of model quality asks of people: causes with their urgency, a verdict and a lead.

Only a final window gives causes of quality. A large fall of a primary metric pages; smaller falls, a changed concept, fallen
segments and missing labels are messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.quality.maturity import LabelStage
from monitoring.quality.measurement import primary_metrics
from monitoring.quality.result import Case
from monitoring.result import Cause, CauseKind, Grade, Urgency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.quality.maturity import Maturity
    from monitoring.quality.problem import Question
    from monitoring.quality.result import Concept, MetricComparison, Segment

_ORDER = (Grade.NONE, Grade.SMALL, Grade.MEDIUM, Grade.LARGE)
_WORDS = {
    "auc": "AUC",
    "rmse": "RMSE",
    "mae": "MAE",
    "mse": "MSE",
    "map": "MAP",
    "mrr": "MRR",
    "ndcg": "NDCG",
    "ece": "ECE",
    "r2": "R²",
    "f0_5": "F0.5",
    "f1": "F1",
    "f2": "F2",
    "au_prc": "area under precision-recall",
    "accuracy_best_constant_classifier": "accuracy of the best constant",
}


def find_causes(
    question: Question,
    maturity: Maturity,
    comparisons: Sequence[MetricComparison],
    concept: Concept | None,
    segments: Sequence[Segment],
    column: str,
    query: str = "",
) -> tuple[Cause, ...]:
    """Returns the causes of a run, the gravest first. `column` is the column of the predictions."""
    if maturity.labels_missing:
        return (_missing_labels(maturity, column),)
    if maturity.stage is not LabelStage.FINAL:
        return ()
    primary = primary_metrics(question)
    found = [_fallen(entry, concept, column, query) for entry in comparisons if entry.worse and entry.metric in primary]
    if concept is not None and concept.case in (Case.CONCEPT, Case.BOTH) and not found:
        found.append(_changed(concept, column, query))
    found += [_segment(entry, column, query) for entry in segments if entry.fell]
    return tuple(sorted(found, key=lambda cause: -_ORDER.index(cause.grade)))


def metric_word(name: str) -> str:
    """Returns a metric's name as a person writes it."""
    if name in _WORDS:
        return _WORDS[name]
    if name.startswith("ndcg_at_"):
        return f"NDCG@{name.removeprefix('ndcg_at_')}"
    return name.replace("_", " ")


def _fallen(entry: MetricComparison, concept: Concept | None, column: str, query: str) -> Cause:
    large = entry.grade is Grade.LARGE
    if entry.metric == "calibration_gap":
        side = "high" if entry.window > 0 else "low"
        title = f"The predicted probability is too {side} by {abs(entry.window):.1%}"
        sentence = (
            f"The mean probability lies {abs(entry.window):.1%} {'above' if entry.window > 0 else 'below'} the observed rate; "
            f"in training the difference was {entry.baseline:+.1%}."
        )
        tonight = "If a consumer uses the probability as such, switch it to the order of the scores. Otherwise wait until morning."
    else:
        verb = "rose" if entry.change > 0 else "fell"
        title = f"{metric_word(entry.metric)} {verb} from {entry.baseline:.3g} to {entry.window:.3g}"
        sentence = (
            f"{metric_word(entry.metric)} is {entry.window:.4g}, in training {entry.baseline:.4g}; "
            f"the change is {entry.change:+.3g} (95 % interval {entry.low:+.3g} to {entry.high:+.3g})."
        )
        tonight = (
            "Check that labels and features are right; if they are, switch to the fallback or the previous version."
        )
    split = _split_sentence(entry.metric, concept)
    return Cause(
        key=f"{CauseKind.QUALITY}:{entry.metric}",
        kind=CauseKind.QUALITY,
        grade=entry.grade,
        urgency=Urgency.PAGE if large else Urgency.MESSAGE,
        title=title,
        sentence=f"{sentence} {split}".strip(),
        columns=(column,),
        query=query,
        tonight=tonight if large else "",
        tomorrow=concept.advice
        if concept is not None and concept.advice
        else "Compare segments; retrain if the fall lasts.",
    )


def _split_sentence(metric: str, concept: Concept | None) -> str:
    split = next((entry for entry in concept.splits if entry.metric == metric), None) if concept is not None else None
    if split is None:
        return ""
    return f"Moved inputs explain {split.inputs:+.3g}, a change of P(y|x) {split.concept:+.3g}."


def _changed(concept: Concept, column: str, query: str) -> Cause:
    change = concept.change or 0.0
    grade = Grade.LARGE if abs(change) >= 0.1 else Grade.MEDIUM if abs(change) >= 0.05 else Grade.SMALL
    return Cause(
        key=f"{CauseKind.CONCEPT}:{column}",
        kind=CauseKind.CONCEPT,
        grade=grade,
        urgency=Urgency.MESSAGE,
        title="Labels differ from what training gives for the same inputs",
        sentence=f"For equal inputs the mean label changed by {change:+.3g} (p = {concept.p_value:.2g}).",
        columns=(column,),
        query=query,
        tomorrow=concept.advice,
    )


def _segment(entry: Segment, column: str, query: str) -> Cause:
    change = entry.change or 0.0
    relative = change / entry.baseline_loss if entry.baseline_loss else 1.0
    grade = Grade.LARGE if relative >= 0.5 else Grade.MEDIUM if relative >= 0.25 else Grade.SMALL
    return Cause(
        key=f"{CauseKind.QUALITY}:{entry.column}={entry.value}",
        kind=CauseKind.QUALITY,
        grade=grade,
        urgency=Urgency.MESSAGE,
        title=f"Quality fell where {entry.column} is {entry.value}",
        sentence=(
            f"The loss there is {entry.window_loss:.4g}, in training {entry.baseline_loss:.4g} "
            f"({entry.rows:,} rows, p = {entry.p_value:.2g} over all segments)."
        ),
        columns=(column, entry.column),
        slice=f"{entry.column} = {entry.value}",
        query=query,
        tomorrow="Look at this segment's inputs and labels; add its recent rows to the training set.",
    )


def _missing_labels(maturity: Maturity, column: str) -> Cause:
    return Cause(
        key=f"{CauseKind.INCOMPLETE}:labels",
        kind=CauseKind.INCOMPLETE,
        grade=Grade.MEDIUM,
        urgency=Urgency.MESSAGE,
        title="Ground truth is missing",
        sentence=(
            f"{maturity.coverage:.1%} of {maturity.rows:,} rows have a label {maturity.age_hours:.0f} h after the window; "
            f"labels are due after {maturity.mature_after_hours:g} h."
        ),
        columns=(column,),
        tomorrow="Check the job that uploads ground truth, and that its ids are the inference ids or event ids.",
    )


def verdict_of(
    maturity: Maturity, causes: Sequence[Cause], comparisons: Sequence[MetricComparison], concept: Concept | None
) -> tuple[str, str]:
    """Returns a verdict of at most 14 words and a lead of one or two sentences."""
    if maturity.stage is LabelStage.OPEN:
        return "Open: no verdict yet.", f"{maturity.reason[:1].upper()}{maturity.reason[1:]}."
    if maturity.stage is LabelStage.PROVISIONAL:
        return "Provisional: numbers only, no verdict.", f"{maturity.reason[:1].upper()}{maturity.reason[1:]}."
    if not comparisons:
        return "Final: no baseline to compare with.", "Give --baseline to have the quality judged."
    lead = _case_sentence(concept)
    quality = [cause for cause in causes if cause.kind in (CauseKind.QUALITY, CauseKind.CONCEPT)]
    if not quality:
        return "Quality is as in training.", lead
    more = len(quality) - 1
    return f"{quality[0].title}{f', and {more} more' if more else ''}.", lead


def _case_sentence(concept: Concept | None) -> str:
    if concept is None:
        return ""
    if concept.case is Case.NOT_JUDGED:
        return f"Whether P(y|x) changed was not judged: {concept.reason}."
    return f"{concept.case[:1].upper()}{concept.case[1:]}. {concept.advice}"

"""Model quality on the page: the fourth question, the metrics, what a change is made of."""

from typing import Any

import pytest

from monitoring.findings import conclude, with_causes
from monitoring.quality.maturity import LabelStage, Maturity
from monitoring.quality.metric import Metric
from monitoring.quality.result import Case, Concept, MetricComparison, QualityResult, Segment, Split
from monitoring.report.page import render
from monitoring.report.quality_section import answer_quality, render_quality
from monitoring.result import Cause, CauseKind, Grade, Outcome, Subject, Urgency
from tests.monitoring.findings.samples import END, START, column, draft
from tests.monitoring.report.test_page import HOSTILE, outline

WORSE = Cause(
    "quality:calibration", CauseKind.QUALITY, Grade.LARGE, Urgency.PAGE, "The risk is too low", "By 8 points."
)
FALLEN = Cause("quality:mae", CauseKind.QUALITY, Grade.LARGE, Urgency.PAGE, "MAE rose from 3 to 5", "By 2.")


def quality(stage: LabelStage = LabelStage.FINAL, causes: tuple[Cause, ...] = (WORSE,), **more: Any) -> QualityResult:
    fields: dict[str, Any] = {
        "metrics": (
            Metric("auc", 0.708, "higher", 0.698, 0.718),
            Metric("precision", None, reason="no positive prediction"),
        ),
        "comparisons": (MetricComparison("auc", 0.701, 0.708, 0.007, -0.01, 0.02, worse=False, grade=Grade.NONE),),
        "concept": Concept(
            Case.BOTH, 0.001, advice="Retrain.", splits=(Split("auc", 0.701, 0.69, 0.708, -0.011, 0.018),)
        ),
        "segments": (Segment("origin", "LGA", 900, 80, 0.2, 0.5, 0.3, 0.01, fell=True),),
        "set_aside": {"unknown event": 3},
    }
    return QualityResult(
        Subject("flights", "AllTraffic", "flights-delay", "3", "flights"), START, END, END, "binary", "request", Outcome.VIOLATIONS,
        "The risk is too low.", "Predicted 24.1 %, observed 32.2 %. More.", Maturity(stage, 0.962, 29425, 28293, 50.0, 24.0, 0.5),
        29425, 28293, 1600, causes=causes, **(fields | more),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "grade", "word"),
    [
        (quality(), Grade.LARGE, "No"),
        (quality(causes=()), Grade.NONE, "Yes"),
        (quality(LabelStage.PROVISIONAL), None, "Provisional"),
        (quality(LabelStage.OPEN), None, "Not known yet"),
    ],
)
def test_the_fourth_question_is_answered(found: QualityResult, grade: Grade | None, word: str) -> None:
    answer = answer_quality(found)
    assert (answer.grade, answer.word) == (grade, word)


def test_the_report_has_a_section_with_metrics_split_and_segments() -> None:
    found = outline(render(conclude(draft((column("a"),))), quality=quality()))
    assert "s-quality" in found.ids
    assert "#s-quality" in found.links
    for text in (
        "28,293 of 29,425 rows have a label (96.2 %)",
        "0.708",
        "0.698–0.718",
        "no positive prediction",
        "LGA",
    ):
        assert text in found.text
    assert "unknown event 3" in found.text
    assert "What to do. Retrain." in found.text


def test_a_report_without_ground_truth_has_no_section() -> None:
    assert "s-quality" not in outline(render(conclude(draft((column("a"),))))).ids


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_segments_and_reasons_are_escaped(name: str) -> None:
    segments = (Segment(name, name, 9, 9, None, 0.5, None, 0.01, fell=True),)
    metrics = (Metric(name, None, reason=name), Metric("auc", 0.7, interval_reason=name))
    html = render_quality(quality(segments=segments, metrics=metrics, set_aside={name: 1}))
    assert outline(html).tags == outline(render_quality(quality())).tags


def test_a_fall_of_quality_stands_among_the_causes_and_in_the_verdict() -> None:
    found = outline(render(conclude(draft((column("a", Grade.LARGE),))), quality=quality()))
    assert found.text.index("The risk is too low") < found.text.index("Endpoint")
    assert "Quality fell" in found.text
    assert "MAE rose" in outline(render(conclude(draft((column("a"),))), quality=quality(causes=(FALLEN,)))).text


def test_two_causes_are_joined_without_a_change_to_an_abbreviation() -> None:
    result = with_causes(conclude(draft((column("a", Grade.LARGE),))), (WORSE, FALLEN))
    assert result.verdict.startswith("The risk is too low, and MAE rose")

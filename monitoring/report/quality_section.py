"""Model quality by ground truth, as a section of the report and as the answer to its fourth question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from monitoring.findings import wording
from monitoring.findings.answers import Answer
from monitoring.findings.severity import GRADES, gravest
from monitoring.findings.verdict import first_sentence
from monitoring.findings.visible import visible, visible_name, visible_value
from monitoring.quality.causes import metric_word
from monitoring.quality.maturity import LabelStage
from monitoring.quality.metric import Metric
from monitoring.quality.result import MetricComparison, QualityResult, Split
from monitoring.report.markup import sentence
from monitoring.report.page import environment
from monitoring.result import Grade

QUESTION = "Is the model still right?"
SEGMENTS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric. Places of the picture are per cent of its width; `spans` are (class, left, width), `dots` (class, left)."""

    name: str
    baseline: str
    window: str
    interval: str
    mark: str
    word: str
    spans: tuple[tuple[str, float, float], ...]
    dots: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class SplitBar:
    """One bar of the split of a change: left end and width in per cent."""

    label: str
    kind: str
    left: float
    width: float
    text: str


def answer_quality(quality: QualityResult) -> Answer:
    """Returns the answer to "Is the model still right?"."""
    stage = quality.maturity.stage
    if stage is LabelStage.OPEN:
        return Answer(QUESTION, None, "Not known yet", quality.maturity.reason or first_sentence(quality.lead))
    if stage is LabelStage.PROVISIONAL:
        return Answer(QUESTION, None, "Provisional", first_sentence(quality.lead))
    grade = gravest([cause.grade for cause in quality.causes])
    return Answer(QUESTION, grade, "No" if grade is not Grade.NONE else "Yes", first_sentence(quality.lead))


def render_quality(quality: QualityResult) -> Markup:
    """Returns the section as HTML."""
    split = quality.concept.splits[0] if quality.concept is not None and quality.concept.splits else None
    html = (
        environment()
        .get_template("quality.html")
        .render(
            quality=quality,
            stage=str(quality.maturity.stage),
            coverage=wording.percent(quality.maturity.coverage),
            metrics=_metrics(quality),
            split_of=metric_word(split.metric) if split is not None else "",
            steps=_steps(split) if split is not None else (),
            advice=quality.concept.advice if quality.concept is not None else "",
            case=wording.capitalised(str(quality.concept.case)) if quality.concept is not None else "",
            causes=[(f"g{GRADES.index(cause.grade)}", cause) for cause in quality.causes],
            segments=[
                (visible_name(s.column), visible_value(s.value), s.rows, _plain(s.baseline_loss), _plain(s.window_loss))
                for s in [segment for segment in quality.segments if segment.fell][:SEGMENTS_SHOWN]
            ],
            set_aside=", ".join(f"{visible(reason)} {wording.count(n)}" for reason, n in quality.set_aside.items()),
            say=sentence,
        )
    )
    return Markup(html)  # noqa: S704  # written by a template that escapes


def _metrics(quality: QualityResult) -> list[MetricRow]:
    by_name = {comparison.metric: comparison for comparison in quality.comparisons}
    shown = [metric for metric in quality.metrics if not metric.name.endswith("_best_constant_classifier")]
    return [_metric(metric, by_name.get(metric.name)) for metric in shown]


def _metric(metric: Metric, comparison: MetricComparison | None) -> MetricRow:
    known = metric.low is not None and metric.high is not None
    interval = (
        f"{_plain(metric.low)}–{_plain(metric.high)}" if known else visible(metric.interval_reason.partition(":")[0])
    )
    mark, word = "", ""
    if comparison is not None:
        mark, word = ("g0", "Unchanged")
        if comparison.grade is not Grade.NONE:
            mark = f"g{GRADES.index(comparison.grade)}"
            word = "Worse" if comparison.worse else "Changed"
    spans, dots = _picture(metric, comparison)
    return MetricRow(
        visible(metric_word(metric.name)),
        _plain(comparison.baseline) if comparison is not None else "",
        _plain(metric.value) if metric.value is not None else visible(metric.reason),
        interval,
        mark,
        word,
        spans,
        dots,
    )


def _picture(
    metric: Metric, comparison: MetricComparison | None
) -> tuple[tuple[tuple[str, float, float], ...], tuple[tuple[str, float], ...]]:
    """Returns the window's interval and both values on an axis that holds them all with a margin."""
    if comparison is None or metric.value is None:
        return (), ()
    values = [comparison.baseline, metric.value]
    values += [end for end in (metric.low, metric.high) if end is not None]
    low, high = min(values), max(values)
    margin = (high - low) * 0.15 or max(abs(high), 1e-9) * 0.1
    low, width = low - margin, high - low + 2 * margin

    def place(value: float) -> float:
        return round(100 * (value - low) / width, 1)

    spans: tuple[tuple[str, float, float], ...] = ()
    if metric.low is not None and metric.high is not None:
        spans = (("now", place(metric.low), round(place(metric.high) - place(metric.low), 1)),)
    return spans, (("was", place(comparison.baseline)), ("now", place(metric.value)))


def _steps(split: Split) -> Sequence[SplitBar]:
    """Returns the bars of a split: baseline, what the inputs explain, the rest, window."""
    largest = max(abs(value) for value in (split.baseline, split.reweighted, split.window)) or 1.0

    def bar(label: str, kind: str, start: float, end: float, text: str) -> SplitBar:
        left, right = sorted((start / largest, end / largest))
        left = max(0.0, left)
        return SplitBar(label, kind, round(90 * left, 1), round(max(0.3, 90 * (right - left)), 1), text)

    return (
        bar("Baseline", "was", 0, split.baseline, _plain(split.baseline)),
        bar("Inputs moved", "inputs", split.baseline, split.reweighted, _signed(split.inputs)),
        bar("Not explained", "concept", split.reweighted, split.window, _signed(split.concept)),
        bar("Window", "now", 0, split.window, _plain(split.window)),
    )


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '−'}{abs(value):.3g}"

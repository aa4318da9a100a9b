"""A result of model quality as text for the terminal, 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.quality.causes import metric_word
from monitoring.quality.maturity import LabelStage
from monitoring.quality.result import Case
from monitoring.result import Grade
from monitoring.window import Window

if TYPE_CHECKING:
    from monitoring.quality.maturity import Maturity
    from monitoring.quality.metric import Metric
    from monitoring.quality.result import Concept, QualityResult

_MARKS = {Grade.LARGE: "▂▅█", Grade.MEDIUM: "▂▅ ", Grade.SMALL: "▂  ", Grade.NONE: "   "}
_WIDTH = 80
_SHOWN_SEGMENTS = 8


def render_text(result: QualityResult) -> str:
    """Returns the result as lines of text: verdict, maturity, metrics, concept, segments, what was set aside."""
    subject = result.subject
    name = " / ".join(part for part in (subject.endpoint, subject.variant) if part) or result.source
    model = " ".join(part for part in (subject.model_name, subject.model_version or "") if part)
    lines = [
        f"{name}   {model}   {Window(result.start, result.end)}".replace("      ", "   "),
        f"{result.maturity.stage}   {result.labelled:,} of {result.rows:,} rows labelled ({result.maturity.coverage:.1%})   "
        f"{result.units:,} {result.unit}s",
        "",
        f"{_worst(result)} {_printable(result.verdict)}",
        *_wrapped(result.lead, "    "),
    ]
    if result.metrics:
        lines += ["", *_metrics(result)]
    if result.concept is not None:
        lines += ["", *_concept(result.concept)]
    if result.segments:
        lines += ["", *_segments(result)]
    if result.violations:
        lines += ["", "Violated constraints"]
        lines += [f"  {violation.description}" for violation in result.violations]
    lines += _labels(result)
    lines += [line for note in result.notes for line in _wrapped(note, "  ")]
    return "\n".join(line.rstrip() for line in lines)


def _worst(result: QualityResult) -> str:
    if result.maturity.stage is not LabelStage.FINAL:
        return " ? "
    order = (Grade.NONE, Grade.SMALL, Grade.MEDIUM, Grade.LARGE)
    grade = max((cause.grade for cause in result.causes), key=order.index, default=Grade.NONE)
    return _MARKS[grade] if grade is not Grade.NONE else " ✓ "


def _metrics(result: QualityResult) -> list[str]:
    changes = {entry.metric: entry for entry in result.comparisons}
    lines = [f"    {'Metric':<30} {'Value':>9}  {'95 % interval':<18} {'Training':>9}"]
    for metric in result.metrics:
        if metric.name.endswith("_best_constant_classifier") and metric.name.partition("_")[0] != "accuracy":
            continue
        change = changes.get(metric.name)
        mark = _MARKS[change.grade] if change is not None else "   "
        before = f"{change.baseline:9.4g}" if change is not None else ""
        value = "–" if metric.value is None else f"{metric.value:.4g}"
        lines.append(f"{mark} {metric_word(metric.name):<30} {value:>9}  {_interval(metric):<18} {before:>9}")
    return lines


def _interval(metric: Metric) -> str:
    if metric.value is None:
        return metric.reason
    if metric.low is None or metric.high is None:
        return metric.interval_reason.partition(":")[0]
    return f"{metric.low:.4g} to {metric.high:.4g}"


def _concept(concept: Concept) -> list[str]:
    lines = [f"Why    {concept.case}"]
    if concept.case is Case.NOT_JUDGED:
        return [
            *lines,
            *_wrapped(concept.reason, "       "),
            *(f"       {line}" for line in score_split_lines(concept)),
        ]
    p = "–" if concept.p_value is None else f"{concept.p_value:.2g}"
    lines.append(f"       P(y|x): mean label {concept.change or 0.0:+.4f} for equal inputs, p = {p}")
    if concept.overlap is not None and concept.overlap < 0.995:
        lines.append(f"       judged on {concept.overlap:.1%} of the rows; training has no inputs like the others'")
    lines += [
        f"       {metric_word(split.metric)}: {split.baseline:.4g} → {split.window:.4g}: "
        f"inputs {split.inputs:+.3g}, P(y|x) {split.concept:+.3g}"
        for split in concept.splits
    ]
    return [*lines, *_wrapped(concept.advice, "       ")]


def score_split_lines(concept: Concept) -> list[str]:
    """Returns a line for each metric whose change was split at equal scores, because inputs do not overlap; else none."""
    lines = [
        f"{metric_word(split.metric)}: {split.baseline:.4g} → {split.window:.4g}: "
        f"other scores {split.inputs:+.3g}, at equal scores {split.concept:+.3g}"
        for split in concept.score_splits
    ]
    return ["split at equal scores, no verdict:", *lines] if lines else []


def _segments(result: QualityResult) -> list[str]:
    shown = sorted(result.segments, key=lambda s: (not s.fell, s.p_value if s.p_value is not None else 2.0))
    lines = [f"    {'Segment':<36} {'Rows':>8} {result.loss:>9} {'Training':>9} {'p':>8}"]
    for segment in shown[:_SHOWN_SEGMENTS]:
        name = _printable(f"{segment.column} = {segment.value}")
        mark = "▂▅ " if segment.fell else "   "
        numbers = (segment.window_loss, segment.baseline_loss)
        losses = " ".join(f"{'–' if value is None else f'{value:.4g}':>9}" for value in numbers)
        p = "–" if segment.p_value is None else f"{segment.p_value:.2g}"
        lines.append(f"{mark} {name[:36]:<36} {segment.rows:>8,} {losses} {p:>8}")
    if len(shown) > _SHOWN_SEGMENTS:
        lines.append(f"    and {len(shown) - _SHOWN_SEGMENTS} more segments in quality.json")
    return lines


def _labels(result: QualityResult) -> list[str]:
    lines = ["", f"Labels {result.labels:,} read, {result.corrected:,} rows corrected, {result.copies:,} equal copies"]
    for reason, count in sorted(result.set_aside.items(), key=lambda entry: -entry[1]):
        lines.append(f"       {count:,} set aside: {reason}")
        lines += [f"         {_printable(example)[: _WIDTH - 9]}" for example in result.examples.get(reason, ())[:1]]
    if result.absent_classes:
        lines += _wrapped(f"no label of {', '.join(result.absent_classes)}", "       ")
    lines.append(_maturity(result.maturity))
    return lines


def _maturity(maturity: Maturity) -> str:
    points = [point for point in maturity.curve if point.coverage > 0]
    shown = [f"{point.hours:g} h {point.coverage:.0%}" for point in points[:5]]
    return f"       labelled after {', '.join(shown)}" if shown else "       no label yet"


def _wrapped(text: str, indent: str) -> list[str]:
    import textwrap

    return textwrap.wrap(_printable(text), _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _printable(text: str) -> str:
    """Returns text without control characters and bidirectional marks, which could rewrite the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)

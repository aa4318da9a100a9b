"""A result to samples of the table. Only finite values become samples: CloudWatch refuses a whole request for one NaN."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from monitoring.publish.table import MetricLevel, MetricSpec, metric
from monitoring.quality.maturity import LabelStage
from monitoring.quality.result import QualityResult
from monitoring.result import ColumnResult, Outcome, RunResult, Status, Subject, Urgency
from monitoring.window import is_timeless


@dataclass(frozen=True, slots=True)
class Distribution:
    """Count, sum, minimum and maximum of values."""

    count: float
    total: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric. `name` is the feature, the feature group or the quality metric, empty for a run's own."""

    spec: MetricSpec
    value: float
    name: str = ""
    distribution: Distribution | None = None


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """The samples of one run: what it is about, when it ended, and the end of its window.

    Rows without times have no window: `window_end` is then the time of the run.
    """

    subject: Subject
    created: dt.datetime
    window_end: dt.datetime
    samples: tuple[Sample, ...]


def of_run(result: RunResult, features: tuple[str, ...] = ("*",)) -> SampleBatch:
    """Returns the samples of a run over captured data. `features` are globs of the columns to publish."""
    samples = [*_run(result), *_stores(result)]
    for column in result.columns:
        if any(fnmatchcase(column.name, pattern) for pattern in features):
            samples += _column(column)
    timeless = is_timeless(result.start, result.end)
    return SampleBatch(result.subject, result.created, result.created if timeless else result.end, _finite(samples))


def of_quality(result: QualityResult) -> SampleBatch:
    """Returns the samples of a run of model quality: its metrics where the window is final, and its heartbeat."""
    samples = [
        Sample(metric("heartbeat"), 1.0),
        Sample(metric("last_run"), result.created.timestamp()),
        Sample(metric("window_end"), result.end.timestamp()),
        Sample(metric("judged"), float(result.maturity.stage is LabelStage.FINAL)),
    ]
    if result.maturity.stage is LabelStage.FINAL:
        spec = metric("quality")
        samples += [Sample(spec, entry.value, entry.name) for entry in result.metrics if entry.value is not None]
    return SampleBatch(result.subject, result.created, result.end, _finite(samples))


def _run(result: RunResult) -> Iterator[Sample]:
    counts = {
        "heartbeat": 1,
        "last_run": result.created.timestamp(),
        "judged": result.outcome is not Outcome.NOT_JUDGED,
        "violations": len(result.violations),
        "causes": len(result.causes),
        "urgent_causes": sum(cause.urgency is Urgency.PAGE for cause in result.causes),
        "drifted": sum(column.status is Status.DRIFT for column in result.columns),
        "not_judged": sum(column.status is Status.NOT_JUDGED for column in result.columns),
        "events": result.events,
        "rows": result.rows,
    }
    for key, value in counts.items():
        yield Sample(metric(key), float(value))
    if not is_timeless(result.start, result.end):
        yield Sample(metric("window_end"), result.end.timestamp())
    completeness = result.completeness
    if completeness.expected:
        yield Sample(metric("complete"), completeness.found / completeness.expected)


def _stores(result: RunResult) -> Iterator[Sample]:
    for store in result.stores:
        if store.age_median is not None:
            yield Sample(metric("store_age"), store.age_median, store.group)
        if store.events:
            yield Sample(metric("store_missing"), store.events_with_missing / store.events, store.group)


def _column(column: ColumnResult) -> Iterator[Sample]:
    if column.linf is not None:
        yield Sample(metric("drift"), column.linf, column.name)
    seen = column.window
    if seen is None:
        return
    present = seen.rows - seen.missing
    yield Sample(metric("non_null"), float(present), column.name)
    yield Sample(metric("null"), float(seen.missing), column.name)
    yield Sample(metric("completeness"), seen.completeness, column.name)
    if seen.distinct is not None:
        yield Sample(metric("unique"), float(seen.distinct), column.name)
    finite = present - sum(seen.infinities)
    if seen.mean is not None and seen.minimum is not None and seen.maximum is not None and finite > 0:
        spread = Distribution(float(finite), seen.mean * finite, seen.minimum, seen.maximum)
        yield Sample(metric("data"), seen.mean, column.name, spread)


def _finite(samples: list[Sample]) -> tuple[Sample, ...]:
    return tuple(sample for sample in samples if all(map(math.isfinite, _numbers(sample))))


def _numbers(sample: Sample) -> tuple[float, ...]:
    spread = sample.distribution
    if spread is None:
        return (sample.value,)
    return (sample.value, spread.count, spread.total, spread.minimum, spread.maximum)


def is_about_the_run(sample: Sample) -> bool:
    """Returns whether a sample bears the time of the run instead of the end of its window."""
    return sample.spec.level is MetricLevel.RUN

"""CloudWatch's embedded metric format: JSON lines in a log stream, which need no permission for CloudWatch.

A document holds at most 100 metrics and 256 KB. EMF has no statistic sets, so a distribution is published as its mean.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import msgspec

from monitoring.publish.cloudwatch import DATA_NAMESPACE, OLDEST, QUALITY_NAMESPACE, RECENT, dimensions
from monitoring.publish.names import metric_name
from monitoring.publish.samples import Sample, SampleBatch, is_about_the_run
from monitoring.publish.table import MetricLevel

MAX_METRICS = 100


class EmfPublisher:
    """Writes batches as EMF lines to a stream."""

    def __init__(self, stream: TextIO | None = None, old_windows: bool = False) -> None:
        self._stream = stream
        self._old_windows = old_windows

    def publish(self, batch: SampleBatch) -> None:
        """Writes the samples of a run."""
        stream = sys.stdout if self._stream is None else self._stream
        for document in documents(batch, self._old_windows):
            stream.write(msgspec.json.encode(document).decode() + "\n")
        stream.flush()


def documents(batch: SampleBatch, old_windows: bool = False) -> Iterator[dict[str, Any]]:
    """Yields EMF documents: run metrics at the time of the run, window metrics at the end of their window."""
    groups: dict[tuple[str, dt.datetime], list[Sample]] = {}
    age = batch.created - batch.window_end
    for sample in batch.samples:
        namespace = QUALITY_NAMESPACE if sample.spec.level is MetricLevel.QUALITY else DATA_NAMESPACE
        if is_about_the_run(sample):
            groups.setdefault((namespace, batch.created), []).append(sample)
        elif age <= RECENT or (old_windows and age <= OLDEST):
            groups.setdefault((namespace, batch.window_end), []).append(sample)
    for (namespace, time), samples in groups.items():
        for start in range(0, len(samples), MAX_METRICS):
            yield _document(batch, namespace, time, samples[start : start + MAX_METRICS])


def _document(batch: SampleBatch, namespace: str, time: dt.datetime, samples: list[Sample]) -> dict[str, Any]:
    names = [metric_name(sample.spec.cloudwatch, sample.name) for sample in samples]
    given = {entry["Name"]: entry["Value"] for entry in dimensions(batch)}
    metrics = [{"Name": name, "Unit": sample.spec.unit} for name, sample in zip(names, samples, strict=True)]
    directive = {"Namespace": namespace, "Dimensions": [list(given)], "Metrics": metrics}
    return {
        "_aws": {"Timestamp": int(time.timestamp() * 1000), "CloudWatchMetrics": [directive]},
        **given,
        **{name: sample.value for name, sample in zip(names, samples, strict=True)},
    }

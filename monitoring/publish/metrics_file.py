"""`metrics.json`: the metrics of a run as a file beside its report, for programs that read files instead of a metrics service.

The names are those of CloudWatch (docs/metrics.md). The time of a metric is the end of its window, or of the run where the
metric is about the run.
"""

from __future__ import annotations

from typing import Any

import msgspec

from monitoring.publish.names import metric_name
from monitoring.publish.samples import Sample, SampleBatch, is_about_the_run
from monitoring.publish.table import LABELS

VERSION = 1


def encode(batch: SampleBatch) -> bytes:
    """Returns the samples of a run as JSON: `version`, the subject, and `metrics`, one entry for each sample."""
    subject = batch.subject
    document = {
        "version": VERSION,
        "endpoint": subject.endpoint,
        "variant": subject.variant,
        "monitor": subject.monitor,
        "model_version": subject.model_version,
        "metrics": [_entry(batch, sample) for sample in batch.samples],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def _entry(batch: SampleBatch, sample: Sample) -> dict[str, Any]:
    spec, label = sample.spec, LABELS[sample.spec.level]
    entry: dict[str, Any] = {"name": metric_name(spec.cloudwatch, sample.name)}
    if label:
        entry[label] = sample.name
    entry |= {
        "value": sample.value,
        "unit": spec.unit,
        "time": batch.created if is_about_the_run(sample) else batch.window_end,
    }
    spread = sample.distribution
    if spread is not None:
        entry |= {"count": spread.count, "sum": spread.total, "minimum": spread.minimum, "maximum": spread.maximum}
    return entry

"""The metrics of a run as Model Monitor's own channel takes them: those of `publish.table`, under CloudWatch's names."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.processing_job import JobMetric
from monitoring.publish.names import metric_name
from monitoring.publish.samples import is_about_the_run, of_run
from monitoring.result import RunResult


def job_metrics(result: RunResult) -> Iterator[JobMetric]:
    """Yields the metrics of a run. What is about the run itself bears its time, the others the end of the window."""
    batch = of_run(result)
    for sample in batch.samples:
        spread = sample.distribution
        yield JobMetric(
            name=metric_name(sample.spec.cloudwatch, sample.name),
            value=sample.value if spread is None else None,
            statistics=None if spread is None else (spread.count, spread.total, spread.minimum, spread.maximum),
            unit=sample.spec.unit,
            time=batch.created if is_about_the_run(sample) else batch.window_end,
        )

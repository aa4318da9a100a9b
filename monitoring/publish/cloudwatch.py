"""PutMetricData: names, dimensions and times that CloudWatch takes.

A metric over 3 hours old may be readable only after 2 hours, over 24 hours only after 48. So window metrics bear the end of
their window while that is under 3 hours old; older ones are left out unless they are asked for, and over two weeks they cannot
be published at all. Metrics of the run bear the time of the run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from monitoring.errors import MonitoringError
from monitoring.publish.names import dimension, metric_name
from monitoring.publish.samples import Sample, SampleBatch, is_about_the_run
from monitoring.publish.table import MetricLevel

DATA_NAMESPACE = "aws/sagemaker/Endpoints/data-metrics"
QUALITY_NAMESPACE = "aws/sagemaker/Endpoints/model-metrics"
RECENT = dt.timedelta(hours=3)
OLDEST = dt.timedelta(days=14)
MAX_VALUE = 2.0**360
MAX_DATA = 500
"""Metrics in a request: half of what CloudWatch takes, so that 1 MB is never reached."""


class CloudWatchPublisher:
    """Publishes batches. `old_windows` publishes window metrics of past windows too, readable after up to two days."""

    def __init__(
        self,
        namespace: str = DATA_NAMESPACE,
        quality_namespace: str = QUALITY_NAMESPACE,
        old_windows: bool = False,
        client: Callable[[], Any] | None = None,
    ) -> None:
        self._namespaces = {False: namespace, True: quality_namespace}
        self._old_windows = old_windows
        self._make = _cloudwatch_client if client is None else client

    def publish(self, batch: SampleBatch) -> None:
        """Publishes the samples of a run. Raises MonitoringError where CloudWatch refuses them."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self._make()
            for namespace, data in self.requests(batch):
                client.put_metric_data(Namespace=namespace, MetricData=data)
        except (BotoCoreError, ClientError) as error:
            raise MonitoringError(f"cannot publish metrics to CloudWatch: {error}") from error

    def requests(self, batch: SampleBatch) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yields namespace and metrics of each request."""
        for is_quality, namespace in self._namespaces.items():
            samples = [sample for sample in batch.samples if (sample.spec.level is MetricLevel.QUALITY) is is_quality]
            data = [datum for sample in samples for datum in self._datum(batch, sample)]
            for start in range(0, len(data), MAX_DATA):
                yield namespace, data[start : start + MAX_DATA]

    def _datum(self, batch: SampleBatch, sample: Sample) -> Iterator[dict[str, Any]]:
        time = batch.created
        if not is_about_the_run(sample):
            age = batch.created - batch.window_end
            if age > OLDEST or (age > RECENT and not self._old_windows):
                return
            time = batch.window_end
        datum: dict[str, Any] = {
            "MetricName": metric_name(sample.spec.cloudwatch, sample.name),
            "Dimensions": dimensions(batch),
            "Timestamp": time,
            "Unit": sample.spec.unit,
        }
        spread = sample.distribution
        if spread is None:
            datum["Value"] = _bounded(sample.value)
        else:
            datum["StatisticValues"] = {
                "SampleCount": _bounded(spread.count),
                "Sum": _bounded(spread.total),
                "Minimum": _bounded(spread.minimum),
                "Maximum": _bounded(spread.maximum),
            }
        yield datum


def dimensions(batch: SampleBatch) -> list[dict[str, str]]:
    """Returns the dimensions that the SDK's dashboards query, and nothing else."""
    return [
        {"Name": "Endpoint", "Value": dimension(batch.subject.endpoint)},
        {"Name": "MonitoringSchedule", "Value": dimension(batch.subject.monitor)},
    ]


def _bounded(value: float) -> float:
    """Returns the value within what CloudWatch takes, -2^360 to 2^360."""
    return max(-MAX_VALUE, min(MAX_VALUE, value))


def _cloudwatch_client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 4, "mode": "standard"})
    return boto3.Session().client("cloudwatch", config=config)

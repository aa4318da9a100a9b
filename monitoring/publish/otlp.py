"""OpenTelemetry over HTTP: gauges with the feature as an attribute, flushed before the process ends.

A gauge has no time of its own: the export's time is that of the run. Where the collector is comes from `endpoint` or from
OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource

from monitoring.errors import MonitoringError
from monitoring.publish.prometheus import clean_label
from monitoring.publish.table import LABELS

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

    from monitoring.publish.samples import SampleBatch

TIMEOUT = 15


class OtlpPublisher:
    """Exports batches to a collector. `endpoint` is the URL for metrics, None for OpenTelemetry's variables."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint

    def publish(self, batch: SampleBatch) -> None:
        """Exports the samples of a run. Raises MonitoringError where the collector does not take them."""
        exporter = OTLPMetricExporter(endpoint=self._endpoint, timeout=TIMEOUT)
        try:
            result = exporter.export(metrics_of(batch))
        finally:
            exporter.shutdown()
        if result is not MetricExportResult.SUCCESS:
            where = self._endpoint or "the collector of OTEL_EXPORTER_OTLP_ENDPOINT"
            raise MonitoringError(f"cannot export metrics to {where}: it did not take them")


def metrics_of(batch: SampleBatch) -> MetricsData:
    """Returns a batch as OpenTelemetry's metrics."""
    subject = batch.subject
    resource = Resource.create(
        {
            "service.name": "endpoint-monitor",
            "endpoint": clean_label(subject.endpoint),
            "variant": clean_label(subject.variant),
        }
    )
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
    try:
        meter = provider.get_meter("endpoint-monitor")
        gauges = {}
        for sample in batch.samples:
            spec, label = sample.spec, LABELS[sample.spec.level]
            if spec.key not in gauges:
                gauges[spec.key] = meter.create_gauge(spec.prometheus, description=spec.help)
            attributes = {"monitor": clean_label(subject.monitor)}
            if label:
                attributes[label] = clean_label(sample.name)
            gauges[spec.key].set(sample.value, attributes)
        data = reader.get_metrics_data()
    finally:
        provider.shutdown()
    if data is None:
        raise MonitoringError("the run has no metric to export")
    return data

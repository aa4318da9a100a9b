"""The counters of a spool for Prometheus, in our endpoint and in a server of one's own.

    from capture.prometheus import CaptureCollector
    prometheus_client.REGISTRY.register(CaptureCollector(buffer))

`prometheus-client` must be installed. The metrics are those of the endpoint's `/metrics`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from capture.journal.counters import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from capture.buffer import CaptureBuffer
    from capture.shipping.stats import Stats

COUNTERS = {
    "appended": ("capture_records_appended", "Records handed to the buffer."),
    "shipped": ("capture_records_shipped", "Records at their destination."),
    "sampled_out": ("capture_records_sampled_out", "Records left out by sampling."),
    "rows": ("capture_rows", "Rows of all records."),
    "bytes": ("capture_bytes", "Bytes of all records."),
    "row_mismatches": ("capture_row_mismatches", "Records with another number of predictions than of rows."),
    "rescued_cells": ("capture_rescued_cells", "Cells whose value does not fit their column's type."),
    "renamed_features": ("capture_renamed_features", "Features whose name is one of capture's own."),
    "objects": ("capture_objects", "Objects written."),
    "object_bytes": ("capture_object_bytes", "Bytes of all objects."),
    "dropped_segments": ("capture_dropped_segments", "Segments that gave way at the spool's limit."),
    "dropped_bytes": ("capture_dropped_bytes", "Bytes of those segments."),
    "damaged_segments": ("capture_damaged_segments", "Segments with a bad checksum."),
}
GAUGES = {
    "waiting": ("capture_records_waiting", "Records in the spool, not shipped yet."),
    "backlog_bytes": ("capture_backlog_bytes", "Committed bytes that wait."),
    "spool_bytes": ("capture_spool_bytes", "Bytes of all segments in the spool."),
    "oldest_seconds": ("capture_oldest_waiting_seconds", "Age of the oldest segment that waits."),
    "writers": ("capture_writers", "Living writers."),
}
APPEND_MICROSECONDS = {
    "capture_append_mean_seconds": ("append_mean_us", "What append added to a request, on average."),
    "capture_append_p99_seconds": ("append_p99_us", "What append added to a request at most, in 99 of 100."),
    "capture_append_max_seconds": ("append_max_us", "What append added to a request at most."),
}
LOSSES = ("corrupt", "missing", "spool_limit", "unknown")
"""Reasons for which the shipper loses records, beside those for which a writer refuses them (`REFUSALS`)."""


def capture_families(stats: Stats) -> Iterator[Metric]:
    """Capture's counters: appended = shipped + waiting + dropped + sampled out."""
    for field, (name, documentation) in COUNTERS.items():
        yield CounterMetricFamily(name, documentation, getattr(stats, field))
    for field, (name, documentation) in GAUGES.items():
        yield GaugeMetricFamily(name, documentation, getattr(stats, field))
    dropped = CounterMetricFamily("capture_records_dropped", "Records lost, by reason.", labels=["reason"])
    # Each reason from the start, so that the first loss is seen as an increase.
    for reason, count in sorted({**dict.fromkeys((*REFUSALS, *LOSSES), 0), **stats.dropped}.items()):
        dropped.add_metric([reason], count)
    yield dropped
    for name, (field, documentation) in APPEND_MICROSECONDS.items():
        yield GaugeMetricFamily(name, documentation, getattr(stats, field) / 1e6)
    yield _append_seconds(stats)


def _append_seconds(stats: Stats) -> Metric:
    counts = stats.append_buckets or {"+Inf": 0}
    buckets = list(zip(counts, accumulate(counts.values()), strict=True))
    histogram = HistogramMetricFamily("capture_append_seconds", "What append added to a request.")
    histogram.add_metric([], buckets, stats.append_count * stats.append_mean_us / 1e6)
    return histogram


class CaptureCollector:
    """Reads the counters when Prometheus asks. Values are totals since the spool began; a new spool begins at 0."""

    def __init__(self, buffer: CaptureBuffer) -> None:
        self._buffer = buffer

    def collect(self) -> Iterator[Metric]:
        """Yields the families of all counters."""
        yield from capture_families(self._buffer.stats())

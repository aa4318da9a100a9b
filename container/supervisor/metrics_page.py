"""`/metrics`: what the workers counted, what the supervisor knows, and what capture's spool says, in Prometheus text.

Workers' counts are added up over all processes, dead ones too. Everything is read when Prometheus asks. What a user's
module counts with `prometheus_client` itself is there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from capture.journal.counters import REFUSALS
from capture.shipping.stats import Stats, read_stats
from container.metrics.counters import CountersReader, Family, Series
from container.metrics.families import FAMILIES
from container.shared.run_directory import RunDirectory

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Vitals:
    """What the supervisor knows about its processes."""

    ready: bool
    workers: Mapping[str, int]
    """Living workers by model."""
    workers_ended: int
    shipper_restarts: int
    responses: Mapping[str, int]
    """Answers to invocations by class (`2xx`), errors that no handler made included."""


class _EndpointMetrics:
    """All of ours as metric families."""

    def __init__(self, vitals: Vitals, total: Mapping[Series, Sequence[float]], spool: Path | None) -> None:
        self._vitals = vitals
        self._total = total
        self._spool = spool

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        yield from worker_families(self._total)
        vitals = self._vitals
        yield GaugeMetricFamily("endpoint_ready", "1 while /ping answers 200.", float(vitals.ready))
        workers = GaugeMetricFamily("endpoint_workers", "Living workers with a loaded model.", labels=["model"])
        for model, count in vitals.workers.items():
            workers.add_metric([model], count)
        yield workers
        ended = vitals.workers_ended
        yield CounterMetricFamily("endpoint_workers_ended", "Workers that have ended, for whatever reason.", ended)
        responses = CounterMetricFamily(
            "endpoint_responses", "Answers to invocations, those of the proxy included.", labels=["class"]
        )
        for name, count in vitals.responses.items():
            responses.add_metric([name], count)
        yield responses
        if self._spool is not None:
            restarts = vitals.shipper_restarts
            yield CounterMetricFamily("capture_shipper_restarts", "Shippers that had to be replaced.", restarts)
            yield from capture_families(read_stats(self._spool))


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
    "append_count": ("capture_appends", "Calls of append that were timed."),
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
LOSSES = ("corrupt", "missing", "unknown")
"""Reasons for which the shipper loses records, beside those for which a writer refuses them (`REFUSALS`)."""


def capture_families(stats: Stats) -> Iterable[Metric]:
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


def worker_families(total: Mapping[Series, Sequence[float]]) -> Iterable[Metric]:
    """What the workers counted."""
    for family in FAMILIES:
        series = [(labels, counts) for (name, labels), counts in sorted(total.items()) if name == family.name]
        if family.bounds:
            yield _histogram(family, series)
            continue
        counter = CounterMetricFamily(family.name, family.documentation, labels=family.labels)
        # There from the start, so that the first one is seen as an increase.
        known = {labels: counts[0] for labels, counts in series}
        for labels, count in sorted({**dict.fromkeys(family.expected, 0.0), **known}.items()):
            counter.add_metric(labels, count)
        yield counter


def _histogram(family: Family, series: Sequence[tuple[Sequence[str], Sequence[float]]]) -> Metric:
    histogram = HistogramMetricFamily(family.name, family.documentation, labels=family.labels)
    if not family.labels and not series:
        series = [((), [0.0] * (len(family.bounds) + 2))]
    names = [*(str(float(bound)) for bound in family.bounds), "+Inf"]
    for labels, counts in series:
        buckets = list(zip(names, accumulate(counts[:-1]), strict=True))
        histogram.add_metric(labels, buckets, counts[-1])
    return histogram


class Scrape:
    """Makes the text, again and again."""

    def __init__(self, directory: RunDirectory, spool: Path | None) -> None:
        """Args: spool: capture's spool directory; None: capture is off."""
        self._spool = spool
        self._counters = CountersReader(directory.counters, FAMILIES)
        self._users = CollectorRegistry()
        MultiProcessCollector(self._users, path=str(directory.users_metrics))  # type: ignore[no-untyped-call]

    def text(self, vitals: Vitals) -> bytes:
        """The metrics as they are now."""
        registry = CollectorRegistry()
        registry.register(_EndpointMetrics(vitals, self._counters.total(), self._spool))
        return generate_latest(registry) + generate_latest(self._users)

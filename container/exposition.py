"""`/metrics`: what the workers counted, what the supervisor knows, and what capture's spool says, in Prometheus text.

Workers' counters are added up over all processes, dead ones too. The rest is read when Prometheus asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from capture.stats import Stats, read_stats

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


class _Source:
    """Vitals and capture's counters as metric families."""

    def __init__(self, vitals: Vitals, spool: Path | None) -> None:
        self._vitals = vitals
        self._spool = spool

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        vitals = self._vitals
        yield GaugeMetricFamily("endpoint_ready", "1 while /ping answers 200.", float(vitals.ready))
        workers = GaugeMetricFamily("endpoint_workers", "Living workers with a loaded model.", labels=["model"])
        for model, count in vitals.workers.items():
            workers.add_metric([model], count)
        yield workers
        yield _counter("endpoint_workers_ended", "Workers that have ended, for whatever reason.", vitals.workers_ended)
        responses = CounterMetricFamily(
            "endpoint_responses", "Answers to invocations, those of the proxy included.", labels=["class"]
        )
        for name, count in vitals.responses.items():
            responses.add_metric([name], count)
        yield responses
        if self._spool is not None:
            yield _counter("capture_shipper_restarts", "Shippers that had to be replaced.", vitals.shipper_restarts)
            yield from capture_families(read_stats(self._spool))


def capture_families(stats: Stats) -> Iterable[Metric]:
    """Capture's counters: appended = shipped + waiting + dropped + sampled out."""
    yield _counter("capture_records_appended", "Records handed to the buffer.", stats.appended)
    yield _counter("capture_records_shipped", "Records at their destination.", stats.shipped)
    yield _counter("capture_records_sampled_out", "Records left out by sampling.", stats.sampled_out)
    yield _counter("capture_rows", "Rows of all records.", stats.rows)
    yield _counter("capture_bytes", "Bytes of all records.", stats.bytes)
    yield GaugeMetricFamily("capture_records_waiting", "Records in the spool, not shipped yet.", stats.waiting)
    yield GaugeMetricFamily("capture_backlog_bytes", "Committed bytes that wait.", stats.backlog_bytes)
    yield GaugeMetricFamily("capture_spool_bytes", "Bytes of all segments in the spool.", stats.spool_bytes)
    yield GaugeMetricFamily(
        "capture_oldest_waiting_seconds", "Age of the oldest segment that waits.", stats.oldest_seconds
    )
    dropped = CounterMetricFamily("capture_records_dropped", "Records lost, by reason.", labels=["reason"])
    for reason, count in sorted(stats.dropped.items()):
        dropped.add_metric([reason], count)
    yield dropped
    yield _counter(
        "capture_row_mismatches", "Events whose predictions were not one for each row.", stats.row_mismatches
    )
    yield _counter(
        "capture_append_seconds_total",
        "Time that capture took from requests.",
        stats.append_count * stats.append_mean_us / 1e6,
    )
    yield _counter("capture_appends", "Calls of append that were timed.", stats.append_count)


def _counter(name: str, documentation: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name.removesuffix("_total"), documentation, value)


def exposition(directory: Path, vitals: Vitals, spool: Path | None) -> bytes:
    """The text.

    Args:
        directory: where the workers' counters are.
        spool: capture's spool directory; None: capture is off.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    registry.register(_Source(vitals, spool))
    return generate_latest(registry)

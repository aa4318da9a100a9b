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

from capture.prometheus import capture_families
from capture.shipping.stats import read_stats
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

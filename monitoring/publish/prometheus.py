"""Prometheus' text format: a file for node_exporter's textfile collector, or a push to a Pushgateway.

The feature is a label, never a part of the name. No series bears a time: the collector refuses them. A push replaces the group of
this endpoint variant and monitor, so that series of a feature that is gone go with it.
"""

from __future__ import annotations

import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest, push_to_gateway
from prometheus_client.core import GaugeMetricFamily

from monitoring.errors import MonitoringError, UsageError
from monitoring.publish.table import COMMON_LABELS, LABELS

if TYPE_CHECKING:
    from monitoring.publish.samples import SampleBatch

JOB = "endpoint_monitor"
TIMEOUT = 15


class _Families:
    """A collector that yields the samples of one batch."""

    def __init__(self, batch: SampleBatch) -> None:
        self._batch = batch

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        subject = self._batch.subject
        common = [clean_label(subject.endpoint), clean_label(subject.variant), clean_label(subject.monitor)]
        for sample in self._batch.samples:
            spec, label = sample.spec, LABELS[sample.spec.level]
            names = [*COMMON_LABELS, label] if label else list(COMMON_LABELS)
            family = families.setdefault(spec.prometheus, GaugeMetricFamily(spec.prometheus, spec.help, labels=names))
            family.add_metric([*common, clean_label(sample.name)] if label else common, sample.value)
        yield from families.values()


def text(batch: SampleBatch) -> bytes:
    """Returns a batch in Prometheus' text format."""
    return generate_latest(_registry(batch))


class TextFilePublisher:
    """Writes a batch to `{folder}/endpoint_monitor_{endpoint}_{variant}_{monitor}.prom`, whole or not at all."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        if not folder:
            raise UsageError("publish.prometheus needs textfile, the folder of node_exporter's textfile collector")

    def publish(self, batch: SampleBatch) -> None:
        """Replaces the file of this endpoint variant and monitor."""
        subject = batch.subject
        name = "_".join(_file_part(part) for part in (subject.endpoint, subject.variant, subject.monitor))
        path = self._folder / f"{JOB}_{name}.prom"
        hidden = path.with_name(f".{path.name}.tmp")  # the collector reads only names that end with .prom
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            hidden.write_bytes(text(batch))
            hidden.replace(path)
        except OSError as error:
            raise MonitoringError(f"cannot write {path}: {error.strerror or error}") from error


class PushgatewayPublisher:
    """Replaces the group of an endpoint variant and monitor in a Pushgateway."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"publish.pushgateway is {url!r}: give http://host:9091")
        self._url = url

    def publish(self, batch: SampleBatch) -> None:
        """Pushes the samples of a run."""
        subject = batch.subject
        grouping = {"endpoint": subject.endpoint, "variant": subject.variant, "monitor": subject.monitor}
        try:
            push_to_gateway(self._url, JOB, _registry(batch), {k: clean_label(v) for k, v in grouping.items()}, TIMEOUT)
        except (urllib.error.URLError, OSError) as error:
            raise MonitoringError(f"cannot push to {self._url}: {error}") from error


def clean_label(value: str) -> str:
    """Returns a label's value that can be written as UTF-8."""
    return value.encode("utf-8", "replace").decode()


def _registry(batch: SampleBatch) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Families(batch))
    return registry


def _file_part(name: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)[:60] or "-"

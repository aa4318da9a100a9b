"""The table `[publish]` of monitor.toml, or `--publish NAME`, to publishers.

[publish]
to = ["cloudwatch", "prometheus"]
features = ["temp", "wind_*"]              # globs; every feature by default
old_windows = false
namespace = "aws/sagemaker/Endpoints/data-metrics"
textfile = "/var/lib/node_exporter/textfile_collector"
pushgateway = "http://gateway:9091"
otlp = "http://collector:4318/v1/metrics"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from monitoring.errors import MonitoringError, UsageError
from monitoring.publish.cloudwatch import DATA_NAMESPACE, QUALITY_NAMESPACE
from monitoring.publish.samples import SampleBatch, of_quality, of_run
from monitoring.quality.result import QualityResult
from monitoring.result import RunResult

Name = Literal["cloudwatch", "emf", "prometheus", "pushgateway", "otlp"]
NAMES: tuple[Name, ...] = ("cloudwatch", "emf", "prometheus", "pushgateway", "otlp")
"""What `--publish` takes."""


class MetricPublisher(Protocol):
    """Publishes a batch. Raises MonitoringError where that is not possible."""

    def publish(self, batch: SampleBatch) -> None:
        """Publishes the samples of a run."""


class PublishSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where metrics go, and which."""

    to: tuple[Name, ...] = ()
    features: tuple[str, ...] = ("*",)
    old_windows: bool = False
    namespace: str = DATA_NAMESPACE
    quality_namespace: str = QUALITY_NAMESPACE
    textfile: str = ""
    pushgateway: str = ""
    otlp: str = ""

    def __post_init__(self) -> None:
        for name in ("namespace", "quality_namespace"):
            value = getattr(self, name)
            if not value.isascii() or not 1 <= len(value) <= 255 or value.startswith((":", "AWS/")):
                raise UsageError(
                    f"publish.{name} is {value!r}: give 1 to 255 ASCII characters, not starting with : or AWS/"
                )


def parse(table: dict[str, Any], where: str = "monitor.toml") -> PublishSettings:
    """Returns the settings in the table `[publish]`. Raises UsageError where a key is wrong."""
    try:
        return msgspec.convert(table, PublishSettings)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}, [publish]: {error}") from None


def publisher_of(name: Name, settings: PublishSettings) -> MetricPublisher:
    """Returns the publisher of a destination."""
    return _MAKERS[name](settings)


def publish(result: RunResult | QualityResult, settings: PublishSettings) -> list[str]:
    """Publishes a result to every destination; returns what failed, one sentence each.

    A destination that fails stops neither the others nor the run: metrics are no reason to judge a window again.
    """
    batch = of_run(result, settings.features) if isinstance(result, RunResult) else of_quality(result)
    problems = []
    for name in settings.to:
        try:
            publisher_of(name, settings).publish(batch)
        except UsageError:
            raise
        except MonitoringError as error:
            problems.append(f"{name}: {error}")
    return problems


def _cloudwatch(settings: PublishSettings) -> MetricPublisher:
    from monitoring.publish.cloudwatch import CloudWatchPublisher

    return CloudWatchPublisher(settings.namespace, settings.quality_namespace, settings.old_windows)


def _emf(settings: PublishSettings) -> MetricPublisher:
    from monitoring.publish.emf import EmfPublisher

    return EmfPublisher(old_windows=settings.old_windows)


def _prometheus(settings: PublishSettings) -> MetricPublisher:
    from monitoring.publish.prometheus import TextFilePublisher

    return TextFilePublisher(settings.textfile)


def _pushgateway(settings: PublishSettings) -> MetricPublisher:
    from monitoring.publish.prometheus import PushgatewayPublisher

    return PushgatewayPublisher(settings.pushgateway)


def _otlp(settings: PublishSettings) -> MetricPublisher:
    from monitoring.publish.otlp import OtlpPublisher

    return OtlpPublisher(settings.otlp or None)


_MAKERS: dict[str, Callable[[PublishSettings], MetricPublisher]] = {
    "cloudwatch": _cloudwatch,
    "emf": _emf,
    "prometheus": _prometheus,
    "pushgateway": _pushgateway,
    "otlp": _otlp,
}

"""The counters of a buffer for Prometheus, in a server of one's own.

    from capture.prometheus import CaptureCollector
    prometheus_client.REGISTRY.register(CaptureCollector(buffer))

`prometheus-client` must be installed. Every counter of `capture.shipping.stats.Stats` is a metric `capture_{name}`;
`capture_dropped` has a label `reason`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capture.buffer import CaptureBuffer


class CaptureCollector:
    """Reads the counters when Prometheus asks. Values are totals since the spool began; a new spool begins at 0."""

    def __init__(self, buffer: CaptureBuffer) -> None:
        self._buffer = buffer

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields one family for each counter."""
        for name, value in msgspec.structs.asdict(self._buffer.stats()).items():
            if name == "dropped":
                family = GaugeMetricFamily(
                    "capture_dropped", "records that are lost or were refused", labels=["reason"]
                )
                for reason, number in value.items():
                    family.add_metric([reason], number)
                yield family
            else:
                yield GaugeMetricFamily(f"capture_{name}", name.replace("_", " "), value=value)

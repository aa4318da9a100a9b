"""The counters as one line in CloudWatch's embedded metric format, which a log group turns into metrics.

Dimensions are `Endpoint` and `Variant`, so that CloudWatch's `Sum` adds up all instances: a counter's value is what was counted
since the line before. `Instance` names the machine; it is a property for Logs Insights and no dimension, which would cost a
metric for each instance. `waiting`, sizes and the oldest record's age are current values. The latencies' p99 and maximum hold
since the spool began, their mean since the line before.

What the last line counted stands in the spool (`metrics.json`), so that a shipper that is started again goes on from there.
Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from capture.durable_file import write_whole
from capture.shipping.stats import Stats, read_stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from capture.config import CaptureConfig

NAMESPACE = "EndpointCapture"
_UNITS = {
    "Appended": "Count", "Shipped": "Count", "Waiting": "Count", "Dropped": "Count", "SampledOut": "Count",
    "BacklogBytes": "Bytes", "SpoolBytes": "Bytes", "OldestSeconds": "Seconds",
    "AppendMean": "Microseconds", "AppendP99": "Microseconds", "AppendMax": "Microseconds",
}  # fmt: skip


class EmittedTotals(msgspec.Struct, frozen=True):
    """The counters as of one line."""

    appended: int = 0
    shipped: int = 0
    sampled_out: int = 0
    dropped: dict[str, int] = {}
    append_count: int = 0
    append_seconds: float = 0.0

    @classmethod
    def of(cls, stats: Stats) -> EmittedTotals:
        """Returns the counters of `stats`."""
        seconds = stats.append_count * stats.append_mean_us / 1e6
        return cls(stats.appended, stats.shipped, stats.sampled_out, stats.dropped, stats.append_count, seconds)


def line(stats: Stats, before: EmittedTotals, endpoint: str, variant: str, instance: str, milliseconds: int) -> str:
    """Returns one line of JSON, without its end; `milliseconds` since 1970 UTC."""
    now = EmittedTotals.of(stats)
    dropped = {name: number - before.dropped.get(name, 0) for name, number in now.dropped.items()}
    calls = now.append_count - before.append_count
    values: dict[str, Any] = {
        "Appended": now.appended - before.appended,
        "Shipped": now.shipped - before.shipped,
        "Waiting": stats.waiting,
        "Dropped": sum(dropped.values()),
        "SampledOut": now.sampled_out - before.sampled_out,
        "BacklogBytes": stats.backlog_bytes,
        "SpoolBytes": stats.spool_bytes,
        "OldestSeconds": stats.oldest_seconds,
        "AppendMean": round((now.append_seconds - before.append_seconds) * 1e6 / calls, 3) if calls > 0 else 0.0,
        "AppendP99": stats.append_p99_us,
        "AppendMax": stats.append_max_us,
    }
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Endpoint", "Variant"]],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in _UNITS.items()],
    }
    document = {
        "_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]},
        "Endpoint": endpoint,
        "Variant": variant,
        "Instance": instance,
        **values,
        "DroppedBy": {name: number for name, number in dropped.items() if number},
    }
    return msgspec.json.encode(document).decode()


class MetricLines:
    """Writes the lines of one spool."""

    def __init__(
        self,
        stream: TextIO,
        spool_dir: Path,
        config: CaptureConfig,
        instance: str | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Args: instance: the machine's name, by default its host name. clock: nanoseconds since 1970 UTC."""
        self._stream = stream
        self._spool_dir = spool_dir
        self._endpoint, self._variant = config.endpoint_name, config.variant_name
        self._instance = socket.gethostname() if instance is None else instance
        self._clock = clock
        self._file = spool_dir / "metrics.json"
        self._before = EmittedTotals()
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            self._before = msgspec.json.decode(self._file.read_bytes(), type=EmittedTotals)

    def write(self) -> None:
        """Writes one line. A stream that is closed and a full disk are no failure."""
        stats = read_stats(self._spool_dir)
        before, self._before = self._before, EmittedTotals.of(stats)
        milliseconds = self._clock() // 1_000_000
        with contextlib.suppress(OSError):
            text = line(stats, before, self._endpoint, self._variant, self._instance, milliseconds)
            self._stream.write(text + "\n")
            self._stream.flush()
        with contextlib.suppress(OSError):
            write_whole(self._file, msgspec.json.encode(self._before))

"""The counters as one line in CloudWatch's embedded metric format, which a log group turns into metrics.

Dimensions are `Endpoint` and `Variant`; counters are totals since the spool began, so take their difference.
Format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from capture.shipping.stats import read_stats

if TYPE_CHECKING:
    from pathlib import Path

    from capture.config import CaptureConfig
    from capture.shipping.stats import Stats

NAMESPACE = "EndpointCapture"
_UNITS = {
    "Appended": "Count", "Shipped": "Count", "Waiting": "Count", "Dropped": "Count", "SampledOut": "Count",
    "BacklogBytes": "Bytes", "SpoolBytes": "Bytes", "OldestSeconds": "Seconds",
    "AppendMean": "Microseconds", "AppendP99": "Microseconds", "AppendMax": "Microseconds",
}  # fmt: skip


def line(stats: Stats, endpoint: str, variant: str, milliseconds: int) -> str:
    """One line of JSON, without its end; `milliseconds` since 1970 UTC."""
    values: dict[str, Any] = {
        "Appended": stats.appended,
        "Shipped": stats.shipped,
        "Waiting": stats.waiting,
        "Dropped": sum(stats.dropped.values()),
        "SampledOut": stats.sampled_out,
        "BacklogBytes": stats.backlog_bytes,
        "SpoolBytes": stats.spool_bytes,
        "OldestSeconds": stats.oldest_seconds,
        "AppendMean": stats.append_mean_us,
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
        **values,
        "DroppedBy": stats.dropped,
    }
    return msgspec.json.encode(document).decode()


def write(stream: TextIO, spool_dir: Path, config: CaptureConfig) -> None:
    """Writes one line for a spool."""
    now = time.time_ns() // 1_000_000
    stream.write(line(read_stats(spool_dir), config.endpoint_name, config.variant_name, now) + "\n")
    stream.flush()

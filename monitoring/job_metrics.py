"""The metrics of a run that Model Monitor's jobs publish, by its names.

feature_data_{column}             statistics of the numbers: sample count, sum, minimum, maximum
feature_non_null_{column}         rows that have a value
feature_baseline_drift_{column}   L-infinity distance from the baseline
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from monitoring.processing_job import JobMetric
from monitoring.result import RunResult

MAX_NAME = 255


def data_metrics(result: RunResult) -> Iterator[JobMetric]:
    """Yields the metrics of every column that the window has."""
    for column in result.columns:
        window = column.window
        if window is None:
            continue
        count = sum(window.kinds.values()) - sum(window.infinities)
        if window.mean is not None and window.minimum is not None and window.maximum is not None and count > 0:
            total = window.mean * count
            statistics = (float(count), total, window.minimum, window.maximum)
            yield JobMetric(metric_name("feature_data_", column.name), statistics=statistics)
        yield JobMetric(
            metric_name("feature_non_null_", column.name), float(window.rows - window.missing), unit="Count"
        )
        if column.linf is not None:
            yield JobMetric(metric_name("feature_baseline_drift_", column.name), column.linf)


def metric_name(prefix: str, column: str) -> str:
    """Returns a name of printable ASCII with at most 255 characters; a column that does not fit is changed and gets a digest."""
    kept = "".join(character if " " <= character <= "~" else "_" for character in column)
    if kept == column and len(prefix) + len(column) <= MAX_NAME:
        return prefix + column
    digest = hashlib.sha256(column.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{prefix}{kept[: MAX_NAME - len(prefix) - 9]}_{digest}"

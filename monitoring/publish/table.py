"""Every metric once. Publishers, dashboards, alarm rules and documents take names and meanings from here.

CloudWatch has the feature in the metric's name, as Model Monitor does; Prometheus and OpenTelemetry have it as a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricLevel(StrEnum):
    """What a metric is about."""

    RUN = "run"
    FEATURE = "feature"
    STORE = "store"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric.

    `cloudwatch` is the metric's name there; `{name}` is replaced by the feature, the feature group or the quality metric.
    `prometheus` is the name of the family; its labels are endpoint, variant, monitor, and the level's own (`LABELS`).
    `unit` is one of CloudWatch's. `distribution` says that CloudWatch gets count, sum, minimum and maximum.
    """

    key: str
    level: MetricLevel
    cloudwatch: str
    prometheus: str
    unit: str
    help: str
    distribution: bool = False


LABELS = {
    MetricLevel.RUN: "",
    MetricLevel.FEATURE: "feature",
    MetricLevel.STORE: "group",
    MetricLevel.QUALITY: "metric",
}
"""The label that a level adds."""
COMMON_LABELS = ("endpoint", "variant", "monitor")

TABLE = (
    MetricSpec(
        "heartbeat", MetricLevel.RUN, "monitor_heartbeat", "endpoint_monitor_runs", "Count",
        "1 for each run that ended. Its absence means that the monitor did not run.",
    ),
    MetricSpec(
        "last_run", MetricLevel.RUN, "monitor_last_run_timestamp", "endpoint_monitor_last_run_timestamp_seconds", "Seconds",
        "When the last run ended, in seconds since 1970.",
    ),
    MetricSpec(
        "window_end", MetricLevel.RUN, "monitor_window_end_timestamp", "endpoint_monitor_window_end_timestamp_seconds", "Seconds",
        "The end of the last judged window, in seconds since 1970.",
    ),
    MetricSpec(
        "judged", MetricLevel.RUN, "monitor_judged", "endpoint_monitor_judged", "Count",
        "1 where the run judged its window, 0 where it could not.",
    ),
    MetricSpec(
        "violations", MetricLevel.RUN, "monitor_violations", "endpoint_monitor_violations", "Count",
        "Violated constraints of the window.",
    ),
    MetricSpec(
        "causes", MetricLevel.RUN, "monitor_causes", "endpoint_monitor_causes", "Count",
        "Causes that the run found.",
    ),
    MetricSpec(
        "urgent_causes", MetricLevel.RUN, "monitor_urgent_causes", "endpoint_monitor_urgent_causes", "Count",
        "Causes that ask for a page.",
    ),
    MetricSpec(
        "drifted", MetricLevel.RUN, "monitor_features_drifted", "endpoint_monitor_features_drifted", "Count",
        "Features that the drift decision calls drifted.",
    ),
    MetricSpec(
        "not_judged", MetricLevel.RUN, "monitor_features_not_judged", "endpoint_monitor_features_not_judged", "Count",
        "Features that the drift decision could not judge.",
    ),
    MetricSpec(
        "events", MetricLevel.RUN, "monitor_events", "endpoint_monitor_events", "Count",
        "Requests in the window.",
    ),
    MetricSpec(
        "rows", MetricLevel.RUN, "monitor_rows", "endpoint_monitor_rows", "Count",
        "Rows in the window, one for each prediction.",
    ),
    MetricSpec(
        "complete", MetricLevel.RUN, "monitor_complete_share", "endpoint_monitor_complete_ratio", "None",
        "Records found, of those the ledgers prove; absent where no ledger exists.",
    ),
    MetricSpec(
        "drift", MetricLevel.FEATURE, "feature_baseline_drift_{name}", "endpoint_monitor_feature_drift_linf", "None",
        "L-infinity distance to the baseline, missing values included.",
    ),
    MetricSpec(
        "data", MetricLevel.FEATURE, "feature_data_{name}", "endpoint_monitor_feature_mean", "None",
        "The values of a numeric feature: count, sum, minimum and maximum; the mean in Prometheus.", distribution=True,
    ),
    MetricSpec(
        "non_null", MetricLevel.FEATURE, "feature_non_null_{name}", "endpoint_monitor_feature_non_null", "Count",
        "Values that are there.",
    ),
    MetricSpec(
        "null", MetricLevel.FEATURE, "feature_null_{name}", "endpoint_monitor_feature_null", "Count",
        "Values that are missing.",
    ),
    MetricSpec(
        "completeness", MetricLevel.FEATURE, "feature_completeness_{name}", "endpoint_monitor_feature_completeness_ratio", "None",
        "The share of values that are there.",
    ),
    MetricSpec(
        "unique", MetricLevel.FEATURE, "feature_estimated_unique_values_{name}", "endpoint_monitor_feature_unique_values", "Count",
        "Different values, estimated.",
    ),
    MetricSpec(
        "store_age", MetricLevel.STORE, "store_age_median_{name}", "endpoint_monitor_store_age_seconds", "Seconds",
        "Median age of the records that a feature group gave.",
    ),
    MetricSpec(
        "store_missing", MetricLevel.STORE, "store_missing_share_{name}", "endpoint_monitor_store_missing_ratio", "None",
        "Requests that lacked an id in a feature group, of all.",
    ),
    MetricSpec(
        "quality", MetricLevel.QUALITY, "{name}", "endpoint_monitor_quality", "None",
        "A metric of model quality over a final window.",
    ),
)  # fmt: skip

BY_KEY = {spec.key: spec for spec in TABLE}
"""The metrics by key."""


def metric(key: str) -> MetricSpec:
    """Returns a metric of the table."""
    return BY_KEY[key]

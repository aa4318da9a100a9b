"""The downstream job: captured data held against the training baseline.

    source/      rows: captured windows, any Parquet or CSV, tables in memory, what the managed service captured
    states/      mergeable states of rows: bins, columns, units
    engines/     rows to states: threads on one machine, Spark
    baseline/    what training looked like: statistics.json, constraints.json, the sidecar of the drift decision
    checks/      one file for each constraint check
    drift/       distances and the drift decision, pure functions of counts
    findings/    columns to causes, sentences and a verdict
    report/      result to HTML and terminal
    quality/     ground truth, model quality, concept drift
    time_travel/ what the model saw: backfill and skew over an offline store
    publish/     metrics for CloudWatch, Prometheus, OpenTelemetry
    alarms/      the state of each cause; one message for a run
    notify/      the subscriber: queue to PagerDuty and Slack
    retraining/  one start for one episode
    commands/    the command line
    judgement/   states, constraints and completeness to a result

`monitor` runs all of it over windows; `result` is what a run found and what everything after it reads; `trend_data` is
columns by windows; `window` is a window of time. This room reads what `capture` wrote through `capture.reading` and
`capture.dataset`, and knows nothing of the endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitoring.baseline.baseline import Baseline
    from monitoring.monitor import Monitor
    from monitoring.run_report import Report

__all__ = ["Baseline", "Monitor", "Report"]

_PLACES = {
    "Baseline": "monitoring.baseline.baseline",
    "Monitor": "monitoring.monitor",
    "Report": "monitoring.run_report",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that a command imports only what it needs."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)

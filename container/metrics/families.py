"""What workers count: requests, the time of each stage, feature store lookups.

Each process has counters (`counters`) in the endpoint's run directory; outside an endpoint, in its own memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from container.metrics.counters import Counters, Family
from container.shared.run_directory import VARIABLE, RunDirectory

_SECONDS = (0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_AGES = (1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600)

_STATUSES = tuple((status,) for status in ("200", "400", "406", "413", "415", "500", "503"))
REQUESTS = Family("endpoint_requests", "Requests that a handler answered.", ("status",), expected=_STATUSES)
REQUEST_SECONDS = Family("endpoint_request_seconds", "Time in the handler.", (), _SECONDS)
STAGE_SECONDS = Family("endpoint_stage_seconds", "Time in a stage of a request.", ("stage",), _SECONDS)
UNKNOWN_FIELDS = Family(
    "endpoint_protobuf_unknown_fields", "Protobuf fields of requests that the descriptor set does not know."
)
LOOKUPS = Family("feature_store_lookups", "Ids looked up, by what came of it.", ("group", "outcome"), expected=())
LOOKUP_SECONDS = Family("feature_store_seconds", "Time of one look-up call.", ("group",), _SECONDS)
RECORD_AGE = Family(
    "feature_store_record_age_seconds", "Age of the oldest record that a request got.", ("group",), _AGES
)
FAMILIES = (REQUESTS, REQUEST_SECONDS, STAGE_SECONDS, UNKNOWN_FIELDS, LOOKUPS, LOOKUP_SECONDS, RECORD_AGE)

_counters: Counters | None = None


def counters() -> Counters:
    """Returns the counters of this process."""
    global _counters
    if _counters is None:
        directory = os.environ.get(VARIABLE)
        _counters = Counters(None if directory is None else RunDirectory(Path(directory)).counters)
    return _counters


def _forget() -> None:
    """After a fork: the child counts for itself."""
    global _counters
    _counters = None


os.register_at_fork(after_in_child=_forget)


def request_answered(status: int, stages: Mapping[str, float]) -> None:
    """Count an answer; `stages` has the seconds of each stage it went through."""
    counts = counters()
    counts.add(REQUESTS, (str(status),))
    counts.observe(REQUEST_SECONDS, sum(stages.values()))
    for stage, seconds in stages.items():
        counts.observe(STAGE_SECONDS, seconds, (stage,))


def unknown_fields(count: int) -> None:
    """Count protobuf fields that the descriptor set does not know."""
    counters().add(UNKNOWN_FIELDS, (), count)


def looked_up(group: str, seconds: float, *, found: int, missing: int, failed: int) -> None:
    """Count one call of a feature store."""
    counts = counters()
    counts.observe(LOOKUP_SECONDS, seconds, (group,))
    for outcome, count in (("found", found), ("missing", missing), ("failed", failed)):
        if count:
            counts.add(LOOKUPS, (group, outcome), count)


def record_age(group: str, seconds: float) -> None:
    """Observe how old the oldest record of a request was."""
    counters().observe(RECORD_AGE, max(0.0, seconds), (group,))

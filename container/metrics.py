"""What workers count: requests, the time of each stage, feature store lookups.

`prometheus_client` in its multiprocess mode: each worker writes its counts to files in `PROMETHEUS_MULTIPROC_DIR`, and
the supervisor adds them up when it is scraped (`exposition`). A worker that was killed keeps its share.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Histogram

STAGES = ("decode", "features", "predict", "encode", "capture", "transform")
_SECONDS = (0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_AGES = (1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600)

_requests = Counter("endpoint_requests", "Requests that a handler answered.", ["status"])
_request_seconds = Histogram("endpoint_request_seconds", "Time in the handler.", buckets=_SECONDS)
_stage_seconds = Histogram("endpoint_stage_seconds", "Time in a stage of a request.", ["stage"], buckets=_SECONDS)
_lookups = Counter("feature_store_lookups", "Ids looked up, by what came of it.", ["group", "outcome"])
_lookup_seconds = Histogram("feature_store_seconds", "Time of one look-up call.", ["group"], buckets=_SECONDS)
_record_age = Histogram(
    "feature_store_record_age_seconds", "Age of the oldest record a request got.", ["group"], buckets=_AGES
)

_stage = {stage: _stage_seconds.labels(stage) for stage in STAGES}
_status: dict[int, Counter] = {}


def request_answered(status: int, stages: Mapping[str, float]) -> None:
    """Count an answer; `stages` has the seconds of each stage it went through."""
    counter = _status.get(status)
    if counter is None:
        counter = _status[status] = _requests.labels(str(status))
    counter.inc()
    _request_seconds.observe(sum(stages.values()))
    for stage, seconds in stages.items():
        _stage[stage].observe(seconds)


def looked_up(group: str, seconds: float, *, found: int, missing: int, failed: int) -> None:
    """Count one call of a feature store."""
    _lookup_seconds.labels(group).observe(seconds)
    for outcome, count in (("found", found), ("missing", missing), ("failed", failed)):
        if count:
            _lookups.labels(group, outcome).inc(count)


def record_age(group: str, seconds: float) -> None:
    """Observe how old the oldest record of a request was."""
    _record_age.labels(group).observe(max(0.0, seconds))

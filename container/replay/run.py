"""Predicts captured events again and captures the new predictions, so that both sides have passed the same encoder."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture import CaptureBuffer, CaptureConfig
from container.replay.events import FeatureContainer, ReplayError, ReplayEvent, events_of
from container.replay.shapes import ModelCalls

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from capture.reading.reader import Dataset
    from container.shared.artefact import Artefact
    from container.worker.user_module import Functions

SHIP_TIMEOUT = 600.0
END_TIMEOUT = 30.0
SPOOL_MAX_BYTES = 8 << 30
"""Rows may be predicted faster than they are written: none of them may be dropped."""
MAX_FAILURES = 5


@dataclass(frozen=True, slots=True)
class ReplayWindow:
    """What to replay; None leaves a side open."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None
    endpoint: str | None = None
    variant: str | None = None


@dataclass(slots=True)
class ReplayCounts:
    """What was replayed. `failures` holds the first failures of `predict_fn`, by event id; `model_seconds` is its own time."""

    events: int = 0
    rows: int = 0
    failed_events: int = 0
    model_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def replay(
    dataset: Dataset,
    window: ReplayWindow,
    artefact: Artefact,
    functions: Functions,
    output: Path,
    shape: FeatureContainer = FeatureContainer.AUTO,
    progress: Callable[[int], None] = lambda events: None,
) -> ReplayCounts:
    """Replays the events of a window into the directory `output`, a captured dataset with the new predictions.

    Raises ReplayError where the window holds no event, the model fails on all of them, or the new rows cannot be written.
    """
    model = functions.model_fn(str(artefact.directory), None)
    counts = ReplayCounts()
    spool = output / "spool"
    base = CaptureConfig.from_env({}, toml=artefact.capture_settings)
    config = CaptureConfig(
        destination=output.joinpath("captured").absolute().as_uri(),
        spool_dir=spool,
        endpoint_name="replay",
        model_name=base.model_name,
        model_version=base.model_version,
        types=base.types,
        feature_names=base.feature_names,
        max_columns=base.max_columns,
        max_age_seconds=1.0,
        max_records=50_000,
        spool_max_bytes=SPOOL_MAX_BYTES,
    )
    buffer = CaptureBuffer(config)
    calls = ModelCalls(lambda features: functions.predict_fn(features, model, None), shape, base.feature_names)
    try:
        for event in _events(dataset, window):
            _predict(event, calls, buffer, counts)
            progress(counts.events)
    finally:
        shipped = buffer.close(SHIP_TIMEOUT)
        _wait_until_removed(spool)
    counts.model_seconds = calls.seconds
    if not counts.events and not counts.failed_events:
        raise ReplayError(f"there is no event in this window below {dataset.uri}")
    if not counts.events:
        hint = (
            "; name what predict_fn takes: --shape rows, row, frame or array" if shape is FeatureContainer.AUTO else ""
        )
        raise ReplayError(
            f"predict_fn failed on all {counts.failed_events} events: {(counts.failures or [''])[0]}{hint}"
        )
    if not shipped:
        raise ReplayError(f"the replayed rows could not all be written to {output}: is its disk full?")
    return counts


def _wait_until_removed(spool: Path) -> None:
    """Waits for the shipper's end: it removes an empty spool, and must not do so in a directory that is removed meanwhile."""
    deadline = time.monotonic() + END_TIMEOUT
    while spool.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def _events(dataset: Dataset, window: ReplayWindow) -> Iterator[ReplayEvent]:
    for captured in dataset.read(window.start, window.end, endpoint=window.endpoint, variant=window.variant):
        yield from events_of(captured, window.start, window.end)


def _predict(event: ReplayEvent, calls: ModelCalls, buffer: CaptureBuffer, counts: ReplayCounts) -> None:
    failure: Exception | None = None
    for features in _containers(event, calls):
        prepared = buffer.prepare(features, event_id=event.event_id, inference_id=event.inference_id)
        try:
            predictions = calls.call(features)
        except Exception as error:
            failure = failure or error
            continue
        if not buffer.append(prepared, predictions, model_name=event.model_name):
            raise ReplayError(f"event {event.event_id} could not be captured again; the log says why")
        counts.events += 1
        counts.rows += len(event.items)
        return
    counts.failed_events += 1
    if len(counts.failures) < MAX_FAILURES:
        counts.failures.append(f"event {event.event_id}: {type(failure).__name__}: {failure}")


def _containers(event: ReplayEvent, calls: ModelCalls) -> Iterator[Any]:
    yield calls.container(event)
    yield from calls.others(event)

"""The lines of SageMaker Data Capture: one event each, of an endpoint, of batch transform, or merged with ground truth.

    {"captureData": {"endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2", "encoding": "CSV"},
                     "endpointOutput": {…}},
     "eventMetadata": {"eventId": "…", "inferenceId": "…", "inferenceTime": "2026-01-01T00:00:00Z", "customAttributes": ["…"]},
     "eventVersion": "0"}

Keys come in any order. `inferenceTime` may be missing or an unfilled template. Batch transform has `batchTransformOutput`
instead of `endpointInput` and `endpointOutput`. Lines that our own shipper wrote have the key `capture` too; they are not read
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from capture import dataset


class CapturedText(msgspec.Struct, frozen=True, rename={"observed_content_type": "observedContentType"}):
    """One side of an event as it was captured. `encoding` is CSV, JSON or BASE64."""

    data: str = ""
    encoding: str = ""
    observed_content_type: str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True)
class ManagedEvent:
    """One line. `time` is in microseconds since 1970 UTC, None where the line has none. `document` is the whole line."""

    event_id: str
    inference_id: str | None
    time: int | None
    custom_attributes: tuple[str, ...]
    endpoint_input: CapturedText | None
    endpoint_output: CapturedText | None
    batch_transform_output: CapturedText | None
    ground_truth: CapturedText | None
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not an event: its number from 1, and why."""

    number: int
    reason: str


def is_managed(body: bytes) -> bool:
    """Returns True if the first line of `body` is one of the managed service, and not one of ours."""
    first = next((line for line in body.splitlines() if line.strip()), b"")
    try:
        document = msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(document, dict) and "captureData" in document and "capture" not in document


def events_of(body: bytes) -> Iterator[ManagedEvent | BadLine]:
    """Yields the events of an object in order. Blank lines are skipped."""
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield _event(msgspec.json.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield BadLine(number, str(error))


def _event(document: Any) -> ManagedEvent:
    if not isinstance(document, dict) or not isinstance(document.get("captureData"), dict):
        raise msgspec.ValidationError("the line has no `captureData`")
    captured, metadata = document["captureData"], document.get("eventMetadata") or {}
    if not isinstance(metadata, dict):
        raise msgspec.ValidationError("`eventMetadata` is not an object")
    attributes = metadata.get("customAttributes") or []
    inference_id = metadata.get("inferenceId")
    return ManagedEvent(
        event_id=str(metadata.get("eventId", "")),
        inference_id=None if inference_id is None else str(inference_id),
        time=_time(metadata.get("inferenceTime")),
        custom_attributes=tuple(map(str, attributes if isinstance(attributes, list) else [attributes])),
        endpoint_input=_text(captured.get("endpointInput")),
        endpoint_output=_text(captured.get("endpointOutput")),
        batch_transform_output=_text(captured.get("batchTransformOutput")),
        ground_truth=_text(document.get("groundTruthData")),
        document=document,
    )


def _text(given: Any) -> CapturedText | None:
    return None if given is None else msgspec.convert(given, CapturedText)


def _time(text: Any) -> int | None:
    """Returns microseconds since 1970 UTC, None where `text` is not a time ("{%s}")."""
    if not isinstance(text, str):
        return None
    try:
        return dataset.to_microseconds(dataset.parse_time(text))
    except (ValueError, OverflowError):
        return None

"""One line of Model Monitor's ground truth to labels.

    {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "…"}, "eventVersion": "0"}

`data` is CSV (`1`), JSON (`{"label": 1}`), or an array in item order: `{"instances": [{"label": 0}, …]}`, `[0, 1]`, or
several CSV values. `eventMetadata` names the event by `inferenceId` or `eventId`, and may name an item by `itemIndex`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec

from monitoring.quality.set_aside import ExclusionReason

Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Label:
    """One label: the event's id as written, the item by index or key, and the value. `array` is the length of its array."""

    id: str
    value: Scalar
    item: int | None = None
    key: str | None = None
    array: int | None = None


class LabelLineError(Exception):
    """A line that is set aside, with its reason."""

    def __init__(self, reason: ExclusionReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Data(msgspec.Struct):
    data: Any
    encoding: str = "CSV"


class _Metadata(msgspec.Struct, rename="camel"):
    event_id: Any = None
    inference_id: Any = None
    item_index: int | None = None


class _LabelLine(msgspec.Struct, rename="camel"):
    ground_truth_data: _Data
    event_metadata: _Metadata


_lines = msgspec.json.Decoder(_LabelLine)


def parse_line(text: bytes, label: str, item_key: str | None) -> list[Label]:
    """Returns the labels of one line; items of an array without a value are left out.

    `label` is the field of the label in JSON objects, `item_key` the field that names the item. Raises LineError with the
    reason where the line cannot be used.
    """
    try:
        line = _lines.decode(text)
    except msgspec.ValidationError as error:
        raise LabelLineError(ExclusionReason.WRONG_TYPE, str(error)) from error
    except msgspec.DecodeError as error:
        raise _not_json(text.decode(errors="replace"), str(error)) from error
    metadata = line.event_metadata
    event = metadata.inference_id if metadata.inference_id is not None else metadata.event_id
    if event is None or event == "" or not isinstance(event, str | int):
        raise LabelLineError(ExclusionReason.NO_ID, "eventMetadata has neither eventId nor inferenceId")
    value = _content(line.ground_truth_data)
    return _labels(str(event), metadata.item_index, value, label, item_key)


def _labels(event: str, item: int | None, value: Any, label: str, item_key: str | None) -> list[Label]:
    if isinstance(value, dict) and "instances" in value:
        value = value["instances"]
    if isinstance(value, dict) and isinstance(value.get(label), list):
        value = value[label]
    if not isinstance(value, list):
        scalar, key = _field(value, label, item_key)
        if scalar is None:
            raise LabelLineError(ExclusionReason.NO_VALUE, f"the label of event {event} is null")
        return [Label(event, scalar, item, key)]
    if item is not None:
        raise LabelLineError(ExclusionReason.WRONG_TYPE, f"event {event} has an array and an itemIndex")
    found = [_field(entry, label, item_key) for entry in value]
    keyed = bool(found) and all(key is not None for _, key in found)
    return [
        Label(event, scalar, None if keyed else place, key if keyed else None, None if keyed else len(found))
        for place, (scalar, key) in enumerate(found)
        if scalar is not None
    ]


def _field(value: Any, label: str, item_key: str | None) -> tuple[Scalar | None, str | None]:
    """Returns the label and the item's key in `value`, a scalar or an object."""
    key = None
    if isinstance(value, dict):
        if label not in value:
            raise LabelLineError(
                ExclusionReason.WRONG_TYPE, f"no field {label!r} among {', '.join(map(str, value)) or 'no fields'}"
            )
        if item_key is not None and value.get(item_key) is not None:
            key = str(value[item_key])
        value = value[label]
    if value is None or isinstance(value, bool | int | float | str):
        return value, key
    raise LabelLineError(
        ExclusionReason.WRONG_TYPE, f"the label {msgspec.json.encode(value).decode()} is not a single value"
    )


def _content(found: _Data) -> Any:
    """Returns `data` as plain values: a scalar, an object, or a list in item order."""
    data, encoding = found.data, found.encoding.upper()
    if not isinstance(data, str):
        return data
    if encoding == "BASE64":
        try:
            data = base64.b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise LabelLineError(ExclusionReason.WRONG_TYPE, f"data is not base64 of UTF-8 text: {error}") from error
        encoding = "JSON" if data.lstrip()[:1] in ("{", "[") else "CSV"
    if encoding == "JSON":
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError as error:
            raise _not_json(data, str(error)) from error
    if encoding == "CSV":
        values = [text.strip().strip('"') for line in data.strip().splitlines() for text in line.split(",")]
        present = [None if text == "" else text for text in values]
        return present[0] if len(present) == 1 else (present or None)
    raise LabelLineError(
        ExclusionReason.WRONG_TYPE, f"the encoding {found.encoding!r} is unknown: use CSV, JSON or BASE64"
    )


def _not_json(text: str, message: str) -> LabelLineError:
    start = text.lstrip()
    if start[:2] in ("{'", "['") or (start[:1] in "{[" and ("': " in text or "None" in text or "True" in text)):
        return LabelLineError(ExclusionReason.PYTHON_REPR, f"{start[:60]} … is Python's repr: write it with json.dumps")
    return LabelLineError(ExclusionReason.NOT_JSON, f"{start[:60]!r} is not JSON: {message}")

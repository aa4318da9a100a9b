"""A second reader of segments, written from the heads of `segment.py`, `frame.py`, `dataframes.py` and `values.py`
alone: it imports nothing of ours. What it reads is what was appended, so the specification is enough.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from capture import Features, Lookup, new_event_id
from tests.capture.spools import buffer

Row = dict[str, Any]

# --- the reader -------------------------------------------------------------------------------------------------------


def crc32c(data: bytes, begun: int = 0) -> int:
    """CRC-32C (Castagnoli), bit by bit."""
    crc = begun ^ 0xFFFF_FFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


def extension(code: int, data: memoryview) -> Any:
    if code == 1:
        name, _, raw = bytes(data).partition(b"\0")
        return np.frombuffer(raw, name.decode())[0]
    if code == 2:
        dtype, shape, raw = msgspec.msgpack.decode(bytes(data))
        return np.frombuffer(raw, dtype).reshape(shape)
    assert code == 3
    return int(bytes(data))


unpack = msgspec.msgpack.Decoder(ext_hook=extension).decode


class Buffers:
    """The buffers behind a head, each at the next multiple of 8."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def next(self, size: int) -> bytes:
        at = (self._at + 7) // 8 * 8
        self._at = at + size
        return self._data[at : self._at]


def arrow_rows(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()


def block_rows(block: list[Any], shapes: list[list[str]], buffers: Buffers) -> list[Row]:
    kind, shape, *rest = block
    names = [] if shape is None else shapes[shape]
    match kind:
        case 0:
            return [dict(zip(names, rest[0], strict=True))]
        case 1:
            return [dict(zip(names, row, strict=True)) for row in rest[0]]
        case 2:
            return list(rest[0])
        case 3:
            dtype, rows, columns, order, size = rest
            flat = np.frombuffer(buffers.next(size), dtype)
            return [dict(zip(names, row, strict=True)) for row in flat.reshape((rows, columns), order=order).tolist()]
        case 4:
            rows, parts = rest
            return column_rows(names, rows, parts, buffers)
        case 6:
            rows, parts = rest
            return column_rows(names, rows, parts, buffers)
        case 7:
            rows, parts = rest
            cells = column_rows(names, rows, parts, buffers)
            return [{name: [cell[name] for cell in cells] for name in names}]
        case 5:
            return list(arrow_rows(buffers.next(rest[0])).to_pylist())
    raise AssertionError(f"block {kind} is not specified")


def column_rows(names: list[str], rows: int, parts: list[list[Any]], buffers: Buffers) -> list[Row]:
    found: dict[int, list[Any]] = {}
    for tag, positions, *rest in parts:
        match tag:
            case "m":
                array = np.frombuffer(buffers.next(rest[1]), rest[0]).reshape(len(positions), rows)
                found |= dict(zip(positions, array.tolist(), strict=True))
            case "s":
                width, validity, offsets, text, first = rest
                valid, ends, letters = (buffers.next(size) for size in (validity, offsets, text))
                places = np.frombuffer(ends, f"<i{width}")
                found[positions[0]] = [
                    letters[places[i] : places[i + 1]].decode() if not valid or valid[i // 8] >> i % 8 & 1 else None
                    for i in range(first, first + rows)
                ]
            case "l":
                found[positions[0]] = rest[0]
            case "b":
                found[positions[0]] = arrow_rows(buffers.next(rest[0])).column(0).to_pylist()
            case _:
                raise AssertionError(f"part {tag} is not specified")
    return [{name: found[position][i] for position, name in enumerate(names)} for i in range(rows)]


def read_segment(data: bytes) -> tuple[Row, list[Row]]:
    """A segment's header and its committed events."""
    _, version, offset, commit, state, first, life, _, opened, about = struct.unpack_from("<10Q", data)
    assert (data[:8], version, offset % 4096) == (b"ECAPTURE", 1, 0)
    if state == 0:
        return {}, []
    text = data[128 : 128 + (about >> 32)]
    assert crc32c(text) == about & 0xFFFF_FFFF
    assert opened > 1_600_000_000_000_000
    seed = crc32c(data[80:112] + data[40:48], life & 0xFFFF_FFFF)
    events = list(_events(data[offset : offset + (commit & 0xFFFF_FFFF)], seed))
    assert len(events) == commit >> 32
    for number, event in enumerate(events, first):
        event |= {"number": number, "writer": data[80:112].decode()}
    return json.loads(text), events


def _events(frames: bytes, seed: int) -> Iterator[Row]:
    at, shapes = 0, list[list[str]]()
    names = ("id", "time", "inference id", "custom attributes", "model name", "ages", "missing")
    while at < len(frames):
        length, checksum, size, kind = struct.unpack_from("<IIII", frames, at)
        assert length % 8 == 0
        assert crc32c(frames[at + 8 : at + length], seed) == checksum
        head = unpack(frames[at + 16 : at + 16 + size])
        if kind == 2:
            shapes.append(head)
        else:
            assert kind == 1
            buffers = Buffers(frames[: at + length], at + 16 + size)
            blocks = [None if block is None else block_rows(block, shapes, buffers) for block in head[7:]]
            yield dict(zip((*names, "request", "items", "predictions"), (*head[:7], *blocks), strict=True))
        at += length


# --- what it finds ----------------------------------------------------------------------------------------------------

MATRIX = np.arange(6, dtype="<i2").reshape(3, 2)
FRAME = pd.DataFrame({"a": [1.5, 2.5], "b": [3.5, 4.5]})
MIXED = pd.DataFrame({
    "n": [1, 2, 3], "s": ["LGA", None, "JFK"], "x": [0.5, None, 1.5], "o": pd.Series([[1], "t", None], dtype=object),
    "c": pd.Categorical(["u", "v", "u"]),
})  # fmt: skip
MOMENT = dt.datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=dt.UTC)
GIVEN: list[tuple[Any, Any, list[Row], list[Row]]] = [
    ({"a": 1, "b": "x"}, 0.5, [{"a": 1, "b": "x"}], [{"": 0.5}]),
    ([{"a": 1, "b": None}, {"b": "y", "a": 2}], [0.5, 1.5], [{"a": 1, "b": None}, {"a": 2, "b": "y"}],
     [{"": 0.5}, {"": 1.5}]),
    ([{"a": 1}, {"z": [1, {"k": True}]}], {"risk": [0.5, 1.0]}, [{"a": 1}, {"z": [1, {"k": True}]}],
     [{"risk": 0.5}, {"risk": 1.0}]),
    (MATRIX, MATRIX[:, 0] / 2, [{"feature_0": 0, "feature_1": 1}, {"feature_0": 2, "feature_1": 3},
     {"feature_0": 4, "feature_1": 5}], [{"": 0.0}, {"": 1.0}, {"": 2.0}]),
    (np.asfortranarray(MATRIX), np.eye(3, 2), [{"feature_0": 0, "feature_1": 1}, {"feature_0": 2, "feature_1": 3},
     {"feature_0": 4, "feature_1": 5}], [{"0": 1.0, "1": 0.0}, {"0": 0.0, "1": 1.0}, {"0": 0.0, "1": 0.0}]),
    (FRAME, [1, 2], [{"a": 1.5, "b": 3.5}, {"a": 2.5, "b": 4.5}], [{"": 1}, {"": 2}]),
    (pa.record_batch({"a": [1, None], "b": ["v", "w"]}), [1, 2], [{"a": 1, "b": "v"}, {"a": None, "b": "w"}],
     [{"": 1}, {"": 2}]),
    ({"u": [1, 2], "w": np.array([0.5, 1.5], "<f4")}, [1, 2], [{"u": 1, "w": 0.5}, {"u": 2, "w": 1.5}],
     [{"": 1}, {"": 2}]),
    ({"t": MOMENT, "d": Decimal("1.5"), "y": b"\0\xff", "big": -(2**70), "f": np.float32(0.5), "day": dt.date(2026, 3, 1)},
     True, [{"t": MOMENT, "d": 1.5, "y": b"\0\xff", "big": -(2**70), "f": 0.5, "day": "2026-03-01"}], [{"": True}]),
    ([], [], [], []),
]  # fmt: skip


def test_a_reader_written_from_the_specification_finds_what_was_appended(tmp_path: Path) -> None:
    ids = [new_event_id() for _ in GIVEN]
    with buffer(tmp_path, endpoint_name="flights", sampling_percentage=100.0) as opened:
        for event_id, (features, predictions, _, _) in zip(ids, GIVEN, strict=True):
            assert opened.append(features, predictions, event_id=event_id)
        assert opened.append(
            Features(request={"city": "Rome"}, items=MIXED),
            [1, 2, 3],
            event_id="not ours",
            inference_id="call-9",
            custom_attributes="trace=7",
            model_name="other",
            lookups={"plane": Lookup(None, 2), "weather": Lookup(0.0, 0)},
        )
    read = [read_segment(path.read_bytes()) for path in sorted((tmp_path / "spool" / "segments").iterdir())]
    ((header, events),) = [found for found in read if found[1]]
    assert (header["endpoint_name"], header["sampling_percentage"]) == ("flights", 100.0)
    assert [event["number"] for event in events] == list(range(1, len(GIVEN) + 2))
    assert {len(event["writer"]) for event in events} == {32}
    *plain, last = events
    for event, event_id, (_, _, items, predictions) in zip(plain, ids, GIVEN, strict=True):
        assert (event["items"], event["predictions"], event["request"]) == (items, predictions, None)
        told = event["id"]
        assert (told if isinstance(told, str) else str(told)) == event_id
        assert isinstance(event["time"], int)
    mixed = last.pop("items")
    assert np.isnan(mixed[1].pop("x"))
    assert mixed == [
        {"n": 1, "s": "LGA", "x": 0.5, "o": [1], "c": "u"},
        {"n": 2, "s": None, "o": "t", "c": "v"},
        {"n": 3, "s": "JFK", "x": 1.5, "o": None, "c": "u"},
    ]
    assert last["request"] == [{"city": "Rome"}]
    assert (last["id"], last["inference id"], last["custom attributes"], last["model name"]) == (
        "not ours", "call-9", "trace=7", "other",
    )  # fmt: skip
    assert last["missing"] == {"plane": 2, "weather": 0}
    assert last["ages"] == {"plane": None, "weather": last["time"] / 1e6}


def test_an_id_that_the_buffer_made_is_sixteen_bytes_of_a_uuid(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        assert opened.append({"a": 1}, 0.5)
    read = [read_segment(path.read_bytes()) for path in sorted((tmp_path / "spool" / "segments").iterdir())]
    ((event,),) = [events for _, events in read if events]
    assert (len(event["id"]), event["id"][6] >> 4) == (16, 7)

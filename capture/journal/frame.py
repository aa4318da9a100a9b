"""Frames: the bytes of one record in a segment, written by the request's thread and read by the shipper.

Layout, all integers little-endian, every frame at a multiple of 8 from the segment's data offset:

    u32  length    of the frame, these 16 bytes included, a multiple of 8
    u32  checksum  CRC-32C, begun with the segment's seed, of everything behind this word up to the frame's end
    u32  head      length of the head
    u32  kind      1: an event; 2: the names of a shape
    ...  head      msgpack
    ...  buffers   each begins at the next multiple of 8, in the order in which the head names them

A shape's head is the list of its names; shapes are numbered from 0 in the order in which the segment holds them, and
stand before the first event that uses them. An event's head is the list

    id             16 bytes of a UUIDv7, or text as the caller gave it
    time           microseconds since 1970 UTC
    inference id, custom attributes, model name    text or null (a caller's other value is read as its text)
    ages           map: feature group → seconds or null;  or null
    missing        map: feature group → count;  or null
    request, items, predictions    blocks; request may be null

and a block is the list `[kind, shape, …]`, shape being null where the kind has none:

    0 ROW      values
    1 ROWS     list of values, a row each
    2 RAGGED   list of maps
    3 MATRIX   dtype, rows, columns, order "C" or "F", bytes          one buffer
    4 COLUMNS  as TABLE; one row whose values are lists where the event has one prediction (written until 0.1.0)
    5 BATCH    bytes                                                  one buffer: an Arrow IPC stream
    6 TABLE    rows, list of parts (`dataframes`: m, s, l, b)          the parts' buffers
    7 LISTS    as TABLE: one row, whose values are the columns as lists

Values are those of `capture.values`. Nothing in a frame is a pickle.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from crc32c import crc32c

from capture.event_id import event_id_text
from capture.journal import values
from capture.record import ArrowBlock, Block, Columns, Event, Matrix, Ragged, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = 16
EVENT, SHAPE = 1, 2
ROW, ROWS, RAGGED, MATRIX, COLUMNS, BATCH, TABLE, LISTS = range(8)
_prefix = struct.Struct("<IIII")
pack_prefix = _prefix.pack_into
pack_checksum = struct.Struct("<I").pack_into


def place(view: memoryview, start: int, kind: int, head: bytes, buffers: tuple[Any, ...], seed: int) -> int:
    """Writes one frame at `start` and returns where it ends; 0, with nothing usable written, where it does not fit."""
    size = len(head)
    head_at = start + PREFIX
    at = end = head_at + size + 7 & -8
    for buffer in buffers:
        end = end + len(buffer) + 7 & -8
    if end > len(view):
        return 0
    view[head_at : head_at + size] = head
    for buffer in buffers:
        stop = at + len(buffer)
        view[at:stop] = buffer
        at = stop + 7 & -8
    pack_prefix(view, start, end - start, 0, size, kind)
    pack_checksum(view, start + 4, crc32c(view[start + 8 : end], seed, 0))
    return end


def frame_size(head: bytes, buffers: tuple[Any, ...]) -> int:
    """The bytes that `place` would need."""
    end = PREFIX + len(head) + 7 & -8
    for buffer in buffers:
        end = end + len(buffer) + 7 & -8
    return end


def walk(view: memoryview, start: int, stop: int, seed: int) -> Iterator[tuple[int, int, int, int]]:
    """The frames in [start, stop): (start, end, kind, length of head).

    Ends early at the first frame whose length or checksum is wrong: whoever counts sees that `stop` was not reached.
    """
    while start < stop:
        if stop - start < PREFIX:
            return
        length, checksum, head, kind = _prefix.unpack_from(view, start)
        end = start + length
        if length < PREFIX or length % 8 or end > stop or PREFIX + head > length:
            return
        if crc32c(view[start + 8 : end], seed, 0) != checksum:
            return
        yield start, end, kind, head
        start = end


def shape_names(view: memoryview, start: int, head: int) -> tuple[str, ...]:
    """The names in a shape's frame."""
    return tuple(values.decode(view[start + PREFIX : start + PREFIX + head]))


def read_event(
    view: memoryview, start: int, head: int, shapes: list[tuple[str, ...]], writer: str, number: int
) -> Event:
    """The event in the frame at `start`; ValueError, IndexError or TypeError where the head is not this format's."""
    at = start + PREFIX
    fields = values.decode(view[at : at + head])
    reader = _BlockReader(view, at + head + 7 & -8, shapes)
    event_id, time, inference_id, attributes, model, ages, missing, request, items, predictions = fields
    return Event(
        writer=writer,
        number=number,
        event_id=event_id if isinstance(event_id, str) else event_id_text(event_id),
        event_time=time,
        inference_id=_text(inference_id),
        custom_attributes=_text(attributes),
        model_name=_text(model),
        ages=ages or {},
        missing=missing or {},
        request=None if request is None else reader.block(request),
        items=reader.block(items),
        predictions=reader.block(predictions),
    )


def _listed(column: Any) -> Any:
    return column.to_pylist() if hasattr(column, "to_pylist") else column


def _text(value: Any) -> str | None:
    return value if value is None or type(value) is str else str(value)


class _BlockReader:
    """Reads an event's blocks in the order in which the writer laid their buffers."""

    def __init__(self, view: memoryview, at: int, shapes: list[tuple[str, ...]]) -> None:
        self._view = view
        self._at = at
        self._shapes = shapes

    def block(self, fields: list[Any]) -> Block:
        kind, shape, *rest = fields
        if kind == ROW:
            return Rows(self._shapes[shape], [rest[0]])
        if kind == ROWS:
            return Rows(self._shapes[shape], rest[0])
        if kind == MATRIX:
            return self._matrix(self._shapes[shape], *rest)
        if kind == TABLE:
            return self._columns(self._shapes[shape], *rest)
        if kind == COLUMNS:
            columns = self._columns(self._shapes[shape], *rest)
            columns.undecided = True
            return columns
        if kind == LISTS:
            columns = self._columns(self._shapes[shape], *rest)
            return Rows(columns.names, [tuple(map(_listed, columns.columns))])
        if kind == RAGGED:
            return Ragged(rest[0])
        if kind == BATCH:
            return ArrowBlock(self._ipc(rest[0]))
        raise ValueError(f"a block of kind {kind} is not one of this format's")

    def _take(self, size: int) -> memoryview:
        at, self._at = self._at, self._at + size + 7 & -8
        return self._view[at : at + size]

    def _array(self, dtype: str, size: int) -> Any:
        import numpy as np

        return np.frombuffer(self._take(size), dtype=dtype)

    def _matrix(self, names: tuple[str, ...], dtype: str, rows: int, width: int, order: str, size: int) -> Matrix:
        array = self._array(dtype, size)
        return Matrix(names, array.reshape(rows, width) if order == "C" else array.reshape(width, rows).T)

    def _columns(self, names: tuple[str, ...], rows: int, parts: list[list[Any]]) -> Columns:
        columns: list[Any] = [None] * len(names)
        for tag, positions, *rest in parts:
            if tag == "m":
                block = self._array(rest[0], rest[1]).reshape(len(positions), rows)
                for position, column in zip(positions, block, strict=True):
                    columns[position] = column
            elif tag == "s":
                columns[positions[0]] = self._strings(rows, *rest)
            elif tag == "b":
                columns[positions[0]] = self._ipc(rest[0]).column(0)
            elif tag == "l":
                columns[positions[0]] = rest[0]
            else:
                raise ValueError(f"a part {tag!r} is not one of this format's")
        return Columns(names, columns, rows)

    def _strings(self, rows: int, width: int, validity: int, offsets: int, text: int, first: int) -> Any:
        import pyarrow as pa

        buffers = [pa.py_buffer(self._take(size)) for size in (validity, offsets, text)]
        kind = pa.string() if width == 4 else pa.large_string()
        return pa.Array.from_buffers(kind, rows, [buffers[0] if validity else None, *buffers[1:]], offset=first)

    def _ipc(self, size: int) -> Any:
        import pyarrow as pa

        with pa.ipc.open_stream(pa.py_buffer(self._take(size))) as reader:
            table = reader.read_all().combine_chunks()
        batches = table.to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)

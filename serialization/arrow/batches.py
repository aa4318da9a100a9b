"""What the messages of an Arrow stream would become in memory, read from their metadata alone.

Metadata is a flatbuffer, `Message` of Arrow's Message.fbs. Of a record batch it gives the length of each array and the
place of each buffer; a compressed buffer starts with its own length after decompression. pyarrow has verified the
flatbuffer's structure when it hands a message over; the reads here are bounded all the same.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_MESSAGE_HEADER_TYPE, _MESSAGE_HEADER = 1, 2
_BATCH_LENGTH, _BATCH_NODES, _BATCH_BUFFERS, _BATCH_COMPRESSION = range(4)
_DICTIONARY_DATA = 1
_NOT_COMPRESSED = -1


@dataclass(frozen=True, slots=True)
class Extent:
    """items: lengths of all arrays, nested ones included. bytes: of all buffers, decompressed."""

    items: int
    bytes: int


class _FlatbufferTable:
    """A flatbuffer table: fields by their number in the schema."""

    def __init__(self, buffer: memoryview, at: int) -> None:
        self._buffer = buffer
        self._at = at
        self._fields_at = at - struct.unpack_from("<i", buffer, at)[0]
        self._fields_size = struct.unpack_from("<H", buffer, self._fields_at)[0]

    def number(self, field: int, kind: str) -> int:
        """A scalar, 0 where it is not there."""
        at = self._place(field)
        return int(struct.unpack_from("<" + kind, self._buffer, at)[0]) if at else 0

    def table(self, field: int) -> "_FlatbufferTable | None":
        at = self._place(field)
        return _FlatbufferTable(self._buffer, self._follow(at)) if at else None

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two 64-bit integers."""
        at = self._place(field)
        if at:
            vector = self._follow(at)
            count = struct.unpack_from("<I", self._buffer, vector)[0]
            yield from struct.iter_unpack("<qq", self._buffer[vector + 4 : vector + 4 + 16 * count])

    def _place(self, field: int) -> int:
        entry = 4 + 2 * field
        if entry >= self._fields_size:
            return 0
        offset = int(struct.unpack_from("<H", self._buffer, self._fields_at + entry)[0])
        return self._at + offset if offset else 0

    def _follow(self, at: int) -> int:
        return at + int(struct.unpack_from("<I", self._buffer, at)[0])


def extent(message: Any) -> Extent:
    """What a message of a stream (`pyarrow.ipc.Message`) would become; nothing for a schema.

    Raises ValueError for metadata that is not Arrow's.
    """
    try:
        metadata = memoryview(message.metadata)
        root = _FlatbufferTable(metadata, struct.unpack_from("<I", metadata, 0)[0])
        kind = root.number(_MESSAGE_HEADER_TYPE, "B")
        header = root.table(_MESSAGE_HEADER)
        if kind == _DICTIONARY_BATCH and header is not None:
            header = header.table(_DICTIONARY_DATA)
        elif kind != _RECORD_BATCH:
            return Extent(0, 0)
        return Extent(0, 0) if header is None else _extent_of_batch(header, memoryview(message.body))
    except struct.error as error:
        raise ValueError(f"metadata of a message is cut off ({error})") from None


def _extent_of_batch(batch: _FlatbufferTable, body: memoryview) -> Extent:
    lengths = [length for length, _ in batch.pairs(_BATCH_NODES)]
    length = batch.number(_BATCH_LENGTH, "q")
    if length < 0 or min(lengths, default=0) < 0:
        raise ValueError("an array has a negative length")
    compressed = batch.table(_BATCH_COMPRESSION) is not None
    total = 0
    for offset, size in batch.pairs(_BATCH_BUFFERS):
        if size <= 0:
            continue
        expanded = struct.unpack_from("<q", body, offset)[0] if compressed else _NOT_COMPRESSED
        if expanded < _NOT_COMPRESSED:
            raise ValueError("a buffer has a negative length")
        total += size if expanded == _NOT_COMPRESSED else expanded
    return Extent(max(length, sum(lengths)), total)

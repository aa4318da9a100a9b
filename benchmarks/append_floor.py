"""The floor of an append, and the row that ours and the peer's benchmark both send. Needs msgspec alone.

A *floor* is what any capture must do at least: msgspec into a buffer that is there already, and a copy of the bytes into mapped
memory, as much of it as the journal has in use. It keeps no names, no id, no time, no checksum.
"""

from __future__ import annotations

import mmap
import random
import tempfile
from typing import Any

import msgspec

_FLOOR_BYTES = 64 << 20
_PAGE = 4096


def row_of_50() -> dict[str, Any]:
    """Returns the row of W1: 45 floats and 5 short strings."""
    draw = random.Random(7)
    return {f"feature_{i:02}": draw.random() for i in range(45)} | {f"text_{i}": f"value-{i}" for i in range(5)}


class Floor:
    """Mapped memory that is written from its beginning to its end, again and again."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile(dir="/dev/shm") as file:
            file.truncate(_FLOOR_BYTES)
            self._map = mmap.mmap(file.fileno(), _FLOOR_BYTES)
        self._view = memoryview(self._map)
        for page in range(0, _FLOOR_BYTES, _PAGE):
            self._view[page] = 0
        self._scratch = bytearray(1 << 20)
        self._encode = msgspec.msgpack.Encoder().encode_into
        self._at = 0

    def put(self, value: Any, *buffers: memoryview) -> None:
        """Encodes `value`, then copies it and the buffers."""
        self._encode(value, self._scratch, 0)
        size = len(self._scratch)
        if self._at + size + sum(map(len, buffers)) > _FLOOR_BYTES:
            self._at = 0
        at = self._at
        self._view[at : at + size] = self._scratch
        at += size
        for buffer in buffers:
            self._view[at : at + len(buffer)] = buffer
            at += len(buffer)
        self._at = at

"""The five workloads of the append benchmark, what each appends, and the floor that it is held against.

W1 one row of 50 features (45 floats, 5 short strings) as a mapping; W2 200 items × 40 float64 as a matrix with 10
request-level features; W3 the same as a DataFrame of one dtype; W4 with 4 of the 40 columns strings; W5 as 200
mappings. A *floor* is what any capture must do at least: msgspec into a buffer that is there already, and a copy of the
arrays' bytes into mapped memory, as much of it as the journal has in use. It keeps no names, no id, no time, no
checksum. W3's asks the DataFrame for its memory (`to_numpy`), W4's is spared that and encodes ready lists of text.
"""

from __future__ import annotations

import mmap
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from capture import CaptureBuffer
from capture.journal.spool import touch

ITEMS, WIDTH, REQUEST = 200, 40, 10
_FLOOR_BYTES = 64 << 20


@dataclass(frozen=True)
class Workload:
    """One way to append: `append` makes one call, `floor` does the least of the same."""

    name: str
    about: str
    rate: int
    calls: int
    append: Callable[[CaptureBuffer], bool]
    floor: Callable[[], None]


class _Floor:
    """Mapped memory that is written from its beginning to its end, again and again."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile(dir="/dev/shm") as file:
            file.truncate(_FLOOR_BYTES)
            self._map = mmap.mmap(file.fileno(), _FLOOR_BYTES)
        self._view = memoryview(self._map)
        touch(self._map)
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


def _bytes_of(array: Any) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view("u1").data)


def workloads() -> list[Workload]:
    """All five, on the same numbers each time."""
    draw = random.Random(7)
    numbers = np.random.default_rng(7).random((ITEMS, WIDTH))
    risks = np.random.default_rng(8).random(ITEMS)
    row = {f"feature_{i:02}": draw.random() for i in range(45)} | {f"text_{i}": f"value-{i}" for i in range(5)}
    request = {f"request_{i}": draw.random() for i in range(REQUEST)}
    names = tuple(f"feature_{i:02}" for i in range(WIDTH))
    frame = pd.DataFrame(numbers, columns=list(names))
    mixed = frame.copy()
    for name in names[:4]:
        mixed[name] = [f"value-{i % 17}" for i in range(ITEMS)]
    rows = frame.to_dict("records")
    texts = [list(mixed[name]) for name in names[:4]]
    matrix, others, outputs = _bytes_of(numbers), _bytes_of(numbers[:, 4:]), _bytes_of(risks)
    floor = _Floor().put
    return [
        Workload("W1", "one row of 50 features, a mapping", 10_000, 200_000,
                 lambda buffer: buffer.append(row, 0.25), lambda: floor(row)),
        Workload("W2", "200 × 40 float64, a matrix, 10 request-level features", 1_000, 20_000,
                 lambda buffer: buffer.append(numbers, risks, request_features=request, feature_names=names),
                 lambda: floor(request, matrix, outputs)),
        Workload("W3", "the same as a DataFrame of one dtype", 1_000, 20_000,
                 lambda buffer: buffer.append(frame, risks, request_features=request),
                 lambda: floor(request, frame.to_numpy().T.data.cast("B"), outputs)),
        Workload("W4", "the same with 4 of 40 columns strings", 1_000, 20_000,
                 lambda buffer: buffer.append(mixed, risks, request_features=request),
                 lambda: floor((request, texts), others, outputs)),
        Workload("W5", "the same as 200 mappings", 500, 20_000,
                 lambda buffer: buffer.append(rows, risks, request_features=request),
                 lambda: floor((request, rows), outputs)),
    ]  # fmt: skip

"""The five workloads of the append benchmark, what each appends, and the floor that it is held against.

W1 one row of 50 features (45 floats, 5 short strings) as a mapping; W2 200 items × 40 float64 as a matrix with 10
request-level features; W3 the same as a DataFrame of one dtype; W4 with 4 of the 40 columns strings; W5 as 200
mappings. What a *floor* is, `append_floor` says. W3's asks the DataFrame for its memory (`to_numpy`), W4's is spared that and encodes ready lists of text.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.append_floor import Floor, row_of_50
from capture import CaptureBuffer

ITEMS, WIDTH, REQUEST = 200, 40, 10


@dataclass(frozen=True)
class Workload:
    """One way to append: `append` makes one call, `floor` does the least of the same."""

    name: str
    about: str
    rate: int
    calls: int
    append: Callable[[CaptureBuffer], bool]
    floor: Callable[[], None]


def _bytes_of(array: Any) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view("u1").data)


def workloads() -> list[Workload]:
    """All five, on the same numbers each time."""
    draw = random.Random(9)
    numbers = np.random.default_rng(7).random((ITEMS, WIDTH))
    risks = np.random.default_rng(8).random(ITEMS)
    row = row_of_50()
    request = {f"request_{i}": draw.random() for i in range(REQUEST)}
    names = tuple(f"feature_{i:02}" for i in range(WIDTH))
    frame = pd.DataFrame(numbers, columns=list(names))
    mixed = frame.copy()
    for name in names[:4]:
        mixed[name] = [f"value-{i % 17}" for i in range(ITEMS)]
    rows = frame.to_dict("records")
    texts = [list(mixed[name]) for name in names[:4]]
    matrix, others, outputs = _bytes_of(numbers), _bytes_of(numbers[:, 4:]), _bytes_of(risks)
    floor = Floor().put
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

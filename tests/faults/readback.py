"""Read back from the S3 server, and compared record by record with what the workers say they appended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from capture import dataset
from capture.reading.reader import Dataset
from tests.faults.nursery import record

Arrived = dict[str, dict[int, int]]
"""By worker and number: how often the record is there."""


def read_back(uri: str) -> Arrived:
    """Every row below `uri`; each is compared with what its worker appended under its number."""
    arrived: dict[str, Counter[int]] = defaultdict(Counter)
    for found in Dataset(uri).read():
        for row in found.table().to_pylist():
            worker, number = row["worker"], round(row["n"])
            arrived[worker][number] += 1
            features, prediction = record(worker, number)
            wanted: dict[str, Any] = {**features, "prediction": prediction}
            assert {name: row[name] for name in wanted} == wanted
            assert (row[dataset.ITEM_INDEX], row[dataset.ITEM_COUNT], row[dataset.RESCUED_DATA]) == (0, 1, None)
    return {worker: dict(counts) for worker, counts in arrived.items()}


def compare(arrived: Arrived, acknowledged: Mapping[str, Sequence[int]], said: str) -> int:
    """Asserts that every acknowledged record is there once, and that nothing else is but, of each worker, the one that
    it had committed and did not live to note. Returns how many are there."""
    assert arrived.keys() <= acknowledged.keys(), said
    for worker, numbers in acknowledged.items():
        there = arrived.get(worker, {})
        assert set(there.values()) <= {1}, f"{said}: {worker} has records twice"
        missing = sorted(set(numbers) - there.keys())
        assert not missing, f"{said}: {worker} lacks {len(missing)} of {len(numbers)}, the first {missing[:5]}"
        extra = there.keys() - set(numbers)
        assert extra <= {max(numbers, default=0) + 1}, f"{said}: {worker} has {sorted(extra)} that nobody acknowledged"
    return sum(map(len, arrived.values()))

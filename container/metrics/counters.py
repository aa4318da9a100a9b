"""Counts that every worker keeps in a file of its own, and the supervisor adds up.

A count is a double in mapped memory: to add to it costs a fraction of a microsecond, where the multiprocess mode of
`prometheus_client` takes five, eleven times a request. What a worker has counted outlives it.

Files in the directory, for one process
- `ID.counts`: `SLOTS` doubles, native byte order. A counter has one slot; a histogram one for each bucket, one for what is
  above them all, one for the sum.
- `ID.series`: a JSON line `[first slot, family, [label value, …]]` for each series, written before its slots are used.

ID is the process id, a dash, and the time of its start. A series that finds no slot is not counted: there are enough for
some two hundred feature groups.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

SLOTS = 16_384
_BYTES = 8 * SLOTS

Series = tuple[str, tuple[str, ...]]
"""A family's name and the values of its labels."""


@dataclass(frozen=True)
class Family:
    """A metric: its name, what it means, its labels, and for a histogram the upper bounds of its buckets."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def slots(self) -> int:
        """How many slots one series takes."""
        return len(self.bounds) + 2 if self.bounds else 1


class Tally:
    """One process's counts. May be used by several threads."""

    def __init__(self, directory: Path | None) -> None:
        """Args: directory: where the files go; None: the counts are in this process's memory only."""
        self._series: dict[Series, int | None] = {}
        self._used = 0
        self._lock = threading.Lock()
        self._index: Path | None = None
        if directory is None:
            self._map = mmap.mmap(-1, _BYTES)
        else:
            name = f"{os.getpid()}-{time.time_ns()}"
            with (directory / f"{name}.counts").open("w+b") as file:
                file.truncate(_BYTES)
                self._map = mmap.mmap(file.fileno(), _BYTES)
            self._index = directory / f"{name}.series"
        self._counts = memoryview(self._map).cast("d")

    def add(self, family: Family, labels: tuple[str, ...] = (), amount: float = 1.0) -> None:
        """Add to a counter."""
        slot = self._slot(family, labels)
        if slot is not None:
            with self._lock:
                self._counts[slot] += amount

    def observe(self, family: Family, value: float, labels: tuple[str, ...] = ()) -> None:
        """Add a value to a histogram."""
        slot = self._slot(family, labels)
        if slot is not None:
            bounds = family.bounds
            with self._lock:
                self._counts[slot + bisect_left(bounds, value)] += 1.0
                self._counts[slot + len(bounds) + 1] += value

    def read(self) -> dict[Series, list[float]]:
        """This process's series and the contents of their slots, as far as these are known to be used."""
        entries = sorted((slot, key) for key, slot in self._series.items() if slot is not None)
        ends = [slot for slot, _ in entries[1:]] + [self._used]
        return {key: list(self._counts[slot:end]) for (slot, key), end in zip(entries, ends, strict=True)}

    def _slot(self, family: Family, labels: tuple[str, ...]) -> int | None:
        try:
            return self._series[family.name, labels]
        except KeyError:
            return self._new_series(family, labels)

    def _new_series(self, family: Family, labels: tuple[str, ...]) -> int | None:
        with self._lock:
            if (family.name, labels) not in self._series:
                fits = self._used + family.slots <= SLOTS
                slot = self._used if fits else None
                if slot is not None:
                    self._used += family.slots
                    if self._index is not None:
                        with self._index.open("ab") as index:
                            index.write(msgspec.json.encode([slot, family.name, labels]) + b"\n")
                self._series[family.name, labels] = slot
            return self._series[family.name, labels]


class TallyReader:
    """The counts of all processes that ever wrote to a directory. Files of those that have ended are taken over."""

    def __init__(self, directory: Path, families: Sequence[Family]) -> None:
        self._directory = directory
        self._families = {family.name: family for family in families}
        self._ended: dict[Series, list[float]] = {}

    def total(self) -> dict[Series, list[float]]:
        """Slots by family and label values, added up."""
        living: dict[Series, list[float]] = {}
        for index in sorted(self._directory.glob("*.series")):
            # Asked first: one that ends meanwhile is read once more the next time, and only then taken over.
            alive = Path("/proc", index.name.partition("-")[0]).exists()
            self._read(index, living if alive else self._ended)
            if not alive:
                index.unlink()
                index.with_suffix(".counts").unlink(missing_ok=True)
        return _sum(self._ended, living)

    def _read(self, index: Path, into: dict[Series, list[float]]) -> None:
        counts = memoryview(index.with_suffix(".counts").read_bytes()).cast("d")
        for line in index.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                continue
            slot, name, labels = msgspec.json.decode(line, type=tuple[int, str, tuple[str, ...]])
            family = self._families.get(name)
            if family is not None:
                _add(into, (name, labels), [float(count) for count in counts[slot : slot + family.slots]])


def _add(into: dict[Series, list[float]], key: Series, by: list[float]) -> None:
    known = into.get(key)
    into[key] = by if known is None else [first + second for first, second in zip(known, by, strict=True)]


def _sum(first: dict[Series, list[float]], second: dict[Series, list[float]]) -> dict[Series, list[float]]:
    total = dict(first)
    for key, counts in second.items():
        _add(total, key, counts)
    return total

"""Counts that every worker keeps in a file of its own, and the supervisor adds up.

A count is a double in mapped memory: to add to it costs a fraction of a microsecond, where the multiprocess mode of
`prometheus_client` takes five, eleven times a request. What a worker has counted outlives it.

Files in the directory, for one process
- `ID.counts`: `SLOTS` doubles, native byte order. A counter has one slot; a histogram one for each bucket, one for what is
  above them all, one for the sum.
- `ID.series`: a JSON line `[first slot, family, [label value, …]]` for each series, written before its slots are used;
  zeros follow.

ID is the process id, a dash, and the time of its start. A series that finds no slot is not counted: there are enough for
some two hundred feature groups.

Invariant: counting fails no request. Both files have their final size and their blocks on disk before the first request
(a file with holes ends the process with SIGBUS on a full disk), and are written through mapped memory alone. Where the
disk is full when a worker starts, its counts stay in its own memory, and the log says so.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

log = logging.getLogger("endpoint")
SLOTS = 16_384
SERIES_BYTES = 128 * 1024
_BYTES = 8 * SLOTS

Series = tuple[str, tuple[str, ...]]
"""A family's name and the values of its labels."""


@dataclass(frozen=True)
class Family:
    """A metric: its name, what it means, its labels, and for a histogram the upper bounds of its buckets.

    `expected` are the label values of series that stand in the metrics from the start, at 0.
    """

    name: str
    documentation: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    expected: tuple[tuple[str, ...], ...] = ((),)

    @property
    def slots(self) -> int:
        """How many slots one series takes."""
        return len(self.bounds) + 2 if self.bounds else 1


class Counters:
    """One process's counts. May be used by several threads."""

    def __init__(self, directory: Path | None) -> None:
        """Args: directory: where the files go; None: the counts are in this process's memory only."""
        self._series: dict[Series, int] = {}
        self._used = 0
        self._lock = threading.Lock()
        self._counts_map, self._series_map = _maps(directory)
        self._series_end = 0
        self._counts = memoryview(self._counts_map).cast("d")

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
        entries = sorted((slot, key) for key, slot in self._series.items())
        ends = [*(slot for slot, _ in entries), self._used][1:]
        return {key: list(self._counts[slot:end]) for (slot, key), end in zip(entries, ends, strict=True)}

    def _slot(self, family: Family, labels: tuple[str, ...]) -> int | None:
        try:
            return self._series[family.name, labels]
        except KeyError:
            return self._new_series(family, labels)

    def _new_series(self, family: Family, labels: tuple[str, ...]) -> int | None:
        """Return the first slot of a new series, None where there is no room; those are not remembered."""
        with self._lock:
            slot = self._series.get((family.name, labels))
            if slot is None and self._used + family.slots <= SLOTS and self._write_series(family, labels):
                slot = self._series[family.name, labels] = self._used
                self._used += family.slots
            return slot

    def _write_series(self, family: Family, labels: tuple[str, ...]) -> bool:
        """Write down whose the next slots are; False where there is no room for it."""
        try:
            entry = msgspec.json.encode([self._used, family.name, labels]) + b"\n"
        except UnicodeEncodeError:
            return False
        end = self._series_end + len(entry)
        if end > SERIES_BYTES:
            return False
        self._series_map[self._series_end : end] = entry
        self._series_end = end
        return True


def _maps(directory: Path | None) -> tuple[mmap.mmap, mmap.mmap]:
    """Map a process's two files, or as much memory of its own where there is no directory or no room on its disk."""
    if directory is not None:
        base = directory / f"{os.getpid()}-{time.time_ns()}"
        try:
            counts = _allocated(base.with_suffix(".counts"), _BYTES)
            return counts, _allocated(base.with_suffix(".series"), SERIES_BYTES)
        except OSError as error:
            log.warning("counts of this worker are missing from /metrics: %s cannot be written: %s", directory, error)
            for suffix in (".series", ".counts"):
                base.with_suffix(suffix).unlink(missing_ok=True)
    return mmap.mmap(-1, _BYTES), mmap.mmap(-1, SERIES_BYTES)


def _allocated(path: Path, size: int) -> mmap.mmap:
    with path.open("x+b") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        return mmap.mmap(file.fileno(), size)


class CountersReader:
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
        if len(counts) < SLOTS:
            return  # the worker is making its files
        for line in index.read_bytes().rstrip(b"\0").splitlines(keepends=True):
            try:
                slot, name, labels = msgspec.json.decode(line, type=tuple[int, str, tuple[str, ...]])
            except msgspec.DecodeError:
                continue  # it is being written
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

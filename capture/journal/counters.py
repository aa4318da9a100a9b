"""A writing process's counters: a mapped file of counters, which survives `kill -9` and which the shipper reads.

The process holds a lock (`flock`) on the file as long as it lives; whoever gets the lock knows that the process is
dead or has closed its buffer. Each writer counts in a page of its own, so that threads never count in one word.

Layout, 64-bit words, little-endian:

    page 0       word 0 magic b"EACCOUNT"; 1 version; 2 closed; 3 when it began, microseconds since 1970 UTC;
                 4 where the header's text stands; 5 its length; 6 dropped segments; 7 dropped bytes;
                 8 writers: how many were made, so that nobody looks at the pages of the others
    page 1 … 64  a writer each, writer number n in page n + 1: the words of `WriterCounters` below
    then         the header (`record.Header`) as JSON

`appended` is no word: it is kept + sampled out + the refused, so the identity holds at any moment.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = int.from_bytes(b"EACCOUNT", "little")
VERSION = 1
MAX_WRITERS = 64
UNASSIGNED = MAX_WRITERS - 1
"""The writer that writes nothing: in it stand the records that were refused before they found a writer."""
PAGE = 4096
_WORDS = PAGE // 8

TOO_LARGE, UNENCODABLE, SPOOL_FULL, SPOOL_UNAVAILABLE, BUSY, INTERNAL, CLOSED = range(7)
REFUSALS = ("too_large", "unencodable", "spool_full", "spool_unavailable", "busy", "internal", "closed")
"""Why `append` refuses a record, in the order of the counters."""

_KEPT, _SAMPLED_OUT, _ROWS, _BYTES, _MISMATCHES, _SETTLED, _COUNT, _SUM, _MAX = range(9)
_REFUSED, _BUCKETS = 16, 64
_MAX_BUCKET = _WORDS - _BUCKETS - 1
_LAST_BUCKET = _WORDS - 1


class WriterCounters:
    """One writer's counters, written by the writer's thread alone (`settled` by the shipper).

    What every append counts is remembered here too: to ask the memory for it costs as much as to write it.
    """

    __slots__ = ("_bytes", "_calls", "_kept", "_longest", "_nanoseconds", "_rows", "_words")

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._kept, self._rows, self._bytes = words[_KEPT], words[_ROWS], words[_BYTES]
        self._calls, self._nanoseconds, self._longest = words[_COUNT], words[_SUM], words[_MAX]

    def kept(self, rows: int, size: int, mismatch: bool) -> None:
        """One more record is committed."""
        words = self._words
        self._kept = words[_KEPT] = self._kept + 1
        self._rows = words[_ROWS] = self._rows + rows
        self._bytes = words[_BYTES] = self._bytes + size
        if mismatch:
            words[_MISMATCHES] += 1

    def count(self, rows: int, size: int, mismatch: bool, nanoseconds: int) -> None:
        """Counts a record that was committed and how long its append took: `kept` and `measured` in one call."""
        words = self._words
        self._kept = words[_KEPT] = self._kept + 1
        self._rows = words[_ROWS] = self._rows + rows
        self._bytes = words[_BYTES] = self._bytes + size
        if mismatch:
            words[_MISMATCHES] += 1
        self._calls = words[_COUNT] = self._calls + 1
        self._nanoseconds = words[_SUM] = self._nanoseconds + nanoseconds
        if nanoseconds > self._longest:
            self._longest = words[_MAX] = nanoseconds
        power = nanoseconds.bit_length()
        bucket = (power << 3) + (nanoseconds >> power - 4 & 7) if power > 3 else nanoseconds
        words[_BUCKETS + bucket if bucket < _MAX_BUCKET else _LAST_BUCKET] += 1

    def resume(self, last_number: int) -> None:
        """Counts a record that was committed before an exception from outside kept it from being counted."""
        words = self._words
        self._kept = words[_KEPT] = max(words[_KEPT], last_number)
        self._rows, self._bytes = words[_ROWS], words[_BYTES]
        self._calls, self._nanoseconds, self._longest = words[_COUNT], words[_SUM], words[_MAX]

    def sampled_out(self) -> None:
        """One more record was left out by sampling."""
        self._words[_SAMPLED_OUT] += 1

    def refused(self, reason: int, records: int = 1) -> None:
        """One more record was refused, or so many."""
        self._words[_REFUSED + reason] += records

    def measured(self, nanoseconds: int) -> None:
        """One append took so long. Buckets have 8 steps for each power of two: right to 12.5 %."""
        words = self._words
        self._calls = words[_COUNT] = self._calls + 1
        self._nanoseconds = words[_SUM] = self._nanoseconds + nanoseconds
        if nanoseconds > self._longest:
            self._longest = words[_MAX] = nanoseconds
        power = nanoseconds.bit_length()
        bucket = (power << 3) + (nanoseconds >> power - 4 & 7) if power > 3 else nanoseconds
        words[_BUCKETS + bucket if bucket < _MAX_BUCKET else _LAST_BUCKET] += 1

    @property
    def used(self) -> bool:
        """Whether anything was ever counted."""
        words = self._words
        return bool(
            words[_COUNT]
            or words[_KEPT]
            or words[_REFUSED + SPOOL_UNAVAILABLE]
            or words[_REFUSED + BUSY]
            or words[_REFUSED + CLOSED]
        )

    @property
    def records(self) -> int:
        """The records kept so far: the number of the last one."""
        return self._words[_KEPT]

    @property
    def rows(self) -> int:
        """The rows of the records kept so far."""
        return self._words[_ROWS]

    def correct(self, records: int) -> None:
        """What a dead writer committed and did not live to count."""
        if records > self._words[_KEPT]:
            self._words[_KEPT] = records

    @property
    def settled(self) -> int:
        """Records that are shipped or lost."""
        return self._words[_SETTLED]

    def settle(self, records: int) -> None:
        """The shipper says how many records are shipped or lost."""
        self._words[_SETTLED] = records

    def reading(self) -> WriterCounts:
        """A copy of the counters."""
        words = self._words
        buckets = {i: words[_BUCKETS + i] for i in range(_MAX_BUCKET + 1) if words[_BUCKETS + i]}
        refused = {name: words[_REFUSED + i] for i, name in enumerate(REFUSALS) if words[_REFUSED + i]}
        return WriterCounts(
            kept=words[_KEPT],
            sampled_out=words[_SAMPLED_OUT],
            rows=words[_ROWS],
            bytes=words[_BYTES],
            row_mismatches=words[_MISMATCHES],
            settled=words[_SETTLED],
            refused=refused,
            latency=Latency(words[_COUNT], words[_SUM], words[_MAX], buckets),
        )


_MIN_POWER, _MAX_POWER = 10, 30
HISTOGRAM_SECONDS = tuple(str(2**power / 1e9) for power in range(_MIN_POWER, _MAX_POWER + 1))
"""Upper bounds of the histogram's buckets, about 1 µs to 1 s."""


@dataclass(slots=True)
class Latency:
    """How long `append` took: calls, nanoseconds in all, the longest, and calls by bucket."""

    count: int = 0
    total: int = 0
    longest: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, other: Latency) -> None:
        """Merges another histogram into this one."""
        self.count += other.count
        self.total += other.total
        self.longest = max(self.longest, other.longest)
        for bucket, calls in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + calls

    def quantile(self, share: float) -> float:
        """Nanoseconds that the given share of calls did not exceed, right to 12.5 %; 0 without calls."""
        wanted, seen = share * sum(self.buckets.values()), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(_upper(bucket), float(self.longest))
        return 0.0

    def histogram(self) -> dict[str, int]:
        """Returns the number of calls in each bucket of a histogram, by the bucket's upper bound in seconds (`+Inf` the last).

        The other bounds are powers of two in nanoseconds, at which the finer buckets end.
        """
        found = dict.fromkeys((*HISTOGRAM_SECONDS, "+Inf"), 0)
        for bucket, calls in self.buckets.items():
            power = max(bucket.bit_length() if bucket < 8 else bucket >> 3, _MIN_POWER)
            found[HISTOGRAM_SECONDS[power - _MIN_POWER] if power <= _MAX_POWER else "+Inf"] += calls
        return found


@dataclass(slots=True)
class WriterCounts:
    """One writer's counters at one moment."""

    kept: int
    sampled_out: int
    rows: int
    bytes: int
    row_mismatches: int
    settled: int
    refused: dict[str, int]
    latency: Latency

    @property
    def appended(self) -> int:
        """Every call of append."""
        return self.kept + self.sampled_out + sum(self.refused.values())


def _upper(bucket: int) -> float:
    power, step = bucket >> 3, bucket & 7
    return float(bucket if bucket < 32 else (step + 9) << power - 4)


class ProcessCounters:
    """The mapped file, from either side."""

    def __init__(self, path: Path, descriptor: int, held: bool) -> None:
        self.path = path
        self.process = path.name
        self._descriptor = descriptor
        self._held = held
        # A mapping keeps a duplicate of its descriptor, and with it the lock: so it gets an open file of its own.
        own = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._map = mmap.mmap(own, os.fstat(own).st_size)
        finally:
            os.close(own)
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def create(cls, path: Path, header: bytes, now: int) -> ProcessCounters:
        """A new counters, locked for this process; raises OSError."""
        at = (MAX_WRITERS + 1) * PAGE
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(descriptor, 0, at + (len(header) + PAGE - 1) // PAGE * PAGE)
            os.pwrite(descriptor, header, at)
            process_counters = cls(path, descriptor, held=True)
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        words = process_counters._words
        words[1], words[3], words[4], words[5] = VERSION, now, at, len(header)
        words[0] = MAGIC
        return process_counters

    @classmethod
    def read(cls, path: Path) -> ProcessCounters | None:
        """Another process's counters, None where the file is none (yet)."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        size = os.fstat(descriptor).st_size
        if size < (MAX_WRITERS + 1) * PAGE or size % 8:
            os.close(descriptor)
            return None
        try:
            process_counters = cls(path, descriptor, held=False)
        except (OSError, ValueError):
            os.close(descriptor)
            return None
        if process_counters._words[0] != MAGIC or process_counters._words[1] != VERSION:
            process_counters.close()
            return None
        return process_counters

    def add_writer(self, index: int) -> WriterCounters:
        """The counters of a writer that is made now; for the writing process, writer after writer."""
        self._words[8] = max(self._words[8], index + 1)
        return self.writer(index)

    def writers(self) -> list[tuple[int, WriterCounters]]:
        """Number and counters of every writer that counted anything."""
        made = (*range(min(self._words[8], UNASSIGNED)), UNASSIGNED)
        found = ((index, self.writer(index)) for index in made)
        return [(index, writer) for index, writer in found if writer.used]

    def writer(self, index: int) -> WriterCounters:
        """The counters of one writer, of `MAX_WRITERS`."""
        return WriterCounters(self._words[(index + 1) * _WORDS : (index + 2) * _WORDS])

    @property
    def header_text(self) -> bytes:
        at, length = self._words[4], self._words[5]
        return bytes(memoryview(self._map)[at : at + length])

    @property
    def closed(self) -> bool:
        """Whether the process said that it writes no more."""
        return bool(self._words[2])

    @property
    def began_at(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._words[3]

    def close_for_writing(self) -> None:
        """Says that this process writes no more."""
        self._words[2] = 1

    def dropped(self, size: int) -> None:
        """Counts a segment that this process dropped because the spool was full."""
        self._words[6] += 1
        self._words[7] += size

    @property
    def drops(self) -> tuple[int, int]:
        """Segments and bytes that this process dropped."""
        return self._words[6], self._words[7]

    def alive(self) -> bool:
        """Whether the writing process holds its lock."""
        if self._held:
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Gives up the file and, where this process holds it, the lock. The mapping stays while somebody uses it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._held = False


def is_abandoned(path: Path) -> bool:
    """Whether no process holds the counters in this file, of whatever version it is."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True

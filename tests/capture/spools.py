"""A buffer on a spool of its own, and what its spool holds: for the tests of the writing side.

Nothing here ships: a record is read back from its segment, as the shipper would.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from capture import CaptureBuffer, CaptureConfig
from capture.journal.counters import MAX_WRITERS, ProcessCounters
from capture.journal.segment import PREPARED, SegmentReader
from capture.record import ArrowBlock, Block, Columns, Event, Header, Matrix, Ragged, Rows
from tests.faults.processes import until

SPOOL_BYTES = 64 << 20


def settings(home: Path, **changes: Any) -> CaptureConfig:
    """Settings with a destination and a spool under `home`."""
    given: dict[str, Any] = {
        "destination": f"file://{home}/captured",
        "spool_dir": home / "spool",
        "spool_max_bytes": SPOOL_BYTES,
    }
    return CaptureConfig(**{**given, **changes})


def header(**changes: Any) -> Header:
    """What a segment carries of settings that nobody cares for but for the changes."""
    return CaptureConfig(destination="file:///nowhere", **changes).header()


@contextlib.contextmanager
def buffer(home: Path, **changes: Any) -> Iterator[CaptureBuffer]:
    """A buffer that no shipper serves; what it wrote stays to be read."""
    opened = CaptureBuffer(settings(home, **changes), start_shipper=False)
    opened._writers._serve()  # as the first append does
    try:
        yield opened
    finally:
        opened.close(0)


def segments(spool: Path) -> list[SegmentReader]:
    """The segments that a writer opened, the oldest first."""
    readers = [SegmentReader(path) for path in sorted((spool / "segments").iterdir())]
    return [reader for reader in readers if reader.state != PREPARED]


def events(spool: Path) -> list[Event]:
    """Every committed record, by writer and number; each segment is read to its last committed byte."""
    found: list[Event] = []
    for reader in segments(spool):
        records, length = reader.committed
        frames = list(reader.frames(0, length))
        end = frames[-1][1] if frames else 0
        assert (len(frames), end) == (records, length), f"{reader.path.name} was not read to its end"
        found += [reader.event(at, head, number) for number, (at, _, head) in enumerate(frames, reader.first_number)]
    return sorted(found, key=lambda event: (event.writer, event.number))


def raw(spool: Path) -> bytes:
    """Every byte of every file of the spool."""
    return b"".join(path.read_bytes() for path in sorted(spool.rglob("*")) if path.is_file())


class Scribe:
    """Appends one record after another to one buffer and reads each back."""

    def __init__(self, opened: CaptureBuffer, spool: Path) -> None:
        self.buffer = opened
        self._spool = spool
        self._readers: dict[str, tuple[SegmentReader, int, int]] = {}
        self.opened = self._read()

    def write(self, features: Any, predictions: Any = 0.5, **more: Any) -> Event:
        """The one record that this append committed."""
        assert self.buffer.append(features, predictions, **more)
        found = self._read()
        assert len(found) == 1
        return found[0]

    def refused(self, features: Any, predictions: Any = 0.5, **more: Any) -> dict[str, int]:
        """How this append, which is refused, was counted."""
        before = counts(self._spool)["refused"]
        assert not self.buffer.append(features, predictions, **more)
        assert self._read() == []
        after = counts(self._spool)["refused"]
        return {reason: count - before.get(reason, 0) for reason, count in after.items() if count != before.get(reason)}

    def _read(self) -> list[Event]:
        found = []
        for path in sorted((self._spool / "segments").iterdir()):
            reader, at, number = self._readers.get(path.stem) or (SegmentReader(path), 0, 0)
            if reader.state == PREPARED:
                continue
            for start, end, head in reader.frames(at, reader.committed[1]):
                found.append(reader.event(start, head, reader.first_number + number))
                at, number = end, number + 1
            assert (number, at) == reader.committed
            self._readers[path.stem] = reader, at, number
        return found


def counts(spool: Path) -> dict[str, Any]:
    """The counters of all writers: appended, kept, sampled_out, row_mismatches, refused by reason."""
    total: dict[str, Any] = {"appended": 0, "kept": 0, "sampled_out": 0, "rows": 0, "row_mismatches": 0, "refused": {}}
    for path in (spool / "writers").iterdir():
        counters = ProcessCounters.read(path)
        assert counters is not None
        for index in range(MAX_WRITERS):
            reading = counters.writer(index).reading()
            for name in ("appended", "kept", "sampled_out", "rows", "row_mismatches"):
                total[name] += getattr(reading, name)
            for reason, count in reading.refused.items():
                total["refused"][reason] = total["refused"].get(reason, 0) + count
        counters.close()
    return total


def column(block: Block, name: str) -> list[Any]:
    """A column's values, row after row; a row of a ragged block that lacks it has None."""
    if isinstance(block, Ragged):
        return [row.get(name) for row in block.rows]
    if isinstance(block, Rows):
        return [row[block.names.index(name)] for row in block.rows]
    if isinstance(block, Matrix):
        return list(block.array[:, block.names.index(name)])
    if isinstance(block, ArrowBlock):
        return list(block.batch.column(name).to_pylist())
    assert isinstance(block, Columns)
    found = block.columns[block.names.index(name)]
    return found.to_pylist() if isinstance(found, pa.Array) else list(found)


def row(block: Block) -> dict[str, Any]:
    """The one row of a block."""
    assert len(block) == 1
    if isinstance(block, Ragged):
        return block.rows[0]
    names = tuple(block.batch.schema.names) if isinstance(block, ArrowBlock) else block.names
    return {name: column(block, name)[0] for name in names}


def same(found: Any, given: Any) -> bool:
    """Whether two values are one: equal, of one type, NaN being NaN and lists and tuples alike."""
    if isinstance(given, list | tuple):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(given)
            and all(same(one, other) for one, other in zip(found, given, strict=True))
        )
    if isinstance(given, np.ndarray):
        return (
            isinstance(found, np.ndarray)
            and found.dtype == given.dtype
            and found.shape == given.shape
            and found.tobytes() == given.tobytes()
        )
    if isinstance(given, np.generic):
        return (
            isinstance(found, np.generic)
            and found.dtype == given.dtype
            and (found.tobytes() == given.tobytes() or (found != found and given != given))
        )
    if isinstance(given, dict):
        return (
            isinstance(found, dict)
            and list(found) == list(given)
            and all(same(found[key], given[key]) for key in given)
        )
    if isinstance(given, float):
        return type(found) is float and (found == given or (math.isnan(found) and math.isnan(given)))
    return type(found) is type(given) and bool(found == given)


def append_patiently(opened: CaptureBuffer, features: Any, predictions: Any = 0.5) -> bool:
    """Appends; waits for a prepared segment, at most ten seconds, as a caller never would."""
    return bool(until(lambda: opened.append(features, predictions), "a segment is ready", 10.0, 0.001))


def take_segments(opened: CaptureBuffer, files: int) -> None:
    """Takes what the segment_pool prepares, as writers would, until so many segments are in the spool."""
    segment_pool = opened._writers.segment_pool
    assert segment_pool is not None

    def there() -> bool:
        if len(opened._writers.spool.segments()) >= files:
            return True
        segment_pool.take()
        return False

    until(there, f"{files} segments are in the spool", 10.0, 0.001)

"""The policy: when waiting records are taken, and which of them make one batch.

The settings are the spool's: bytes, records and age count over all writers, for equal headers, since only those share a
batch. They call for a batch earlier than set where the spool could not hold as much: half of its segments, or half of what they
hold, is as long as a batch waits. (Workers that crash one after the other leave segments that are nearly empty.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capture.shipping.batch import SegmentRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.config import CaptureConfig
    from capture.journal.spool import Spool
    from capture.shipping.spool_watcher import SpoolWatcher, TrackedSegment

MAX_BYTES = {"parquet": 32 << 20, "jsonl": 10 << 20}
"""Bytes of frames that call for a flush, whatever is set."""
_ROOM = {"parquet": 22 << 20, "jsonl": 10 << 20}
"""What a batch has room for: a bound on the shipper's own memory (300 MB, measured in `benchmarks/results/encode.json`)."""
_RECORD, _ROW = 320, {"parquet": 32, "jsonl": 64}
"""Bytes that a record, and each of its rows, takes beside its frame."""
_CELL = 8
"""Bytes that a cell takes at least, whatever it is in a frame: a small number has one byte there."""


class FlushPolicy:
    """The settings of one spool's flushes. `draining` takes everything at once.

    A flush takes what waits when the flush policy calls for it, in as many batches as that needs: `_owed` are the records, by header,
    that it has yet to take.
    """

    def __init__(
        self, config: CaptureConfig, spool: Spool, watcher: SpoolWatcher, monotonic: Callable[[], float]
    ) -> None:
        self.draining = False
        self._owed: dict[bytes, int] = {}
        self._watcher = watcher
        self._monotonic = monotonic
        self._max_batch_bytes = min(config.max_bytes, spool.max_segments * spool.segment_bytes // 2)
        self._max_sealed = max(spool.max_segments // 2, 1)
        self._max_records = config.max_records
        self._max_age = config.max_age_seconds

    def due(self) -> list[list[TrackedSegment]]:
        """The waiting segments, by header, of the headers for which the flush policy calls; those that wait longest first."""
        groups: dict[bytes, list[TrackedSegment]] = {}
        for identity in sorted(self._watcher.segments):
            tracked = self._watcher.segments[identity]
            if tracked.waiting[0]:
                groups.setdefault(tracked.reader.header_text, []).append(tracked)
        self._owed = {header: records for header, records in self._owed.items() if header in groups}
        due = [group for group in groups.values() if self._is_due(group)]
        for group in due:
            self._owed.setdefault(group[0].reader.header_text, sum(tracked.waiting[0] for tracked in group))
        return sorted(due, key=self._oldest)

    def parts(self, group: list[TrackedSegment], there: set[str]) -> list[SegmentRange]:
        """What one batch takes of a group: whole records, up to the size of a batch; `there` are the segments whose
        file has its name still."""
        first = group[0].reader
        parts: list[SegmentRange] = []
        room, size, records = float(_ROOM[first.header.format]), 0, 0
        for tracked in group:
            if tracked.reader.identity not in there:
                continue
            weight = _Weight(tracked, self._watcher.rows_a_record(tracked))
            part, fits = _part(tracked, room, weight, least=0 if parts else 1)
            if part is not None:
                parts.append(part)
                room -= weight.of(part.stop - part.start, part.records)
                size, records = size + part.stop - part.start, records + part.records
            if not fits or size >= self._max_bytes(group) or records >= self._max_records:
                break
        owed = self._owed.pop(first.header_text, 0) - records
        if parts and owed > 0:
            self._owed[first.header_text] = owed
        return parts

    def _max_bytes(self, group: list[TrackedSegment]) -> int:
        return min(self._max_batch_bytes, MAX_BYTES[group[0].reader.header.format])

    def _oldest(self, group: list[TrackedSegment]) -> float:
        return min((tracked.since for tracked in group if tracked.since is not None), default=self._monotonic())

    def _is_due(self, group: list[TrackedSegment]) -> bool:
        if self.draining or group[0].reader.header_text in self._owed:
            return True
        if sum(tracked.waiting[1] for tracked in group) >= self._max_bytes(group):
            return True
        if sum(tracked.waiting[0] for tracked in group) >= self._max_records:
            return True
        if self._monotonic() - self._oldest(group) >= self._max_age:
            return True
        if sum(tracked.sealed for tracked in group) >= self._max_sealed:
            return True
        processes = self._watcher.processes
        return any(tracked.process in processes and processes[tracked.process].closed for tracked in group)


class _Weight:
    """What records of a segment take of a batch's room: the larger of their frames and their cells, and what each record
    and each row takes beside them."""

    def __init__(self, tracked: TrackedSegment, rows: float) -> None:
        self._reader = tracked.reader
        self._rows = rows
        self._beside = _RECORD + rows * _ROW[tracked.reader.header.format]
        self._known = 0
        self._cells = 0.0

    def of(self, size: int, records: int) -> float:
        """The weight of so many records whose frames have `size` bytes."""
        shapes = self._reader.shapes
        if len(shapes) != self._known:
            self._known = len(shapes)
            lines = self._reader.header.format == "jsonl"
            self._cells = self._rows * max(map(_width_in_lines if lines else _width, shapes))
        return max(size, records * self._cells) + records * self._beside


def _width(names: tuple[str, ...]) -> float:
    """Bytes of a row of these columns in a table."""
    return _CELL * len(names)


def _width_in_lines(names: tuple[str, ...]) -> float:
    """Bytes of a row of these columns in JSON, as a share of them is in a frame of plain numbers."""
    return sum(len(name) + _CELL for name in names) / 3


def _part(tracked: TrackedSegment, room: float, weight: _Weight, least: int) -> tuple[SegmentRange | None, bool]:
    """The whole records that wait in a segment, as far as there is room for them, but at least so many; and whether there
    was room for all. None where the first is damaged or not yet seen whole."""
    reader, (done, start) = tracked.reader, tracked.done
    end, records, fits = start, 0, True
    for _, frame_end, _ in reader.frames(start, reader.committed[1]):
        if records >= least and weight.of(frame_end - start, records + 1) > room:
            fits = False
            break
        end, records = frame_end, records + 1
    if not records:
        return None, fits
    return SegmentRange(reader.identity, reader.writer, start, end, reader.first_number + done, records), fits

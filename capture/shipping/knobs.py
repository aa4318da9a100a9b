"""The knobs: when waiting records are taken, and which of them make one batch.

The knobs are the spool's: bytes, records and age count over all writers, for equal headers, since only those share a
batch. They call for a batch earlier than set where the spool could not hold as much: half of its segments, or half of what they
hold, is as long as a batch waits. (Workers that crash one after the other leave segments that are nearly empty.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capture.shipping.batch import Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.config import CaptureConfig
    from capture.journal.spool import Spool
    from capture.shipping.scene import Scene, Watched

MOST_BYTES = {"parquet": 32 << 20, "jsonl": 10 << 20}
"""Bytes of frames that call for a batch, whatever is set."""
_ROOM = {"parquet": 26 << 20, "jsonl": 10 << 20}
_RECORD, _ROW = 320, {"parquet": 32, "jsonl": 64}
"""What a batch has room for: its frames' bytes, and for each record and each row what its objects take beside them. A
bound on the shipper's own memory (300 MB, measured in `benchmarks/results/encode.json`)."""


class Knobs:
    """The settings of one spool's flushes. `draining` takes everything at once."""

    def __init__(self, config: CaptureConfig, spool: Spool, scene: Scene, monotonic: Callable[[], float]) -> None:
        self.draining = False
        self._scene = scene
        self._monotonic = monotonic
        self._most_bytes = min(config.max_bytes, spool.most_segments * spool.segment_bytes // 2)
        self._most_sealed = max(spool.most_segments // 2, 1)
        self._max_records = config.max_records
        self._max_age = config.max_age_seconds

    def due(self) -> list[list[Watched]]:
        """The waiting segments, by header, of the headers for which a knob calls; those that wait longest first."""
        groups: dict[bytes, list[Watched]] = {}
        for identity in sorted(self._scene.watched):
            watched = self._scene.watched[identity]
            if watched.waiting[0]:
                groups.setdefault(watched.reader.header_text, []).append(watched)
        due = [group for group in groups.values() if self._is_due(group)]
        return sorted(due, key=self._oldest)

    def parts(self, group: list[Watched], there: set[str]) -> list[Part]:
        """What one batch takes of a group: whole records, up to the size of a batch; `there` are the segments whose
        file has its name still."""
        form = group[0].reader.header.format
        parts: list[Part] = []
        room, size, records = float(_ROOM[form]), 0, 0
        for watched in group:
            if watched.reader.identity not in there:
                continue
            beside = _RECORD + _ROW[form] * self._scene.rows_a_record(watched)
            part, fits = _part(watched, room, beside, least=0 if parts else 1)
            if part is not None:
                parts.append(part)
                taken = part.stop - part.start
                room, size, records = room - taken - part.records * beside, size + taken, records + part.records
            if not fits or size >= self._max_bytes(group) or records >= self._max_records:
                break
        return parts

    def _max_bytes(self, group: list[Watched]) -> int:
        return min(self._most_bytes, MOST_BYTES[group[0].reader.header.format])

    def _oldest(self, group: list[Watched]) -> float:
        return min((watched.since for watched in group if watched.since is not None), default=self._monotonic())

    def _is_due(self, group: list[Watched]) -> bool:
        if self.draining or sum(watched.waiting[1] for watched in group) >= self._max_bytes(group):
            return True
        if sum(watched.waiting[0] for watched in group) >= self._max_records:
            return True
        if self._monotonic() - self._oldest(group) >= self._max_age:
            return True
        if sum(watched.sealed for watched in group) >= self._most_sealed:
            return True
        accounts = self._scene.accounts
        return any(watched.process in accounts and accounts[watched.process].closed for watched in group)


def _part(watched: Watched, room: float, beside: float, least: int) -> tuple[Part | None, bool]:
    """The whole records that wait in a segment, as far as there is room for their bytes and what each takes beside them,
    but at least so many; and whether there was room for all. None where the first is damaged or not yet seen whole."""
    reader, (done, start) = watched.reader, watched.done
    end, records, fits = start, 0, True
    for _, frame_end, _ in reader.frames(start, reader.committed[1]):
        if records >= least and frame_end - start + (records + 1) * beside > room:
            fits = False
            break
        end, records = frame_end, records + 1
    if not records:
        return None, fits
    return Part(reader.identity, reader.writer, start, end, reader.first_number + done, records), fits

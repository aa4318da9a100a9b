"""The live counters of a spool: every record accounted for, at any time.

appended = shipped + waiting + dropped (by reason) + sampled out. The numbers come from the processes of living writers,
the segments, and the shipper's state; reading them disturbs nobody.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from capture.journal import segment
from capture.journal.counters import Latency, ProcessCounters
from capture.shipping import checkpoint_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capture.journal.counters import WriterCounts
    from capture.ledger import Lost


class Stats(msgspec.Struct):
    """Counters since the spool began. Latencies are what `append` added to a request, in microseconds; `backlog_bytes`
    are committed bytes that wait, `spool_bytes` what all files of segments take."""

    appended: int = 0
    shipped: int = 0
    waiting: int = 0
    dropped: dict[str, int] = {}
    sampled_out: int = 0
    rows: int = 0
    bytes: int = 0
    row_mismatches: int = 0
    rescued_cells: int = 0
    renamed_features: int = 0
    objects: int = 0
    object_bytes: int = 0
    dropped_segments: int = 0
    dropped_bytes: int = 0
    damaged_segments: int = 0
    writers: int = 0
    backlog_bytes: int = 0
    spool_bytes: int = 0
    oldest_seconds: float = 0.0
    append_count: int = 0
    append_mean_us: float = 0.0
    append_p99_us: float = 0.0
    append_max_us: float = 0.0
    append_buckets: dict[str, int] = {}

    @property
    def balanced(self) -> bool:
        """Whether the identity holds."""
        return self.appended == self.shipped + self.waiting + sum(self.dropped.values()) + self.sampled_out


def read_stats(spool_dir: Path) -> Stats:
    """The counters of the spool in `spool_dir`; all zero where there is none."""
    now = checkpoint_file.read_or_none(spool_dir / "state")
    stats = Stats()
    latency = Latency()
    entries: dict[str, tuple[int, int]] = {}
    if now is not None:
        _from_state(stats, now, latency)
        for stream in now.streams:
            for writer, entry in stream.writers.items():
                if not entry.in_totals:
                    shipped = sum(last - first + 1 for first, last in entry.shipped)
                    lost = _lost(stats, entry.lost)
                    entries[writer] = (entry.kept, shipped + lost)
                    stats.shipped += shipped
    ended = () if now is None else now.ended
    seen: set[str] = set()
    for path in _listed(spool_dir / "writers"):
        process_counters = ProcessCounters.read(path)
        if process_counters is None:
            continue
        stats.writers += process_counters.alive()
        if path.name not in ended:
            for index, counters in process_counters.writers():
                writer = f"{path.name}{index:08x}"
                _add_writer(stats, counters.reading(), latency, entries.get(writer, (0, 0)))
                seen.add(writer)
            segments, size = process_counters.drops
            stats.dropped_segments += segments
            stats.dropped_bytes += size
        process_counters.close()
    for writer in set(entries) - seen:
        kept, done = entries[writer]
        stats.appended += kept
        stats.waiting += max(kept - done, 0)
    _from_segments(stats, spool_dir, {} if now is None else now.progress)
    stats.append_count = latency.count
    stats.append_mean_us = latency.total / latency.count / 1e3 if latency.count else 0.0
    stats.append_p99_us = latency.quantile(0.99) / 1e3
    stats.append_max_us = latency.longest / 1e3
    stats.append_buckets = latency.histogram()
    return stats


def _from_state(stats: Stats, now: checkpoint_file.Content, latency: Latency) -> None:
    totals = now.totals
    stats.appended = totals.ended_appended
    stats.shipped = totals.ended_shipped
    stats.sampled_out = totals.ended_sampled_out
    stats.rows, stats.bytes = totals.ended_rows, totals.ended_bytes
    stats.row_mismatches = totals.row_mismatches
    stats.rescued_cells, stats.renamed_features = totals.rescued_cells, totals.renamed_features
    stats.objects, stats.object_bytes = totals.objects, totals.bytes
    stats.dropped_segments, stats.dropped_bytes = totals.dropped_segments, totals.dropped_bytes
    stats.damaged_segments = totals.damaged_segments
    for counts in (totals.ended_refused, totals.ended_lost):
        for reason, number in counts.items():
            stats.dropped[reason] = stats.dropped.get(reason, 0) + number
    latency.add(Latency(*totals.ended_latency[:3], totals.ended_latency[3]))


def _lost(stats: Stats, lost: Sequence[Lost]) -> int:
    for item in lost:
        stats.dropped[item.reason] = stats.dropped.get(item.reason, 0) + item.last - item.first + 1
    return sum(item.last - item.first + 1 for item in lost)


def _add_writer(stats: Stats, counts: WriterCounts, latency: Latency, entry: tuple[int, int]) -> None:
    kept = max(counts.kept, entry[0])
    stats.appended += kept + counts.sampled_out + sum(counts.refused.values())
    stats.waiting += max(kept - entry[1], 0)
    stats.sampled_out += counts.sampled_out
    stats.rows += counts.rows
    stats.bytes += counts.bytes
    for reason, number in counts.refused.items():
        stats.dropped[reason] = stats.dropped.get(reason, 0) + number
    latency.add(counts.latency)


def _from_segments(stats: Stats, spool_dir: Path, progress: dict[str, tuple[int, int]]) -> None:
    oldest = 0.0
    for path in [*_listed(spool_dir / "segments"), *_listed(spool_dir / "free")]:
        try:
            stats.spool_bytes += path.stat().st_size
            if path.parent.name == "free":
                continue
            reader = segment.SegmentReader(path)
        except (OSError, segment.SegmentDamaged):
            continue
        waits = reader.committed[1] - progress.get(path.stem, (0, 0))[1]
        if waits > 0:
            stats.backlog_bytes += waits
            oldest = max(oldest, time.time() - reader.opened_at / 1e6)
    stats.oldest_seconds = oldest


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []

"""A spool with writers, a shipper and a sink in one process, and clocks that the test drives."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from gc import collect
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from capture import CaptureBuffer, CaptureConfig, ledger
from capture.journal.spool import Spool
from capture.ledger import Ledger
from capture.shipping import trial_encoding
from capture.shipping.shipper import Shipper
from capture.shipping.stats import Stats, read_stats
from capture.sinks import SinkError
from capture.writing.segment_pool import SegmentPool

DESTINATION = "s3://bucket/prefix"
MANY_FILES = 300
START = 1_790_000_000_000_000_000
"""The clock's first nanosecond, in September 2026, 26 minutes and 40 seconds past an hour."""


class Clock:
    """Wall clock and monotonic clock; `pass_` moves both, `jump` the wall clock alone (seconds)."""

    def __init__(self) -> None:
        self.wall = START
        self.steady = 1000.0

    def nanoseconds(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def pass_(self, seconds: float) -> None:
        self.wall += round(seconds * 1e9)
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        self.wall += round(seconds * 1e9)


@dataclass
class MemorySink:
    """Objects by key. `fails` is asked before each put; what it returns is raised."""

    objects: dict[str, bytes] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    fails: Callable[[str], BaseException | None] = lambda key: None

    def put(self, key: str, body: bytes, content_type: str) -> None:
        error = self.fails(key)
        if error is not None:
            raise error
        self.puts.append(key)
        self.objects[key] = bytes(body)

    def exists(self, key: str) -> bool:
        return key in self.objects

    @property
    def data(self) -> dict[str, bytes]:
        """The objects that are no ledgers."""
        return {key: body for key, body in self.objects.items() if not key.startswith("_ledger/")}

    @property
    def ledgers(self) -> dict[str, Ledger]:
        return {key: ledger.decode(body) for key, body in self.objects.items() if key.startswith("_ledger/")}


def down(key: str) -> SinkError:
    return SinkError(f"cannot write {key}: the server is gone", retryable=True)


def survives(spool: Path, batch: str) -> bool:
    """A probe in this process: what would end a child is an exception here."""
    try:
        return trial_encoding.main(spool, batch) in trial_encoding._NO_EVIDENCE
    except BaseException:
        return False


def rows_of(key: str, body: bytes) -> list[dict[str, Any]]:
    """The rows of one captured object, of either format, as mappings with `n` and `prediction`."""
    if key.endswith(".parquet"):
        return list(pq.read_table(io.BytesIO(body)).to_pylist())
    rows = []
    for line in body.splitlines():
        captured = json.loads(line)["captureData"]
        rows.append(
            json.loads(captured["endpointInput"]["data"]) | json.loads(captured["endpointOutput"]["data"]),
        )
    return rows


def bury_the_dead() -> None:
    """Lets go the mappings of shippers that died here: a process's end would have unmapped them, an exception leaves
    them to the collector. Only where files run short, since a collection of the tests' heap takes long."""
    if len(os.listdir("/proc/self/fd")) > MANY_FILES:  # noqa: PTH208
        collect()


class Stage:
    """One spool below `directory`. Every writer and shipper that it made is let go at `close`."""

    def __init__(self, directory: Path, limit: int = 64 << 20, segment_bytes: int = 4 << 20, **settings: Any) -> None:
        self.clock = Clock()
        self.sink = MemorySink()
        self.directory = directory / "spool"
        self.limit, self.segment_bytes = limit, segment_bytes
        self.config = CaptureConfig(**{"destination": DESTINATION, "endpoint_name": "flights", **settings})
        self.spool = self.open_spool()
        self.acknowledged: list[int] = []
        self.writers: list[CaptureBuffer] = []
        self._shippers: list[Shipper] = []

    def open_spool(self, *_: Any) -> Spool:
        return Spool(self.directory, self.limit, self.segment_bytes)

    def writer(self, **settings: Any) -> CaptureBuffer:
        """A new writing process, as far as the spool can tell. Its segments are prepared by `append`, not by a thread, so
        that what happens depends on the test alone."""
        config = CaptureConfig(
            **{"destination": DESTINATION, "endpoint_name": "flights", "spool_dir": self.directory, **settings}
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("capture.writing.writer_pool.Spool", self.open_spool)
            patch.setattr(SegmentPool, "start", SegmentPool.refill)
            patch.setattr(SegmentPool, "begin", lambda segment_pool: None)
            writer = CaptureBuffer(config, start_shipper=False, clock=self.clock.nanoseconds)
            writer._writers._serve()  # as the first append does
        self.writers.append(writer)
        return writer

    def append(self, writer: CaptureBuffer, count: int = 1, padding: str = "", **more: Any) -> list[int]:
        """Appends records numbered on; returns those that were acknowledged."""
        taken = []
        for _ in range(count):
            number = self._next()
            self.clock.wall += 1000
            segment_pool = writer._writers.segment_pool
            if segment_pool is not None and not segment_pool._ready:
                segment_pool.refill()
            if writer.append({"n": number, "padding": padding, **more}, number / 2):
                taken.append(number)
        self.acknowledged += taken
        return taken

    def _next(self) -> int:
        self._number = getattr(self, "_number", 0) + 1
        return self._number

    def kill(self, writer: CaptureBuffer) -> None:
        """What `kill -9` leaves of a writer: its files, and its lock free."""
        segment_pool, counters = writer._writers.segment_pool, writer._writers.process_counters
        if segment_pool is not None and counters is not None:
            segment_pool.stop()
            counters.close()
        writer._writers.closed = True
        writer._writers.idle = []
        with suppress(ValueError):
            self.writers.remove(writer)

    def close_writer(self, writer: CaptureBuffer) -> None:
        writer.close(timeout=0)
        with suppress(ValueError):
            self.writers.remove(writer)

    def shipper(self, **settings: Any) -> Shipper:
        """A new shipper, with other settings if given."""
        bury_the_dead()
        config = CaptureConfig(**{**self._set(), **settings})
        self.spool.prepare()
        shipper = Shipper(
            self.open_spool(),
            config,
            self.clock.nanoseconds,
            self.clock.monotonic,
            lambda place, key: self.sink,
            lambda spool, batch: survives(spool, batch),
        )
        self._shippers.append(shipper)
        return shipper

    def _set(self) -> dict[str, Any]:
        return {name: getattr(self.config, name) for name in self.config.__dataclass_fields__}

    @staticmethod
    def run(shipper: Shipper) -> None:
        """Steps until nothing is under way and nothing more can be done at once."""
        while True:
            more = shipper.step()
            if not shipper.wait(60) and not more:
                return

    def drain(self, shipper: Shipper) -> None:
        """Ships everything that is committed."""
        shipper.drain()
        self.run(shipper)

    def finish(self) -> Shipper:
        """Lets go of every writer, and ships all with a new shipper."""
        for writer in list(self.writers):
            self.close_writer(writer)
        shipper = self.shipper()
        self.drain(shipper)
        return shipper

    def close(self) -> None:
        for writer in list(self.writers):
            self.kill(writer)
        for shipper in self._shippers:
            shipper.close()
        self._shippers.clear()
        bury_the_dead()

    @property
    def stats(self) -> Stats:
        return read_stats(self.directory)

    def segments(self) -> list[Path]:
        return sorted((self.directory / "segments").iterdir())

    def arrived(self) -> Counter[int]:
        """How often each number is at the sink; its prediction is checked."""
        found: Counter[int] = Counter()
        for row in self.rows():
            assert row["prediction"] == row["n"] / 2
            found[int(row["n"])] += 1
        return found

    def rows(self) -> Iterator[dict[str, Any]]:
        for key, body in self.sink.data.items():
            yield from rows_of(key, body)

    def assert_exactly_once(self, numbers: list[int] | None = None) -> None:
        """Every acknowledged record (or those given) is at the sink once, and nothing else is."""
        wanted = self.acknowledged if numbers is None else numbers
        assert self.arrived() == Counter(wanted)

    def assert_balanced(self, **dropped: int) -> Stats:
        """The accounting identity, with these counts of dropped records by reason and no others."""
        stats = self.stats
        assert stats.balanced, stats
        assert stats.dropped == dropped, stats
        return stats

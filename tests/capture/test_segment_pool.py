"""The thread that keeps segments ready: it asks when it should, survives what happens, and ends when it is told to."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capture import CaptureBuffer, SpoolError
from capture.journal.counters import ProcessCounters
from capture.shipping.stats import read_stats
from capture.writing.segment_pool import SegmentPool
from tests.capture.spools import append_patiently, buffer, counts, events, settings, take_segments
from tests.faults.processes import until

MIB = 1 << 20


@pytest.fixture
def segment_pool(opened: CaptureBuffer) -> SegmentPool:
    found = opened._writers.segment_pool
    assert found is not None
    return found


def test_requests_that_find_no_segment_do_not_make_the_attendant_ask_a_full_disk_each_time(
    segment_pool: SegmentPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.writing.segment_pool._REST", 3600.0)
    asked: list[bool] = []

    def full(*given: Any, **_: Any) -> None:
        asked.append(given[4])

    with monkeypatch.context() as patch:
        patch.setattr(segment_pool._spool, "claim", full)
        until(lambda: segment_pool.take() is None and True in asked, "it asks")
        for _ in range(1000):
            assert segment_pool.take() is None
            time.sleep(0)  # lets the segment_pool run, if it would
        segment_pool.stop()
    assert asked.count(True) == 1
    assert not segment_pool._thread.is_alive(), "it rests no longer than it is wanted"


@pytest.fixture
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SegmentPool, list[float]]]:
    """An segment_pool whose thread has ended, so that the test does what it would do; and its clock."""
    with buffer(tmp_path, spool_max_bytes=256 * MIB) as made:
        segment_pool = made._writers.segment_pool
        assert segment_pool is not None
        segment_pool.stop()
        segment_pool._end.clear()
        now = [time.monotonic()]
        monkeypatch.setattr("capture.writing.segment_pool.monotonic", lambda: now[0])
        monkeypatch.setattr(segment_pool, "_share", 8)
        segment_pool.refill()
        yield segment_pool, now


def test_a_stock_that_was_emptied_grows_and_falls_again(still: tuple[SegmentPool, list[float]]) -> None:
    segment_pool, now = still
    while segment_pool.take() is not None:
        pass
    assert segment_pool._wanted == 8
    wanted = []
    for _ in range(8):
        now[0] += 61
        segment_pool.refill()
        wanted.append(segment_pool._wanted)
        segment_pool.refill()
        assert segment_pool._wanted == wanted[-1], "one at a time"
        assert len(segment_pool._ready) == wanted[-1], "what is not wanted is given back"
    assert wanted == [8, 7, 6, 5, 4, 3, 2, 2]


def test_what_is_given_back_is_there_for_others_and_nobody_misses_it(
    still: tuple[SegmentPool, list[float]], spool: Path
) -> None:
    segment_pool, now = still
    segment_pool._wanted = 4
    segment_pool.refill()
    before = {path.stem for path in (spool / "segments").iterdir()}
    now[0] += 61
    segment_pool.refill()
    assert len(segment_pool._ready) == 3
    (given,) = before - {path.stem for path in (spool / "segments").iterdir()}
    assert [path.stem for path in (spool / "free").iterdir()] == [given]
    assert read_stats(spool).balanced
    taken = segment_pool._claim(wait=False)
    assert taken is not None
    assert not list((spool / "free").iterdir())


def test_a_stock_from_which_more_than_one_a_second_is_taken_grows_before_it_is_empty(
    still: tuple[SegmentPool, list[float]],
) -> None:
    segment_pool, now = still
    sizes = []
    for uses in (1, 1, 2, 1, 2, 2):
        for _ in range(uses):
            now[0] += 0.4
            assert segment_pool.take() is not None
            segment_pool.refill()
        now[0] += 1.0
        segment_pool.refill()
        sizes.append(len(segment_pool._ready))
    assert sizes == [2, 2, 4, 4, 8, 8]


def test_only_a_low_stock_makes_a_request_wake_the_attendant(still: tuple[SegmentPool, list[float]]) -> None:
    segment_pool, _ = still
    segment_pool._wanted = 8
    segment_pool.refill()
    segment_pool._wake.clear()
    woken = []
    for _ in range(8):
        assert segment_pool.take() is not None
        woken.append(segment_pool._wake.is_set())
    assert woken == [False] * 3 + [True] * 5


@pytest.mark.parametrize("error", [OSError("no"), SpoolError("no"), ValueError("no"), BufferError("no"), MemoryError()])
def test_the_thread_that_prepares_segments_survives_every_error(
    opened: CaptureBuffer, segment_pool: SegmentPool, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("capture.writing.segment_pool._PAUSE", 0.001)
    failed: list[object] = []

    def broken(*given: Any, **_: Any) -> None:
        failed.extend([1] if given[4] else [])
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(segment_pool._spool, "claim", broken)
        end = time.monotonic() + 10
        while len(failed) < 5 and time.monotonic() < end:
            with contextlib.suppress(type(error)):
                segment_pool.take()
    assert len(failed) >= 5
    assert append_patiently(opened, {"a": 1})
    assert segment_pool._thread.is_alive()


def test_closing_drops_no_record_to_prepare_a_segment_that_nobody_will_use(tmp_path: Path) -> None:
    for round_ in range(5):
        with buffer(tmp_path / str(round_), spool_max_bytes=32 * MIB) as made:
            take_segments(made, 7)
            assert append_patiently(made, {"number": 0})
            with_room = counts(tmp_path / str(round_) / "spool")["kept"]
            made._writers.segment_pool._wake.set()  # type: ignore[union-attr]
            made.close(0.05)
        assert len(events(tmp_path / str(round_) / "spool")) == with_room == 1


def test_close_ends_the_thread_and_holds_no_lock(tmp_path: Path, spool: Path) -> None:
    made = CaptureBuffer(settings(tmp_path), start_shipper=False)
    segment_pool = made._writers.segment_pool
    assert segment_pool is not None
    assert not segment_pool._thread.is_alive(), "before the first append a fork finds no thread of ours"
    assert made.append({"a": 1}, 0.5)
    assert segment_pool._thread.is_alive()
    made.close(0.1)
    assert not segment_pool._thread.is_alive()
    (path,) = (spool / "writers").iterdir()
    counters = ProcessCounters.read(path)
    assert counters is not None
    assert not counters.alive()
    assert str(spool / "lock") not in [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]

"""The writers of a process: segments follow each other, a spool's limit and its absence are counted, closing seals."""

from __future__ import annotations

import gc
import logging
import os
import time
from pathlib import Path

import numpy as np
import pytest

from capture import CaptureBuffer, SpoolError, new_event_id
from capture.journal.counters import UNASSIGNED, ProcessCounters
from capture.journal.segment import OPEN, SEALED
from capture.shipping.stats import read_stats
from capture.writing.segment_pool import SegmentPool
from tests.capture.spools import append_patiently, buffer, counts, events, row, segments, settings, take_segments

MIB = 1 << 20


def test_a_full_segment_is_sealed_and_the_next_takes_over(opened: CaptureBuffer, spool: Path) -> None:
    text = "x" * 20_000
    for number in range(600):
        assert append_patiently(opened, {"number": number, "text": text})
    found = segments(spool)
    assert [reader.state for reader in found[:-1]] == [SEALED] * (len(found) - 1)
    assert found[-1].state == OPEN
    assert len(found) == 3
    assert [row(event.items)["number"] for event in events(spool)] == list(range(600))
    assert [reader.first_number for reader in found] == [1 + sum(r.committed[0] for r in found[:n]) for n in range(3)]


def test_at_the_spools_limit_the_oldest_segments_go_and_every_record_is_accounted_for(
    tmp_path: Path, spool: Path
) -> None:
    matrix = np.zeros((100, 100))
    with buffer(tmp_path, spool_max_bytes=32 * MIB) as made:
        accepted = [number for number in range(800) if append_patiently(made, {"number": number, "matrix": matrix})]
    waste = counts(spool)["refused"].get("spool_full", 0)
    found = [row(event.items)["number"] for event in events(spool)]
    notes = [path.name.split(".") for path in (spool / "lost").iterdir()]
    lost = sum(int(last) - int(first) + 1 for _, first, last, _ in notes)
    files = sum(path.stat().st_size for path in spool.rglob("*.seg"))
    assert len(accepted) == 800
    assert found == accepted[lost:], "the oldest go first, the newest stay"
    assert lost > 0
    counted = counts(spool)
    assert (counted["kept"], counted["appended"]) == (800, 800 + waste)
    assert files <= 32 * MIB
    stats = read_stats(spool)
    assert (stats.appended, stats.balanced) == (800 + waste, True)


def test_a_spool_of_open_segments_only_refuses_and_counts(tmp_path: Path, spool: Path) -> None:
    with buffer(tmp_path, spool_max_bytes=32 * MIB) as made:
        take_segments(made, 7)
        assert append_patiently(made, {"number": 0})
        before = counts(spool)["refused"].get("spool_full", 0)
        results = [made.append({"text": "x" * 2 * MIB}, 0.5) for _ in range(3)]
        assert results == [True, False, False]
        assert made.append({"number": 1}, 0.5), "what still fits is captured"
    assert counts(spool)["refused"] == {"spool_full": before + 2}
    assert len(events(spool)) == 3


def test_a_closed_buffer_refuses_and_raises_nothing(opened: CaptureBuffer, spool: Path) -> None:
    assert opened.append({"a": 1}, 0.5)
    assert opened.close(0.05) is False, "its record is not shipped"
    assert [reader.state for reader in segments(spool)] == [SEALED]
    assert not opened.append({"a": 2}, 0.5)
    assert not opened.prepare({"a": 2}, event_id=new_event_id()).kept
    assert len(events(spool)) == 1
    opened.close(0)


def test_closing_without_a_moment_to_wait_seals_and_refuses_all_the_same(opened: CaptureBuffer, spool: Path) -> None:
    assert opened.append({"a": 1}, 0.5)
    assert opened.close(0) is False
    assert not opened.append({"a": 2}, 0.5)
    assert [(reader.state, reader.committed[0]) for reader in segments(spool)] == [(SEALED, 1)]


def test_a_lane_that_comes_back_after_closing_is_sealed_and_given_to_nobody(opened: CaptureBuffer, spool: Path) -> None:
    assert opened.append({"a": 1}, 0.5)
    writer = opened._writers.idle.pop()
    assert opened.close(0.05) is False
    assert [reader.state for reader in segments(spool)] == [OPEN]
    opened._writers.idle.append(writer)
    assert [reader.state for reader in segments(spool)] == [SEALED]
    assert not opened.append({"a": 2}, 0.5)


def test_closing_a_buffer_that_kept_nothing_is_done_at_once(opened: CaptureBuffer) -> None:
    assert opened.close() is True


def test_close_says_yes_when_the_shipper_has_settled_every_record(opened: CaptureBuffer, spool: Path) -> None:
    for number in range(3):
        opened.append({"number": number}, 0.5)
    writer = opened._writers.made[-1]
    writer.counters.settle(3)
    assert opened.close(0.5) is True


def unusable(tmp_path: Path) -> Path:
    """A spool directory that cannot be: a file stands there."""
    (tmp_path / "spool").write_text("in the way")
    return tmp_path / "spool"


def test_a_spool_that_cannot_be_used_costs_records_but_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = unusable(tmp_path)
    monkeypatch.setattr("capture.writing.writer_pool._RETRY_SPOOL", 0.0)
    with caplog.at_level(logging.WARNING, "capture"), buffer(tmp_path) as made:
        assert [made.append({"number": number}, 0.5) for number in range(7)] == [False] * 7
        assert made.prepare({"number": 7}, event_id=new_event_id()).kept
        spool.unlink()
        assert made.append({"number": 8}, 0.5)
        assert row(events(spool)[0].items) == {"number": 8}
        counted = counts(spool)
        assert (counted["kept"], counted["refused"]) == (1, {"spool_unavailable": 7})
        stats = read_stats(spool)
        assert (stats.appended, stats.dropped, stats.balanced) == (8, {"spool_unavailable": 7}, True)
    assert len(caplog.records) == 1
    assert str(spool) in caplog.text


def test_a_spool_that_cannot_be_used_is_not_tried_for_every_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unusable(tmp_path)
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tries = []
    with buffer(tmp_path) as made:
        monkeypatch.setattr(made._writers, "_open", lambda: tries.append(now[0]))
        for _ in range(40):
            now[0] += 0.1
            made.append({"a": 1}, 0.5)
    assert tries == []
    with buffer(tmp_path) as made:
        now[0] += 100
        assert not made.append({"a": 1}, 0.5)


def test_closing_a_buffer_that_never_got_a_spool_is_done_at_once(tmp_path: Path) -> None:
    unusable(tmp_path)
    made = CaptureBuffer(settings(tmp_path), start_shipper=False)
    assert made.close() is True
    assert not made.append({"a": 1}, 0.5)


def test_a_spool_in_which_no_segment_can_be_made_leaves_no_writer_behind(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise SpoolError("no segment today")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentPool, "start", broken)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        made = CaptureBuffer(settings(tmp_path), start_shipper=False)
        for _ in range(5):
            made._writers._next_try = 0.0
            assert not made.append({"a": 1}, 0.5)
        assert list((spool / "writers").iterdir()) == []
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208
    made._writers._next_try = 0.0
    assert made.append({"a": 1}, 0.5)
    assert counts(spool)["refused"] == {"spool_unavailable": 5}
    made.close(0)


def test_a_machine_that_can_start_no_thread_captures_nothing_and_fails_no_request(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", no_thread)
    made = CaptureBuffer(settings(tmp_path), start_shipper=False)
    assert not made.append({"a": 1}, 0.5)
    assert list((spool / "writers").iterdir()) == []


def test_nobodys_lane_writes_nothing(opened: CaptureBuffer) -> None:
    while (writer := opened._writers._make()) is not None:
        assert writer.index < UNASSIGNED
    assert len(opened._writers.made) == UNASSIGNED


@pytest.mark.parametrize("error", [MemoryError(), BufferError("no"), KeyError("no")])
def test_whatever_goes_wrong_while_the_spool_is_entered_fails_no_request(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(SegmentPool, "start", broken)
        made = CaptureBuffer(settings(tmp_path), start_shipper=False)
        made._writers._next_try = 0.0
        assert not made.append({"a": 1}, 0.5)
    assert list((spool / "writers").iterdir()) == []
    made._writers._next_try = 0.0
    assert made.append({"a": 1}, 0.5)
    made.close(0)


def test_a_log_that_fails_fails_no_request(opened: CaptureBuffer, spool: Path) -> None:
    def broken(_: logging.LogRecord) -> bool:
        raise ValueError("no log today")

    log = logging.getLogger("capture")
    log.addFilter(broken)
    try:
        assert not opened.append(object(), 0.5)
    finally:
        log.removeFilter(broken)
    assert counts(spool)["refused"] == {"unencodable": 1}


def test_a_buffer_that_is_closed_while_it_enters_the_spool_leaves_nobody_in_it(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unusable(tmp_path)
    made = CaptureBuffer(settings(tmp_path), start_shipper=False)
    spool.unlink()
    start = SegmentPool.start
    started: list[SegmentPool] = []

    def closed_meanwhile(segment_pool: SegmentPool) -> None:
        start(segment_pool)
        started.append(segment_pool)
        assert made.close(0), "it has kept nothing"

    monkeypatch.setattr(SegmentPool, "start", closed_meanwhile)
    made._writers._next_try = 0.0
    assert not made.append({"a": 1}, 0.5)
    assert not started[0]._thread.is_alive()
    (path,) = (spool / "writers").iterdir()
    counters = ProcessCounters.read(path)
    assert counters is not None
    assert (counters.alive(), counters.closed) == (False, True)
    assert not made.append({"a": 2}, 0.5)

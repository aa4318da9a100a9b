"""Threads share a buffer: every record that was accepted stands once, every call is counted, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture import CaptureBuffer, new_event_id
from capture.journal.counters import UNASSIGNED
from capture.shipping.stats import read_stats
from tests.capture.spools import buffer, column, counts, events, row

SPOOL = 512 << 20


def together(count: int, work: Callable[[int], object]) -> None:
    """Runs `work` in so many threads that begin at once; an error in one of them is the test's."""
    barrier = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait(30)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert errors == []


def appending(
    opened: CaptureBuffer, times: int, accepted: list[tuple[int, int]], refused: list[int]
) -> Callable[[int], None]:
    def work(thread: int) -> None:
        own = []
        for number in range(times):
            if opened.append({"thread": thread, "number": number}, float(number)):
                own.append((thread, number))
            else:
                refused.append(thread)
        accepted.extend(own)

    return work


def test_every_record_of_many_threads_stands_once_and_every_call_is_counted(tmp_path: Path) -> None:
    accepted: list[tuple[int, int]] = []
    refused: list[int] = []
    with buffer(tmp_path, spool_max_bytes=SPOOL) as opened:
        together(8, appending(opened, 3000, accepted, refused))
        writers = len(opened._writers.made)
        assert len(opened._writers.idle) == writers
        stats = read_stats(tmp_path / "spool")
    found = events(tmp_path / "spool")
    assert sorted((row(event.items)["thread"], row(event.items)["number"]) for event in found) == sorted(accepted)
    assert all(row(event.predictions)[""] == row(event.items)["number"] for event in found)
    assert len({event.event_id for event in found}) == len(found)
    counted = counts(tmp_path / "spool")
    assert (counted["appended"], counted["kept"]) == (24_000, len(accepted))
    assert sum(counted["refused"].values()) == len(refused)
    assert (stats.appended, stats.waiting, stats.balanced) == (24_000, len(accepted), True)
    assert len(accepted) > 23_000


def test_a_thread_for_which_no_segment_is_ready_writes_into_anothers(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        assert opened.append({"mark": 0}, 0.5)
        segment_pool = opened._writers.segment_pool
        assert segment_pool is not None
        segment_pool.stop()
        while segment_pool.take() is not None:
            pass
        with_room = opened._writers.idle.pop()
        opened._writers.idle.insert(0, with_room)
        for mark in range(1, 50):
            assert opened.append({"mark": mark}, 0.5)
        assert sorted(row(event.items)["mark"] for event in events(tmp_path / "spool")) == list(range(50))
        assert counts(tmp_path / "spool")["refused"] == {}
        opened._writers.idle.remove(with_room)
        assert not opened.append({"mark": 50}, 0.5)
        assert counts(tmp_path / "spool")["refused"] == {"spool_full": 1}


def test_the_records_of_a_writer_are_numbered_without_a_gap(tmp_path: Path) -> None:
    with buffer(tmp_path, spool_max_bytes=SPOOL) as opened:
        together(4, appending(opened, 500, [], []))
    by_writer: dict[str, list[int]] = {}
    for event in events(tmp_path / "spool"):
        by_writer.setdefault(event.writer, []).append(event.number)
    for numbers in by_writer.values():
        assert numbers == list(range(1, len(numbers) + 1))


def test_shapes_of_all_kinds_at_once_do_not_mix(tmp_path: Path) -> None:
    accepted: list[int] = []

    def work(thread: int) -> None:
        for number in range(150):
            mark = thread * 1000 + number
            features: Any = [
                {f"only in {thread}": mark, "mark": mark},
                [{"mark": mark, "other": "x"}, {"mark": mark, f"more {number % 7}": 1}],
                np.full((5, 3), mark, "f8"),
                {"mark": np.full(4, mark), "text": ["a", "b", "c", "d"]},
            ][thread % 4]
            names = ["mark", "b", "c"]
            rows = [1, 2, 5, 4][thread % 4]
            if opened.append(features, [0.5] * rows, feature_names=names, request_features={"request mark": mark}):
                accepted.append(mark)

    with buffer(tmp_path, spool_max_bytes=SPOOL) as opened:
        together(8, work)
    found = []
    for event in events(tmp_path / "spool"):
        assert event.request is not None
        mark = row(event.request)["request mark"]
        assert set(column(event.items, "mark")) == {mark}
        found.append(mark)
    assert sorted(found) == sorted(accepted)


def test_more_threads_than_lanes_are_served_or_counted_as_busy(tmp_path: Path) -> None:
    accepted: list[tuple[int, int]] = []
    refused: list[int] = []
    with buffer(tmp_path, spool_max_bytes=SPOOL) as opened:
        held = []
        while (writer := opened._writers._make()) is not None:
            held.append(writer)
        held += [opened._writers.idle.pop() for _ in range(len(opened._writers.idle))]
        assert len(held) == UNASSIGNED
        together(20, appending(opened, 5, accepted, refused))
        assert len(refused) == 100
        assert counts(tmp_path / "spool")["refused"] == {"busy": 100}
        stats = read_stats(tmp_path / "spool")
        assert (stats.appended, stats.dropped, stats.balanced) == (100, {"busy": 100}, True)
        opened._writers.idle.append(held.pop())
        together(20, appending(opened, 5, accepted, refused))
        opened._writers.idle.extend(held)
    counted = counts(tmp_path / "spool")
    assert (counted["appended"], counted["kept"]) == (200, len(accepted))
    assert len(events(tmp_path / "spool")) == len(accepted) > 0


def test_a_call_that_ends_the_thread_gives_its_lane_back(tmp_path: Path) -> None:
    class Fatal:
        def __getattr__(self, name: str) -> Any:
            raise SystemExit

    with buffer(tmp_path) as opened:
        for _ in range(100):
            with pytest.raises(SystemExit):
                opened.append(Fatal(), 0.5)
        assert len(opened._writers.idle) == len(opened._writers.made)
        assert opened.append({"a": 1}, 0.5)


def test_threads_that_enter_the_spool_at_once_are_one_writer(tmp_path: Path) -> None:
    accepted: list[tuple[int, int]] = []
    refused: list[int] = []
    with buffer(tmp_path, spool_max_bytes=SPOOL) as opened:
        opened._writers.forget()
        before = set((tmp_path / "spool" / "writers").iterdir())
        together(8, appending(opened, 20, accepted, refused))
        assert len(set((tmp_path / "spool" / "writers").iterdir()) - before) == 1
        assert refused == []
    assert len(events(tmp_path / "spool")) == len(accepted) == 160


def test_refusals_without_a_spool_are_counted_exactly_however_many_threads_there_are(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    refused: list[int] = []
    with buffer(tmp_path) as opened:
        together(8, appending(opened, 500, [], refused))
        (tmp_path / "spool").unlink()
        opened._writers._next_try = 0.0
        assert opened.append({"a": 1}, 0.5)
    assert len(refused) == 4000
    counted = counts(tmp_path / "spool")
    assert (counted["refused"], counted["kept"]) == ({"spool_unavailable": 4000}, 1)


def test_closing_while_threads_append_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    accepted: list[int] = []
    started = threading.Event()

    with buffer(tmp_path, spool_max_bytes=SPOOL) as opened:

        def work(thread: int) -> None:
            if not thread:
                assert started.wait(30)
                opened.close(0.5)
                return
            refusals = 0
            for number in range(100_000):
                if opened.append({"mark": thread * 100_000 + number}, 0.5):
                    accepted.append(thread * 100_000 + number)
                    started.set()
                else:
                    refusals += 1
                if refusals > 50 and opened._writers.closed:
                    return

        together(4, work)
    found = [row(event.items)["mark"] for event in events(tmp_path / "spool")]
    assert sorted(found) == sorted(accepted)


def test_prepared_in_one_thread_and_appended_in_another(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        prepared = [opened.prepare({"number": number}, event_id=new_event_id()) for number in range(200)]
        together(4, lambda thread: [opened.append(one, 0.5) for one in prepared[thread::4]])
    assert sorted(row(event.items)["number"] for event in events(tmp_path / "spool")) == list(range(200))

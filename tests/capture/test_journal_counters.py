"""A writing process's counters: counters that survive it, and a lock that says whether it lives."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.journal import counters as accounts
from capture.journal.counters import MAX_WRITERS, PAGE, REFUSALS, Latency, ProcessCounters, WriterCounters

ROOT = Path(__file__).parents[2]
HOLDS = """
import sys, time
from pathlib import Path
from capture.journal.counters import ProcessCounters
counters = ProcessCounters.create(Path(sys.argv[1]), b"header", 5)
counters.writer(3).kept(17, 100, False)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def counters(tmp_path: Path) -> ProcessCounters:
    return ProcessCounters.create(tmp_path / ("a" * 24), b'{"a header": "of any length"}', 1_767_268_800_000_000)


def writer() -> WriterCounters:
    return WriterCounters(memoryview(bytearray(PAGE)).cast("Q"))


def test_an_account_is_read_as_it_was_made(counters: ProcessCounters) -> None:
    other = ProcessCounters.read(counters.path)
    assert other is not None
    assert (other.process, other.header_text, other.began_at) == ("a" * 24, counters.header_text, 1_767_268_800_000_000)
    assert (other.closed, other.drops) == (False, (0, 0))
    assert stat.S_IMODE(counters.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("length", [0, 1, PAGE, 3 * PAGE + 1])
def test_a_header_of_any_length_is_kept(tmp_path: Path, length: int) -> None:
    ProcessCounters.create(tmp_path / "one", b"x" * length, 1)
    other = ProcessCounters.read(tmp_path / "one")
    assert other is not None
    assert other.header_text == b"x" * length


def test_every_lane_counts_for_itself(counters: ProcessCounters) -> None:
    for index in range(MAX_WRITERS):
        for _ in range(index):
            counters.writer(index).kept(2, 10, index % 2 == 0)
    other = ProcessCounters.read(counters.path)
    assert other is not None
    readings = [other.writer(index).reading() for index in range(MAX_WRITERS)]
    assert [reading.kept for reading in readings] == list(range(MAX_WRITERS))
    assert [reading.rows for reading in readings] == [2 * index for index in range(MAX_WRITERS)]
    assert readings[4].row_mismatches == 4
    assert readings[5].row_mismatches == 0
    assert counters.header_text == b'{"a header": "of any length"}'


@given(st.lists(st.sampled_from(["kept", "sampled_out", *REFUSALS])))
def test_what_was_appended_is_the_sum_of_what_became_of_it(calls: list[str]) -> None:
    counters = writer()
    for call in calls:
        if call == "kept":
            counters.kept(3, 64, False)
        elif call == "sampled_out":
            counters.sampled_out()
        else:
            counters.refused(REFUSALS.index(call))
    reading = counters.reading()
    assert reading.appended == len(calls)
    assert (reading.kept, reading.sampled_out) == (calls.count("kept"), calls.count("sampled_out"))
    assert reading.refused == {reason: calls.count(reason) for reason in REFUSALS if reason in calls}
    assert (reading.rows, reading.bytes) == (3 * calls.count("kept"), 64 * calls.count("kept"))


@pytest.mark.parametrize("reason", range(len(REFUSALS)))
def test_a_lane_that_only_refused_is_a_lane_that_was_used(reason: int) -> None:
    counters, fresh = writer(), writer()
    counters.refused(reason, 3)
    assert counters.used == (reason in (accounts.BUSY, accounts.SPOOL_UNAVAILABLE, accounts.CLOSED))
    counters.measured(5)
    assert (counters.used, fresh.used) == (True, False)
    assert counters.reading().refused == {REFUSALS[reason]: 3}


@given(st.lists(st.integers(0, 10**12), min_size=1), st.floats(0, 1))
def test_a_quantile_of_the_latency_is_right_to_an_eighth(nanoseconds: list[int], share: float) -> None:
    counters = writer()
    for value in nanoseconds:
        counters.measured(value)
    latency = counters.reading().latency
    assert (latency.count, latency.total, latency.longest) == (len(nanoseconds), sum(nanoseconds), max(nanoseconds))
    exact = sorted(nanoseconds)[max(-int(-share * len(nanoseconds) // 1) - 1, 0)]
    assert exact <= latency.quantile(share) <= exact * 1.125 + 1


@given(st.lists(st.integers(0, 10**9)), st.lists(st.integers(0, 10**9)))
def test_latencies_of_several_lanes_are_one(one: list[int], other: list[int]) -> None:
    parts = [writer(), writer()]
    whole = writer()
    for counters, values in zip(parts, (one, other), strict=True):
        for value in values:
            counters.measured(value)
            whole.measured(value)
    merged = Latency()
    for counters in parts:
        merged.add(counters.reading().latency)
    assert merged == whole.reading().latency
    assert Latency().quantile(0.99) == 0.0


def test_a_duration_beyond_every_bucket_is_counted_in_the_last() -> None:
    counters = writer()
    counters.measured(2**63)
    latency = counters.reading().latency
    assert (latency.count, sum(latency.buckets.values()), latency.longest) == (1, 1, 2**63)
    assert counters.reading().kept == 0


def test_a_dead_writers_count_is_only_ever_raised() -> None:
    counters = writer()
    counters.kept(1, 8, False)
    counters.correct(2)
    counters.correct(1)
    assert counters.records == 2
    counters.settle(2)
    assert counters.settled == 2


def test_what_a_process_dropped_is_counted_in_segments_and_bytes(counters: ProcessCounters) -> None:
    counters.dropped(100)
    counters.dropped(11)
    other = ProcessCounters.read(counters.path)
    assert other is not None
    assert other.drops == (2, 111)


def test_a_process_says_that_it_writes_no_more(counters: ProcessCounters) -> None:
    counters.close_for_writing()
    other = ProcessCounters.read(counters.path)
    assert other is not None
    assert other.closed


def test_a_process_is_alive_until_it_is_killed_and_its_counts_outlive_it(tmp_path: Path) -> None:
    path = tmp_path / "writer"
    command = [sys.executable, "-c", HOLDS, str(path)]
    env = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        counters = ProcessCounters.read(path)
        assert counters is not None
        assert counters.alive()
        assert counters.alive(), "asking must not change the answer"
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not counters.alive()
        assert counters.writer(3).reading().rows == 17


def test_closing_frees_the_lock_and_keeps_the_counters(counters: ProcessCounters) -> None:
    writer = counters.writer(0)
    other = ProcessCounters.read(counters.path)
    assert other is not None
    assert counters.alive()
    assert other.alive()
    counters.close()
    counters.close()
    assert not other.alive()
    writer.kept(1, 8, False)
    assert other.writer(0).records == 1


def test_no_counters_are_made_over_others(counters: ProcessCounters) -> None:
    with pytest.raises(FileExistsError):
        ProcessCounters.create(counters.path, b"", 1)
    assert counters.alive()


def test_what_is_no_account_is_none(tmp_path: Path, counters: ProcessCounters) -> None:
    assert ProcessCounters.read(tmp_path / "absent") is None
    (tmp_path / "short").write_bytes(b"EACCOUNT")
    assert ProcessCounters.read(tmp_path / "short") is None
    (tmp_path / "zeros").write_bytes(bytes(counters.path.stat().st_size))
    assert ProcessCounters.read(tmp_path / "zeros") is None
    data = counters.path.read_bytes()
    (tmp_path / "version").write_bytes(data[:8] + b"\2" + data[9:])
    assert ProcessCounters.read(tmp_path / "version") is None
    (tmp_path / "link").symlink_to(counters.path)
    assert ProcessCounters.read(tmp_path / "link") is None
    (tmp_path / "directory").mkdir()
    assert ProcessCounters.read(tmp_path / "directory") is None


def test_what_is_no_account_costs_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes((MAX_WRITERS + 2) * PAGE))
    (tmp_path / "short").write_bytes(b"")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(10):
        assert ProcessCounters.read(tmp_path / "zeros") is None
        assert ProcessCounters.read(tmp_path / "short") is None
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208

"""Counts of many processes: added up, kept when a process is killed, and true under threads."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.metrics.counters import SLOTS, Counters, CountersReader, Family

ROOT = Path(__file__).resolve().parents[2]
COUNTER = Family("counter", "Counts.", ("kind",))
HISTOGRAM = Family("histogram", "Observes.", ("kind",), (1.0, 2.5, 10.0))
FAMILIES = (COUNTER, HISTOGRAM)


COUNT = """
import os, signal, sys
from pathlib import Path
from container.metrics.counters import Counters
from tests.container.test_counters import COUNTER, HISTOGRAM

counters = Counters(Path(sys.argv[1]))
counters.add(COUNTER, ("a",), 5)
counters.observe(HISTOGRAM, 2.0, ("b",))
os.kill(os.getpid(), int(sys.argv[2]))
"""


def count_in_a_process(directory: Path, number: int = 0) -> None:
    """Let another process count, and end by this signal (0: by itself)."""
    ended = subprocess.run([sys.executable, "-c", COUNT, str(directory), str(number)], cwd=ROOT, check=False)
    assert ended.returncode == -number


def test_a_counter_and_a_histogram_hold_what_was_added():
    counters = Counters(None)
    counters.add(COUNTER, ("a",))
    counters.add(COUNTER, ("a",), 2)
    for value in (0.5, 1.0, 1.1, 10.0, 11.0):
        counters.observe(HISTOGRAM, value, ("a",))
    assert counters.read() == {("counter", ("a",)): [3], ("histogram", ("a",)): [2, 1, 1, 1, 23.6]}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=50))
def test_buckets_are_those_of_prometheus(values: list[tuple[str, float]]):
    counters = Counters(None)
    for kind, value in values:
        counters.observe(HISTOGRAM, value, (kind,))
    for kind in {kind for kind, _ in values}:
        *buckets, total = counters.read()["histogram", (kind,)]
        own = [value for of, value in values if of == kind]
        for index, bound in enumerate(HISTOGRAM.bounds):
            assert sum(buckets[: index + 1]) == sum(value <= bound for value in own)
        assert sum(buckets) == len(own)
        assert abs(total - sum(own)) < 1e-6


def test_processes_are_added_up_also_those_that_were_killed(tmp_path: Path):
    reader = CountersReader(tmp_path, FAMILIES)
    count_in_a_process(tmp_path)
    count_in_a_process(tmp_path, signal.SIGKILL)
    own = Counters(tmp_path)
    own.add(COUNTER, ("a",), 1)
    own.add(COUNTER, ("c",), 1)
    expected = {
        ("counter", ("a",)): [11.0],
        ("counter", ("c",)): [1.0],
        ("histogram", ("b",)): [0.0, 2.0, 0.0, 0.0, 4.0],
    }
    assert reader.total() == expected
    assert reader.total() == expected
    # The files of those that have ended are gone, their counts are not.
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {str(os.getpid())}


def test_threads_lose_no_count():
    counters = Counters(None)

    def count() -> None:
        for _ in range(2000):
            counters.add(COUNTER, ("a",))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.read() == {("counter", ("a",)): [16_000]}


def test_a_series_line_that_is_being_written_is_left_for_the_next_time(tmp_path: Path):
    Counters(tmp_path).add(COUNTER, ("a",))
    (index,) = tmp_path.glob("*.series")
    written = index.read_bytes().rstrip(b"\0")
    index.write_bytes(written + b'[1, "counter", ["b"' + bytes(100))
    assert CountersReader(tmp_path, FAMILIES).total() == {("counter", ("a",)): [1.0]}


def test_series_that_find_no_slot_are_not_counted_and_hurt_no_other():
    counters = Counters(None)
    for number in range(SLOTS + 10):
        counters.add(COUNTER, (str(number),))
    counters.add(COUNTER, ("0",))
    counts = counters.read()
    assert 4000 < len(counts) < SLOTS
    assert counts["counter", ("0",)] == [2]
    assert set(map(tuple, counts.values())) == {(1,), (2,)}


def test_counting_a_new_series_needs_no_file_operation(tmp_path: Path):
    directory = tmp_path / "counters"
    directory.mkdir()
    counters = Counters(directory)
    shutil.rmtree(directory)  # as good as a disk that is full
    counters.add(COUNTER, ("a",))
    counters.observe(HISTOGRAM, 1.0, ("a",))
    assert counters.read()["counter", ("a",)] == [1]


def test_the_files_of_counters_have_no_holes(tmp_path: Path):
    Counters(tmp_path)
    for path in tmp_path.iterdir():
        assert path.stat().st_blocks * 512 >= path.stat().st_size > 0


def test_a_worker_without_room_for_its_counts_counts_in_memory_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    counters = Counters(tmp_path / "missing")
    counters.add(COUNTER, ("a",))
    assert counters.read() == {("counter", ("a",)): [1]}
    assert "counts of this worker are missing from /metrics" in caplog.text


def test_a_label_that_cannot_be_encoded_is_not_counted_and_raises_nothing():
    counters = Counters(None)
    counters.add(COUNTER, ("\ud83d",))
    assert counters.read() == {}

"""Processes: a forked child is a writer of its own, a killed one loses nothing that was accepted, many share one spool."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capture import CaptureBuffer, fork_guard
from capture.journal.counters import ProcessCounters
from capture.shipping.stats import read_stats
from tests.capture.spools import buffer, counts, events, row, settings

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
ROOT = Path(__file__).parents[2]
LIMIT = 60
SPOOL = 256 << 20


def child(work: Callable[[], Any]) -> int:
    """The id of a forked child that does `work` and ends with 0, or with 1 where it raised."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """The exit code of a child; it is killed where it does not end."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError("the child did not end")


def marks(spool: Path) -> list[str]:
    return [row(event.items)["mark"] for event in events(spool)]


def test_a_forked_child_is_a_writer_of_its_own(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        assert opened.append({"mark": "parent before"}, 0.5)

        def work() -> None:
            assert opened.append({"mark": "child"}, 0.5)
            assert opened.append({"mark": "child again"}, 0.5)

        assert ended(child(work)) == 0
        assert opened.append({"mark": "parent after"}, 0.5)
    found = {row(event.items)["mark"]: event for event in events(tmp_path / "spool")}
    assert len(found) == 4
    assert found["parent before"].writer == found["parent after"].writer
    assert found["child"].writer == found["child again"].writer
    assert found["child"].writer[:24] != found["parent after"].writer[:24]
    assert [found[mark].number for mark in ("parent before", "parent after", "child", "child again")] == [1, 2, 1, 2]


def test_a_child_that_appends_nothing_is_no_writer(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        assert ended(child(lambda: None)) == 0
        assert len(list((tmp_path / "spool" / "writers").iterdir())) == 1
        assert opened.append({"mark": "parent"}, 0.5)


def test_a_child_closes_its_own_writer_and_not_its_parents(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:

        def work() -> None:
            assert opened.append({"mark": "child"}, 0.5)
            opened.close(0.2)
            assert not opened.append({"mark": "late"}, 0.5)

        assert ended(child(work)) == 0
        assert opened.append({"mark": "parent"}, 0.5)
    assert sorted(marks(tmp_path / "spool")) == ["child", "parent"]


def test_a_child_of_a_closed_buffer_refuses_as_its_parent_does(tmp_path: Path) -> None:
    opened = CaptureBuffer(settings(tmp_path), start_shipper=False)
    opened.close(0)
    assert ended(child(lambda: opened.append({"mark": "child"}, 0.5) and os._exit(3))) == 0


def test_a_grandchild_is_a_writer_of_its_own(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:

        def grandchild() -> None:
            assert opened.append({"mark": "grandchild"}, 0.5)

        def work() -> None:
            assert opened.append({"mark": "child"}, 0.5)
            assert ended(child(grandchild)) == 0
            assert opened.append({"mark": "child again"}, 0.5)

        assert ended(child(work)) == 0
    found = events(tmp_path / "spool")
    assert sorted(row(event.items)["mark"] for event in found) == ["child", "child again", "grandchild"]
    assert len({event.writer[:24] for event in found}) == 2


def test_workers_of_multiprocessing_share_a_buffer_made_before_them(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    with buffer(tmp_path, spool_max_bytes=SPOOL) as opened:

        def work(worker: int) -> None:
            for number in range(200):
                assert opened.append({"mark": f"{worker}.{number}"}, 0.5)

        workers = [fork.Process(target=work, args=(worker,)) for worker in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(LIMIT)
        assert [worker.exitcode for worker in workers] == [0] * 4
    assert sorted(marks(tmp_path / "spool")) == sorted(
        f"{worker}.{number}" for worker in range(4) for number in range(200)
    )
    assert len({event.writer[:24] for event in events(tmp_path / "spool")}) == 4


def test_a_child_forked_in_the_midst_of_its_parents_appends_disturbs_none_of_them(tmp_path: Path) -> None:
    accepted: list[str] = []
    stop = threading.Event()
    with buffer(tmp_path, spool_max_bytes=SPOOL) as opened:

        def busy(thread: int) -> None:
            number = 0
            while not stop.is_set() and number < 20_000:
                if opened.append({"mark": f"parent {thread}.{number}"}, 0.5):
                    accepted.append(f"parent {thread}.{number}")
                number += 1

        threads = [threading.Thread(target=busy, args=(thread,)) for thread in range(2)]
        for thread in threads:
            thread.start()
        try:
            for round_ in range(8):

                def work(round_: int = round_) -> None:
                    for number in range(20):
                        assert opened.append({"mark": f"child {round_}.{number}"}, 0.5)

                assert ended(child(work)) == 0
                accepted += [f"child {round_}.{number}" for number in range(20)]
        finally:
            stop.set()
            for thread in threads:
                thread.join(LIMIT)
    assert sorted(marks(tmp_path / "spool")) == sorted(accepted)


def test_several_threads_of_a_child_begin_at_once_as_one_writer(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:

        def work() -> None:
            barrier = threading.Barrier(6)
            results: list[bool] = []

            def append(number: int) -> None:
                barrier.wait(LIMIT)
                results.append(opened.append({"mark": f"{number}"}, 0.5))

            threads = [threading.Thread(target=append, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LIMIT)
            assert results == [True] * 6

        assert ended(child(work)) == 0
        assert len(list((tmp_path / "spool" / "writers").iterdir())) == 2
    assert sorted(marks(tmp_path / "spool")) == [f"{number}" for number in range(6)]


PARENT = """
import os, sys, time
from pathlib import Path
from capture import CaptureBuffer, fork_guard
from tests.capture.spools import settings
buffer = CaptureBuffer(settings(Path(sys.argv[1])), start_shipper=False)
assert buffer.append(dict(mark="parent"), 0.5)
child = os.fork()
if not child:
    if sys.argv[2] == "appends":
        assert buffer.append(dict(mark="child"), 0.5)
    print(os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)
time.sleep(600)
"""


@pytest.mark.parametrize("does", ["appends", "sleeps"])
def test_a_child_that_lives_does_not_make_its_killed_parent_alive(tmp_path: Path, does: str) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), does]
    with subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        forked = int(parent.stdout.readline())
        accounts = [ProcessCounters.read(path) for path in (tmp_path / "spool" / "writers").iterdir()]
        assert [counters.alive() for counters in accounts if counters is not None] == [True] * (1 + (does == "appends"))
        parent.kill()
        parent.wait()
        os.kill(forked, 0)
        alive = sorted(counters.alive() for counters in accounts if counters is not None)
        assert alive == [False] + [True] * (does == "appends")
        parent.stdin.close()
        assert parent.stdout.read() == b""
    assert sorted(marks(tmp_path / "spool")) == sorted({"parent", *(["child"] if does == "appends" else [])})


WORKER = """
import sys
from pathlib import Path
from capture import CaptureBuffer, fork_guard
from tests.capture.spools import settings
buffer = CaptureBuffer(settings(Path(sys.argv[1])), start_shipper=False)
for number in range(150):
    assert buffer.append(dict(mark=sys.argv[2] + "." + str(number)), 0.5)
"""


def test_several_processes_share_one_spool(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(worker)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
        )
        for worker in range(3)
    ]
    assert [worker.wait(LIMIT) for worker in workers] == [0, 0, 0]
    found = events(tmp_path / "spool")
    assert sorted(row(event.items)["mark"] for event in found) == sorted(
        f"{w}.{n}" for w in range(3) for n in range(150)
    )
    assert len({event.writer[:24] for event in found}) == 3
    stats = read_stats(tmp_path / "spool")
    assert (stats.appended, stats.waiting, stats.writers, stats.balanced) == (450, 450, 0, True)


def test_a_process_that_is_killed_in_mid_append_loses_no_accepted_record(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for round_ in range(10):
        home = tmp_path / str(round_)
        ours, theirs = os.pipe()

        def work(home: Path = home, theirs: int = theirs) -> None:
            opened = CaptureBuffer(settings(home, spool_max_bytes=SPOOL), start_shipper=False)
            number = 0
            while True:
                text = "x" * (number % 97 * 50)
                if opened.append({"mark": str(number), "text": text}, float(number)):
                    os.write(theirs, number.to_bytes(8, "little"))
                number += 1

        process = child(work)
        os.close(theirs)
        assert select.select([ours], [], [], LIMIT)[0]
        time.sleep(chance.random() * 0.05)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        told = b"".join(iter(lambda ours=ours: os.read(ours, 1 << 16), b""))  # type: ignore[misc]
        os.close(ours)
        accepted = [str(int.from_bytes(told[at : at + 8], "little")) for at in range(0, len(told) - 7, 8)]
        found = events(home / "spool")
        read = [row(event.items)["mark"] for event in found]
        assert read[: len(accepted)] == accepted, f"seed {seed}, round {round_}"
        assert len(read) - len(accepted) <= 1, "at most the record whose answer was not yet heard"
        assert all(len(row(event.items)["text"]) == int(row(event.items)["mark"]) % 97 * 50 for event in found)
        kept = counts(home / "spool")["kept"]
        assert len(read) - 1 <= kept <= len(read), "a dead writer's count lags by one record at most"


def test_a_buffer_that_is_never_closed_leaves_its_records_to_the_shipper(tmp_path: Path) -> None:
    code = WORKER + "import os\nos._exit(0)\n"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "w"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        timeout=LIMIT,
    )
    assert len(marks(tmp_path / "spool")) == 150
    with contextlib.ExitStack() as stack:
        for path in (tmp_path / "spool" / "writers").iterdir():
            counters = ProcessCounters.read(path)
            assert counters is not None
            stack.callback(counters.close)
            assert not counters.alive()


UNSEEN = """
import ctypes, os, sys
from pathlib import Path
from capture import CaptureBuffer, new_event_id
from tests.capture.spools import settings
from tests.capture.test_fork import ended
home = Path(sys.argv[1])

def forked(work):
    # As a C extension does: none of Python's hooks runs.
    process = ctypes.PyDLL(None).fork()
    if process:
        return process
    code = 1
    try:
        code = 0 if work() else 2
    finally:
        os._exit(code)

def opened(where=home, **more):
    return CaptureBuffer(settings(where, spool_max_bytes=256 << 20, **more), start_shipper=False)

def without_threads(buffer):
    # Python itself may hang in such a child of a process in which another thread runs.
    buffer._writers.segment_pool.stop()
"""


def unseen(home: Path, code: str) -> str:
    """Runs code that forks as C does, in a process with no other thread; returns what it prints."""
    command = [sys.executable, "-c", UNSEEN + code, str(home)]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=LIMIT * 2, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_after_a_fork_that_python_does_not_see_each_side_is_a_writer_of_its_own(tmp_path: Path) -> None:
    unseen(
        tmp_path,
        "buffer = opened()\n"
        "assert buffer.append(dict(mark='before'), 0.5)\n"
        "without_threads(buffer)\n"
        "append = lambda who: all(buffer.append(dict(mark=f'{who}.{n}'), 0.5) for n in range(100))\n"
        "children = [forked(lambda: append(who)) for who in (0, 1, 2)]\n"
        "assert append('parent')\n"
        "assert [ended(child) for child in children] == [0, 0, 0]\n"
        "buffer.close(0)\n",
    )
    found = events(tmp_path / "spool")
    names = ("parent", "0", "1", "2")
    assert sorted(row(event.items)["mark"] for event in found) == sorted(
        ["before", *(f"{name}.{number}" for name in names for number in range(100))]
    )
    assert len({event.event_id for event in found}) == len(found)
    assert len({event.writer[:24] for event in found}) == 4
    assert read_stats(tmp_path / "spool").balanced


def test_after_an_unseen_fork_sampling_and_closing_are_the_childs_own(tmp_path: Path) -> None:
    unseen(
        tmp_path,
        "buffer = opened(sampling_percentage=0)\n"
        "assert buffer.append(dict(mark='parent'), 0.5)\n"
        "without_threads(buffer)\n"
        "def work():\n"
        "    own = buffer.append(dict(mark='child'), 0.5) and buffer.close(5.0)\n"
        "    return own and not buffer.append(dict(mark='late'), 0.5)\n"
        "assert ended(forked(work)) == 0\n"
        "assert buffer.append(dict(mark='parent'), 0.5)\n"
        "buffer.close(0)\n",
    )
    assert read_stats(tmp_path / "spool").sampled_out == 3


def test_ids_made_after_an_unseen_fork_differ_from_the_parents(tmp_path: Path) -> None:
    printed = unseen(
        tmp_path,
        "new_event_id()\n"
        "make = lambda: os.write(1, new_event_id(lambda: 0).encode() + b'\\n')\n"
        "assert ended(forked(make)) == 0\n"
        "make()\n",
    )
    assert len(set(printed.split())) == 2


def test_a_buffer_made_right_before_an_unseen_fork_hangs_no_worker(tmp_path: Path) -> None:
    """The parent has no thread of ours before its own first append."""
    unseen(
        tmp_path,
        "for number in range(20):\n"
        "    buffer = opened(home / str(number))\n"
        "    work = lambda: all(buffer.append(dict(mark=n), 0.5) for n in range(20)) and buffer.close(0.0) is not None\n"
        "    assert ended(forked(work)) == 0\n"
        "    buffer.close(0.0)\n",
    )


def test_a_kernel_that_cannot_clear_memory_at_a_fork_is_served_by_the_process_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fork_guard, "_MADV_WIPEONFORK", 12345)
    guard = fork_guard.fork_guard()
    assert guard[0] == 1
    assert ended(child(lambda: guard[0] and os._exit(3))) == 0

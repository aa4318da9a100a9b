"""An exception from outside reaches the caller of `append`, and every state stays whole."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capture.shipping.stats import read_stats
from tests.capture.spools import append_patiently, buffer, counts, events, row
from tests.faults.processes import until

# A handler that raises while an object is deleted raises into nothing: Python reports it, and nobody can catch it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class SoftLimit(Exception):
    """As Celery raises it from its handler of SIGUSR1."""


class Stop(BaseException):
    """As a greenlet's timeout."""


@pytest.fixture(params=[SoftLimit, Stop, KeyboardInterrupt, ValueError])
def alarm(request: pytest.FixtureRequest) -> Iterator[type[BaseException]]:
    """A timer that keeps raising in the main thread, at random moments of whatever it does."""
    kind: type[BaseException] = request.param

    def handler(number: int, frame: Any) -> None:
        raise kind("in time")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield kind
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_exception_from_a_signal_handler_reaches_the_caller_and_loses_no_accepted_record(
    tmp_path: Path, alarm: type[BaseException]
) -> None:
    accepted: list[int] = []
    refused: list[int] = []
    interrupts = number = 0
    with buffer(tmp_path, spool_max_bytes=1 << 30) as opened:
        while interrupts < 40:
            number += 1
            with contextlib.suppress(alarm):  # one that comes while the timer is stopped
                try:
                    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number * 7 % 60))
                    (accepted if opened.append({"mark": number, "text": "x" * 50}, 0.5) else refused).append(number)
                except alarm:
                    interrupts += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        assert append_patiently(opened, {"mark": 0})
        reasons = set(counts(tmp_path / "spool")["refused"])
        assert reasons <= {"spool_full"}, "no exception from outside is taken for a refusal"
        found = [row(event.items)["mark"] for event in events(tmp_path / "spool")]
        assert set(accepted) <= set(found)
        assert len(set(found)) == len(found)
    by_writer: dict[str, list[int]] = {}
    for event in events(tmp_path / "spool"):
        by_writer.setdefault(event.writer, []).append(event.number)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_writer.values())
    assert read_stats(tmp_path / "spool").balanced


def test_an_exception_that_another_thread_puts_into_this_one_reaches_the_caller(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        stopped = threading.Event()

        def work() -> None:
            try:
                while True:
                    assert opened.append({"mark": 1}, 0.5)
            except SoftLimit:
                stopped.set()

        thread = threading.Thread(target=work)
        thread.start()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SoftLimit))
        assert stopped.wait(60)
        thread.join(60)
        assert opened.append({"mark": 2}, 0.5)


def test_a_lane_that_never_came_back_is_found_and_keeps_no_close_waiting(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        assert opened.append({"mark": 1}, 0.5)
        lost = opened._writers.idle.pop()  # as an exception between the pop and the next step leaves it

        def found() -> bool:
            opened._writers.find_lost()
            return lost in opened._writers.idle

        until(found, "the writer is found")
        opened._writers.idle.remove(lost)
        assert opened.append({"mark": 2}, 0.5)
        opened._writers.close(1.0)
        assert lost.closed
        assert lost in opened._writers.idle.sealed  # type: ignore[attr-defined]


def test_an_error_of_the_data_is_still_a_refusal(tmp_path: Path) -> None:
    class Custom(Exception):
        pass

    class Hostile:
        def tolist(self) -> None:
            raise Custom

    with buffer(tmp_path) as opened:
        assert not opened.append({"a": Hostile()}, 0.5)

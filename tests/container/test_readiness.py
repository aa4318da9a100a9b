"""When `/ping` says that the endpoint cannot answer: not while the only worker is replaced, however long loading takes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from container.shared.run_directory import RunDirectory
from container.supervisor import proxy
from container.supervisor.readiness import GIVE_UP_AFTER, NOT_READY_AFTER, Readiness, not_ready_after


class Flag:
    """The proxy's admin socket, as far as readiness uses it: the flag, each time that it is set."""

    def __init__(self) -> None:
        self.set: list[bool] = []

    async def set_serving(self, serving: bool) -> None:
        self.set.append(serving)


@pytest.mark.parametrize("load_seconds", [0.0, 1.0, 3.0, 14.0, 15.0, 200.0])
def test_a_worker_gets_twice_the_time_that_its_model_took_before_ping_says_503(load_seconds: float):
    waits = not_ready_after(load_seconds)
    assert waits >= max(NOT_READY_AFTER, 2 * load_seconds)
    assert waits <= max(GIVE_UP_AFTER, 3 * load_seconds)


def test_ping_does_not_blink_while_the_only_worker_is_replaced(tmp_path: Path):
    async def replace_the_only_worker() -> tuple[list[float], list[bool]]:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await asyncio.Event().wait()  # the time never passes

        flag, directory = Flag(), RunDirectory(tmp_path)
        directory.busy.mkdir()
        readiness = Readiness(flag, directory, False, lambda reason: None, sleep)  # type: ignore[arg-type]
        await readiness.live_workers.start(directory.worker_status)
        worker = await _worker(directory)
        await _until(lambda: bool(readiness.live_workers.alive))
        await readiness.open(20.0)
        worker.kill()
        worker.communicate()
        await _until(lambda: bool(slept))
        other = await _worker(directory)
        await _until(lambda: bool(readiness.live_workers.alive))
        await _until(lambda: len(flag.set) == 2)
        await readiness.close()
        readiness.live_workers.stop()
        other.kill()
        other.communicate()
        return slept, flag.set

    slept, told = asyncio.run(replace_the_only_worker())
    assert slept == [not_ready_after(20.0)]
    assert told == [True, True, False], "it is opened, open again, and closed at the end"


async def _worker(directory: RunDirectory) -> subprocess.Popen[bytes]:
    """A process that reports as a worker with a loaded model."""
    program = (
        "import sys, pathlib; from container.shared.worker_status import announce;"
        "announce(pathlib.Path(sys.argv[1]), 'model'); sys.stdin.read()"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(directory.worker_status)], stdin=subprocess.PIPE)


async def _until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("workers", "megabytes"), [(1, 6), (16, 6), (32, 6), (192, 1), (4, 100), (64, 200), (2, 0)])
def test_concurrency_times_payload_stays_within_what_batch_transform_allows(workers: int, megabytes: int):
    text = proxy._execution_parameters(workers, megabytes << 20)
    found = json.loads(text[text.index("{") : text.rindex("}") + 1])
    concurrency, payload = found["MaxConcurrentTransforms"], found["MaxPayloadInMB"]
    assert 1 <= concurrency <= workers
    assert concurrency * payload <= 100 or concurrency == 1
    assert (concurrency + 1) * payload > 100 or concurrency == workers

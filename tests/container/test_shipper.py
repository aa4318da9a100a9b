"""The shipper is kept alive: started again after pauses that grow, and given what is left of the time at a stop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from capture import CaptureBuffer, CaptureConfig
from container.supervisor import shipper_process
from container.supervisor.child_processes import Child
from container.supervisor.shipper_process import FIRST_PAUSE, MAX_PAUSE, ShipperProcess, left_behind

Sleep = asyncio.sleep


def ended(code: int = 1) -> Child:
    """A shipper that ends as soon as it is started."""
    exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    exited.set_result(code)
    return Child("shipper", 0, exited)


async def pauses_of(spawn: Any, count: int, monkeypatch: pytest.MonkeyPatch) -> tuple[ShipperProcess, list[float]]:
    """The first pauses before it is started again; none is waited for."""
    pauses: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == count:
            enough.set()
            await asyncio.Event().wait()
        await Sleep(0)

    monkeypatch.setattr("container.supervisor.shipper_process.asyncio.sleep", sleep)
    kept = ShipperProcess(spawn)
    kept.start()
    await asyncio.wait_for(enough.wait(), 10)
    return kept, pauses


def test_a_shipper_that_dies_again_and_again_is_started_after_pauses_that_double(monkeypatch: pytest.MonkeyPatch):
    async def scenario() -> None:
        kept, pauses = await pauses_of(ended, 9, monkeypatch)
        assert pauses == [FIRST_PAUSE * 2**n for n in range(6)] + [MAX_PAUSE] * 3
        assert kept.restarts == 8
        assert await kept.stop(1.0) is False

    asyncio.run(scenario())


def test_one_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    def spawn() -> Child:
        raise RuntimeError("no memory")

    async def scenario() -> None:
        _, pauses = await pauses_of(spawn, 3, monkeypatch)
        assert pauses == [1.0, 2.0, 4.0]

    asyncio.run(scenario())


def test_a_long_life_makes_the_next_pause_the_first_again(monkeypatch: pytest.MonkeyPatch):
    async def scenario() -> None:
        monkeypatch.setattr(shipper_process, "HEALTHY_AFTER", -1.0)
        _, pauses = await pauses_of(ended, 4, monkeypatch)
        assert pauses == [FIRST_PAUSE] * 4

    asyncio.run(scenario())


def test_one_that_has_just_been_started_is_told_to_end_only_when_it_can_hear_it():
    """Else the signal would end it, as one that died shortly before the stop, with all that it should have shipped."""
    code = (
        "import signal, sys, time\n"
        "time.sleep(0.3)\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "while True: time.sleep(60)\n"
    )

    def spawn() -> Child:
        process = subprocess.Popen([sys.executable, "-I", "-S", "-c", code])
        return Child("shipper", process.pid, asyncio.get_running_loop().run_in_executor(None, process.wait))

    async def scenario() -> None:
        kept = ShipperProcess(spawn)
        kept.start()
        await asyncio.sleep(0)
        assert await kept.stop(30.0) is True

    asyncio.run(scenario())


def test_what_a_shipper_leaves_behind_is_counted_and_nothing_is_said_where_nothing_waits(tmp_path: Path):
    assert left_behind(tmp_path / "spool") is None
    config = CaptureConfig(destination=f"file://{tmp_path}/captured", spool_dir=tmp_path / "spool")
    buffer = CaptureBuffer(config, start_shipper=False)
    assert left_behind(tmp_path / "spool") is None
    assert buffer.append([{"x": 1}, {"x": 2}], [0.5, 0.5])
    buffer.close(0)
    assert left_behind(tmp_path / "spool") == f"1 records of 1 wait in {tmp_path}/spool, 0 were shipped, 0 dropped"

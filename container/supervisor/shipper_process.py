"""The capture shipper as a child of the supervisor: kept alive, and at the end given the time that is left.

What it does is `capture`'s business (`python -m capture ship`). One that dies is started again, after 1, 2, 4 … 60
seconds; the journal waits meanwhile, and records survive.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from capture.shipping.stats import read_stats
from container.supervisor.child_processes import Child, describe_exit

log = logging.getLogger("supervisor")
FIRST_PAUSE, MAX_PAUSE = 1.0, 60.0
DEADLINE = 20
"""Seconds that it gives itself after SIGTERM."""
LISTENS_WITHIN = 5.0
"""Seconds after its start within which a shipper must be able to receive a request to end."""
HEALTHY_AFTER = 60.0
"""Seconds of life after which a death counts as the first again."""


def command(python: str, spool: str, settings: str) -> list[str]:
    """The shipper's command line. It reads the resolved settings and no variable of the environment. With its deadline it can say itself what is left, before the supervisor's is over."""
    return [
        python,
        "-P",
        "-m",
        "container.supervisor.shipper_entry",
        "ship",
        "--settings",
        settings,
        "--spool",
        spool,
        "--deadline",
        str(DEADLINE),
    ]


def left_behind(spool: Path) -> str | None:
    """What waits in a spool whose shipper did not end well; None where nothing does."""
    stats = read_stats(spool)
    if not stats.waiting:
        return None
    waiting = f"{stats.waiting} records of {stats.appended} wait in {spool}"
    return f"{waiting}, {stats.shipped} were shipped, {sum(stats.dropped.values())} dropped"


def _listens(pid: int) -> bool:
    """Whether it has a handler for SIGTERM yet: without one the signal ends it before it has shipped anything."""
    try:
        caught = Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")[2].split()[0]
    except (OSError, IndexError):
        return True
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


class ShipperProcess:
    """Starts the shipper, and starts it again."""

    def __init__(self, spawn: Callable[[], Child]) -> None:
        self.restarts = 0
        self._spawn = spawn
        self._child: Child | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def child(self) -> Child | None:
        """The running one, or the last."""
        return self._child

    def start(self) -> None:
        """Start it, and keep it alive from now on."""
        self._keeper = asyncio.create_task(self._keep_alive())

    async def stop(self, timeout: float) -> bool:
        """Let it ship what is committed; whether it ended by itself in this time."""
        if self._keeper is not None:
            self._keeper.cancel()
        child = self._child
        if child is None or not child.alive:
            # It died and waits to be started again: once more, to ship what is there.
            if self._keeper is None:
                return True
            try:
                child = self._child = self._spawn()
            except RuntimeError as error:
                log.error("the shipper cannot be started: %s", error)
                return False
        loop = asyncio.get_running_loop()
        end, patient_until = loop.time() + timeout, loop.time() + min(timeout, LISTENS_WITHIN)
        while child.alive and not _listens(child.pid) and loop.time() < patient_until:
            await asyncio.sleep(0.005)
        child.signal(signal.SIGTERM)
        ended = await child.wait(max(0.0, end - loop.time()))
        if not ended:
            child.signal_group(signal.SIGKILL)
            await child.wait(1.0)
        return ended and child.exited.result() == 0

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            begun = loop.time()
            try:
                self._child = self._spawn()
                said = describe_exit(await asyncio.shield(self._child.exited))
            except RuntimeError as error:
                said = str(error)
            if loop.time() - begun > HEALTHY_AFTER:
                pause = FIRST_PAUSE
            log.warning("the shipper ended with %s; starting it again in %g s", said, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)
            self.restarts += 1

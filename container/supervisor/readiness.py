"""Whether the endpoint can answer: what `/ping` says, and when to give up.

`/ping` is 200 from the moment the model is loaded in every worker until a stop begins, but for the time in which no
worker lives: Multi Model Server replaces a dead one within a second or two, and only if that fails is the endpoint
unwell. One whose workers stay dead ends, with the reason the last one gave.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from container.shared import in_flight
from container.shared.run_directory import RunDirectory
from container.supervisor.live_workers import LiveWorkers
from container.supervisor.proxy import Admin

log = logging.getLogger("supervisor")

NOT_READY_AFTER = 5.0
"""Seconds without a living worker until `/ping` says so, for a model that loads fast."""
REPLACED_WITHIN = 2.0
"""Seconds in which Multi Model Server starts a worker in the place of a dead one; then the worker loads the model."""
GIVE_UP_AFTER = 30.0
"""Seconds without a living worker, or three times what loading took, until the endpoint ends."""


CAUSE_WITHIN = 0.5
"""Seconds in which the end of a parent process would have been noticed."""


def not_ready_after(load_seconds: float) -> float:
    """Returns the seconds without a living worker after which `/ping` answers 503.

    A worker that replaces the only one gets twice the time that the first one needed to load the model.
    """
    return max(NOT_READY_AFTER, REPLACED_WITHIN + 2 * load_seconds)


class Readiness:
    """Follows the workers and sets the proxy's flag."""

    def __init__(
        self,
        admin: Admin,
        directory: RunDirectory,
        multi_model: bool,
        end: Callable[[str], None],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Args:
        multi_model: workers come and go with their models, and none is no fault.
        end: called with the reason when the endpoint must end.
        """
        self.ready = False
        self.live_workers = LiveWorkers(self._changed)
        self._admin = admin
        self._directory = directory
        self._multi_model = multi_model
        self._end = end
        self._opened = False
        self._closed = False
        self._sleep = sleep
        self._not_ready_after = NOT_READY_AFTER
        self._patience = GIVE_UP_AFTER
        self._alive: set[int] = set()
        self._without: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def open(self, load_seconds: float) -> None:
        """The model is loaded: `/ping` answers 200 from now on."""
        self._opened = True
        self._not_ready_after = not_ready_after(load_seconds)
        self._patience = max(GIVE_UP_AFTER, 3 * load_seconds)
        await self._tell(True)

    async def close(self) -> None:
        """A stop begins: `/ping` answers 503, and workers may end."""
        self._closed = True
        if self._without is not None:
            self._without.cancel()
        await self._tell(False)

    def _changed(self) -> None:
        alive = set(self.live_workers.alive)
        for pid in self._alive - alive:
            self._lost(pid)
        self._alive = alive
        if self._closed or self._multi_model:
            return
        if self.live_workers.lost_parents:
            # It also ends with Multi Model Server, whose end is then the reason, and is known in a moment.
            reason = "the process that starts the workers has ended"
            asyncio.get_running_loop().call_later(CAUSE_WITHIN, self._end, reason)
        elif alive and self._without is not None:
            self._without.cancel()
            self._without = None
            telling = asyncio.create_task(self._tell(True))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
        elif not alive and self._opened and self._without is None:
            self._without = asyncio.create_task(self._wait())

    def _lost(self, pid: int) -> None:
        event = in_flight.busy_with(self._directory.busy, pid)
        in_flight.forget(self._directory.busy, pid)
        if self._closed:
            return
        if event is None:
            log.warning("worker %d ended", pid)
        else:
            log.error(
                "worker %d ended while it had a request, which is lost", pid, extra={"fields": {"event_id": event}}
            )

    async def _wait(self) -> None:
        await self._sleep(self._not_ready_after)
        await self._tell(False)
        await self._sleep(self._patience - self._not_ready_after)
        reason = self.live_workers.failures.get("model")
        self._end(f"no worker has been alive for {self._patience:.0f} s" + (f": {reason}" if reason else ""))

    async def _tell(self, ready: bool) -> None:
        self.ready = ready and not self._closed
        with contextlib.suppress(OSError):
            await self._admin.set_serving(self.ready)

"""Which workers live: reported by the workers themselves, watched through the kernel.

Multi Model Server cannot say it. It calls a worker ready that never loaded its model, and replaces dead ones silently
and for ever. So a worker sends one datagram to the supervisor when its model is loaded or could not be loaded
(`report`), and the supervisor watches the process with a pidfd until it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from container.shared.worker_status import WorkerStatus
from container.supervisor.child_processes import describe_exit

REPORTED_WITHIN = 5.0
"""Seconds in which it is known how a worker ended."""


class LiveWorkers(asyncio.DatagramProtocol):
    """The workers whose model is loaded and whose process lives, by process id."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """Args: changed: called after a worker came, failed or went."""
        self.alive: dict[int, WorkerStatus] = {}
        self.failures: dict[str, str] = {}
        """Why a model could not be loaded, by model: the last reason."""
        self.exits: dict[str, int] = {}
        """With which exit code the last worker of a model ended."""
        self.ended = 0
        """How many workers have ended so far."""
        self.lost_parents = 0
        """How many processes that fork workers have ended while workers of theirs were known."""
        self._loading: dict[int, str] = {}
        self._changed = changed
        self._watched: dict[int, int] = {}
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, socket_path: Path) -> None:
        """Listen for reports."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        listener.bind(str(socket_path))
        self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=listener)

    def stop(self) -> None:
        """Listen and watch no more."""
        if self._transport is not None:
            self._transport.close()
        for pid in list(self._watched):
            self._unwatch(pid)

    def of(self, model: str) -> list[WorkerStatus]:
        """The living workers of a model."""
        return [report for report in self.alive.values() if report.model == model]

    def count(self) -> dict[str, int]:
        """How many workers live, by model."""
        return dict(Counter(report.model for report in self.alive.values()))

    def orphan_ended(self, pid: int, code: int) -> None:
        """A process that came to us has ended: a worker whose parent was killed before it could report the end."""
        model = self._loading.pop(pid, None)
        if model is not None:
            self.exits[model] = code

    async def how_it_died(self, model: str) -> str | None:
        """How the worker ended that was to load a model, which is known in a moment; None: it is not known."""
        end = self._loop.time() + REPORTED_WITHIN
        while self._loop.time() < end:
            code = self.exits.pop(model, None)
            if code is not None:
                return f"the worker ended with {describe_exit(code)} while it loaded the model"
            await asyncio.sleep(0.01)
        return None

    def datagram_received(self, data: bytes, addr: object) -> None:
        """A worker reports."""
        try:
            report = msgspec.json.decode(data, type=WorkerStatus)
        except msgspec.DecodeError:
            return
        if report.begun:
            self._loading[report.pid] = report.model
            return
        self._loading.pop(report.pid, None)
        if report.ended is not None:
            self.exits[report.model] = report.ended
            return
        if report.failure is not None:
            self.failures[report.model] = report.failure
            self._changed()
            return
        if not self._watch(report.pid, self._worker_ended):
            return
        if report.parent not in self._watched:
            self._watch(report.parent, self._parent_ended)
        self.failures.pop(report.model, None)
        self.alive[report.pid] = report
        self._changed()

    def _worker_ended(self, pid: int) -> None:
        self._unwatch(pid)
        # A worker leads a group of its own: what it had started and not made independent goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        del self.alive[pid]
        self.ended += 1
        self._changed()

    def _parent_ended(self, pid: int) -> None:
        self._unwatch(pid)
        self.lost_parents += 1
        self._changed()

    def _watch(self, pid: int, ended: Callable[[int], None]) -> bool:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        self._watched[pid] = descriptor
        self._loop.add_reader(descriptor, ended, pid)
        return True

    def _unwatch(self, pid: int) -> None:
        descriptor = self._watched.pop(pid)
        self._loop.remove_reader(descriptor)
        os.close(descriptor)

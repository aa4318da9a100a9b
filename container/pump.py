"""The log pump as a child of the supervisor: started first, ended last.

What it does is in `log_pump`. Every program gets a pipe of its own to it (`pipe`), which is closed here once the
program has it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping

from container import logs
from container.processes import Child, Children
from container.run_directory import RunDirectory

ENDS_WITHIN = 2.0
"""Seconds that it gets for what was said last; a stdout that nobody reads must not hold up the end."""


class Pump:
    """The running log pump, and the supervisor's own log in it."""

    def __init__(self, children: Children, directory: RunDirectory, env: Mapping[str, str], level: int) -> None:
        """Start it; from now on what the supervisor logs goes there.

        Raises:
            OSError: it could not be started.
        """
        self._directory = directory
        arrivals = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        reading, self._writing = os.pipe()
        try:
            arrivals.bind(str(directory.log))
            command = [sys.executable, "-P", "-m", "container.log_pump", str(arrivals.fileno())]
            # Not tethered: it writes what the others said last, and ends when all of them have.
            self.child: Child = children.spawn(
                "log pump", command, env, stdin=reading, inherit=[arrivals.fileno()], tether=None
            )
        finally:
            arrivals.close()
            os.close(reading)
        self._handler = logs.JsonHandler("supervisor", self._writing)
        logging.getLogger().addHandler(self._handler)
        logging.getLogger().setLevel(level)

    @contextlib.contextmanager
    def pipe(self, source: str) -> Iterator[int]:
        """The writing end of a new pipe, for a program that is started meanwhile."""
        descriptor = logs.connect(self._directory.log, source, None)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    async def stop(self) -> None:
        """Say no more, and wait until it has written everything."""
        logging.getLogger().removeHandler(self._handler)
        os.close(self._writing)
        if not await self.child.wait(ENDS_WITHIN):
            self.child.signal(signal.SIGKILL)
            await self.child.wait(ENDS_WITHIN)

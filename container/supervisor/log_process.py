"""The log collector as a child of the supervisor: started first, ended last.

What it does is in `collector`. Every program gets a pipe of its own to it (`pipe`), which is closed here once the
program has it. The reading ends are the pump's alone: where it dies, no program that runs can say anything any more, so
the supervisor ends the endpoint, and `replace` gives what is said while that happens a pump.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping

from container.logs import json_lines
from container.shared.run_directory import RunDirectory
from container.supervisor.child_processes import Child, Children

ENDS_WITHIN = 2.0
"""Seconds that it gets for the last lines; a stdout that is not read must not delay the end."""


class Pump:
    """The running log collector, and the supervisor's own log in it."""

    def __init__(
        self, children: Children, directory: RunDirectory, env: Mapping[str, str], level: int, form: str = "json"
    ) -> None:
        """Start it; from now on what the supervisor logs goes there. `form`: `json`, or `text` for a person.

        Raises:
            OSError: it could not be started.
        """
        self._children = children
        self._directory = directory
        self._env = env
        self._form = form
        self._handler: json_lines.JsonHandler | None = None
        self._start()
        logging.getLogger().setLevel(level)

    def replace(self) -> None:
        """Start another one for the supervisor and for programs that start from now on.

        Raises:
            OSError: it could not be started.
        """
        self._fall_silent()
        self._directory.log.unlink(missing_ok=True)
        self._start()

    def _start(self) -> None:
        arrivals = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        reading, self._writing = os.pipe()
        try:
            arrivals.bind(str(self._directory.log))
            command = [sys.executable, "-P", "-m", "container.logs.collector", str(arrivals.fileno()), self._form]
            # It does not die with its parent: it writes what the others said last, and ends when all of them have.
            self.child: Child = self._children.spawn(
                "log collector", command, self._env, stdin=reading, inherit=[arrivals.fileno()], death_signal=None
            )
        finally:
            arrivals.close()
            os.close(reading)
        self._handler = json_lines.JsonHandler("supervisor", self._writing)
        logging.getLogger().addHandler(self._handler)

    def _fall_silent(self) -> None:
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler = None
            os.close(self._writing)

    @contextlib.contextmanager
    def pipe(self, source: str) -> Iterator[int]:
        """The writing end of a new pipe, for a program that is started meanwhile."""
        descriptor = json_lines.connect(self._directory.log, source, None)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    async def stop(self) -> None:
        """Say no more, and wait until it has written everything."""
        self._fall_silent()
        if not await self.child.wait(ENDS_WITHIN):
            self.child.signal(signal.SIGKILL)
            await self.child.wait(ENDS_WITHIN)

"""What a worker tells the supervisor, once in its life: its model is loaded, or why it could not be loaded."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import msgspec


class WorkerStatus(msgspec.Struct):
    """One datagram."""

    pid: int
    parent: int
    """The process that forks the workers of this model."""
    model: str
    failure: str | None = None
    """Why the model could not be loaded; None: it is loaded."""
    ended: int | None = None
    """From the parent: the exit code with which a worker ended, negative for a signal."""
    begun: bool = False
    """The worker has started and is about to load its model."""


MAX_FAILURE = 16_384
"""Characters of a reason; a datagram has a limit."""


def announce(
    socket_path: Path, model: str, failure: str | None = None, ended: int | None = None, *, begun: bool = False
) -> None:
    """Send a report. A supervisor that has gone is no error: the end is near."""
    report = WorkerStatus(os.getpid(), os.getppid(), model, failure and failure[:MAX_FAILURE], ended, begun)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
        sender.sendto(msgspec.json.encode(report), str(socket_path))

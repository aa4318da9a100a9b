"""What a worker tells the supervisor, once in its life: its model is loaded, or why it could not be loaded."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import msgspec


class Report(msgspec.Struct):
    """One datagram."""

    pid: int
    parent: int
    """The process that forks the workers of this model."""
    model: str
    failure: str | None = None
    """Why the model could not be loaded; None: it is loaded."""


def announce(socket_path: Path, model: str, failure: str | None = None) -> None:
    """Send it. A supervisor that has gone is no error: the end is near."""
    report = Report(os.getpid(), os.getppid(), model, failure)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
        sender.sendto(msgspec.json.encode(report), str(socket_path))

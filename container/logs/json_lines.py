"""One JSON object a line, from everything that speaks in a worker and in the supervisor.

A process hands the log pump (`log_pump`) the reading end of a pipe of its own (`connect`); what it logs, prints, or
what a library writes to file descriptors 1 and 2 goes there. Python's `logging` and `print` are turned into JSON here,
because only here the event id of the request is known; the rest (a C library, a child process) is wrapped by the pump.

A line has `time`, `level`, `source` (supervisor, worker, java, haproxy, shipper), `pid`, `message`, and where they
apply `logger`, `event_id`, `model`, `stream` (stdout, stderr), `traceback`.
"""

from __future__ import annotations

import io
import logging
import os
import socket
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import msgspec

_encode = msgspec.json.Encoder(enc_hook=repr).encode


class _Subject:
    """What this process works on. It serves one request at a time, so threads of the handler's share it."""

    event_id: str | None = None
    model: str | None = None


subject = _Subject()


def line(source: str, level: str, message: str, *, at: float | None = None, **fields: object) -> bytes:
    """One log line, newline included. Fields that are None are left out."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    entry: dict[str, object] = {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": level,
        "source": source,
        "pid": os.getpid(),
        "event_id": subject.event_id,
        "model": subject.model,
        "message": message,
        **fields,
    }
    return _encode({name: value for name, value in entry.items() if value is not None}) + b"\n"


def write(descriptor: int, data: bytes) -> None:
    """Write it all; a log that nobody reads any more is no reason to fail."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        pass


class JsonHandler(logging.Handler):
    """Python's log records as JSON lines on a file descriptor."""

    def __init__(self, source: str, descriptor: int) -> None:
        super().__init__()
        self._source = source
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; one that cannot be formatted is written as it is."""
        try:
            message = record.getMessage()
        except Exception:
            message = f"{record.msg!r} % {record.args!r}"
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
        write(
            self._descriptor,
            line(
                self._source,
                record.levelname,
                message,
                at=record.created,
                logger=record.name,
                traceback=trace,
                **getattr(record, "fields", {}),
            ),
        )


class PrintedLines(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a worker: each line that is printed becomes a log line.

    What `print` writes in pieces is kept for each thread until its line ends. JSON objects with `_aws` (CloudWatch's
    embedded metric format) are passed as they are.
    """

    def __init__(self, source: str, stream: str, descriptor: int) -> None:
        super().__init__()
        self._source = source
        self._stream = stream
        self._descriptor = descriptor
        self._pieces = threading.local()
        self.buffer = io.FileIO(descriptor, "wb", closefd=False)

    encoding = "utf-8"
    errors = "backslashreplace"

    def fileno(self) -> int:
        """The descriptor, for child processes; the pump wraps what they write."""
        return self._descriptor

    def writable(self) -> bool:
        """True: it is there to be written to."""
        return True

    def write(self, text: str) -> int:
        """Take a piece of text; every line that it completes is written."""
        begun: str = getattr(self._pieces, "text", "") + text
        *lines, self._pieces.text = begun.split("\n")
        for printed in lines:
            self._write_line(printed)
        return len(text)

    def flush(self) -> None:
        """Nothing to do: a whole line is written at once, and half a line is not a log line yet."""

    def _write_line(self, text: str) -> None:
        text = text.rstrip("\r")
        if text.startswith("{") and '"_aws"' in text:
            write(self._descriptor, text.encode("utf-8", "backslashreplace") + b"\n")
        elif text:
            clean = text.encode("utf-8", "backslashreplace").decode()
            write(self._descriptor, line(self._source, "INFO", clean, stream=self._stream))

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stay open: the process's own streams are nobody's to close."""

    def close(self) -> None:
        """Stay open, for the same reason."""


def connect(pump: Path, source: str, pid: int | None) -> int:
    """Make a pipe, give its reading end to the pump at this socket, and return the writing end.

    Args:
        pid: whose lines these will be; None: a process that does not exist yet.
    """
    reading, writing = os.pipe()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as pumps:
            pumps.connect(str(pump))
            tag = _encode({"source": source, "pid": pid})
            socket.send_fds(pumps, [tag], [reading])
    finally:
        os.close(reading)
    return writing


def take_over(pump: Path, source: str, level: int) -> int:
    """From now on, all that this process says goes to the pump as JSON. Returns the pipe's descriptor."""
    descriptor = connect(pump, source, os.getpid())
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout = PrintedLines(source, "stdout", 1)
    sys.stderr = PrintedLines(source, "stderr", 2)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(JsonHandler(source, descriptor))
    root.setLevel(level)
    logging.captureWarnings(True)
    return descriptor

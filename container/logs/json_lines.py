"""One JSON object a line, from everything that logs in a worker and in the supervisor.

A process hands the log collector (`collector`) the reading end of a pipe of its own (`connect`); what it logs, prints, or
what a library writes to file descriptors 1 and 2 goes there. Python's `logging` and `print` are turned into JSON here,
because only here the event id of the request is known; the rest (a C library, a child process) is wrapped by the pump.

Invariant: logging never raises into its caller, whatever it is given: text that cannot be encoded, an object whose
`__str__` fails, `extra` with reserved names. What a handler logs is often what a client sent.

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
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import msgspec

from container.logs.safe_logging import described, make_logging_safe

_encode = msgspec.json.Encoder(enc_hook=repr).encode


class _LogContext:
    """What this process works on. It serves one request at a time, so threads of the handler's share it."""

    event_id: str | None = None
    model: str | None = None


subject = _LogContext()


def line(source: str, level: str, message: str, *, at: float | None = None, **fields: object) -> bytes:
    """Return one log line, newline included. Fields that are None are left out. Never raises."""
    entry: dict[str, object] = {
        "time": _timestamp(at),
        "level": level,
        "source": source,
        "pid": os.getpid(),
        "event_id": subject.event_id,
        "model": subject.model,
        "message": message,
        **fields,
    }
    entry = {name: value for name, value in entry.items() if value is not None}
    try:
        return _encode(entry) + b"\n"
    except Exception:
        return _encode({described(name): _encodable(value) for name, value in entry.items()}) + b"\n"


def _encodable(value: object) -> object:
    """Return the value, or its text where it cannot be written as JSON."""
    try:
        _encode(value)
    except Exception:
        return described(value)
    return value


def _timestamp(at: float | None) -> str:
    try:
        moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    except (TypeError, ValueError, OverflowError, OSError):  # of a record that a handler made itself
        moment = datetime.fromtimestamp(time.time(), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(descriptor: int, data: bytes) -> None:
    """Write it all. Errors of the log are ignored, such as a reader that has closed it."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        pass


def metric_line(text: bytes, source: str, pid: int | None) -> bytes | None:
    """Return a printed line of CloudWatch's embedded metric format with `source`, `level` and `pid` of who printed it.

    None for any other line, and for metrics in capture's own namespace: those come from the shipper.
    """
    if not text.startswith(b"{") or b'"_aws"' not in text:
        return None
    try:
        found = msgspec.json.decode(text)
        directives = found["_aws"].get("CloudWatchMetrics", [])
        if any(directive.get("Namespace") == OWN_NAMESPACE for directive in directives):
            return None
        return _encode({**found, "source": source, "level": "INFO", "pid": pid}) + b"\n"
    except Exception:
        return None


OWN_NAMESPACE = "EndpointCapture"


class JsonHandler(logging.Handler):
    """Python's log records as JSON lines on a file descriptor."""

    def __init__(self, source: str, descriptor: int) -> None:
        super().__init__()
        self._source = source
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; one that cannot be formatted is written as it is. Never raises."""
        try:
            text = self._line(record)
        except Exception as error:
            name = described(getattr(record, "name", None))
            text = line(self._source, "ERROR", f"a log record of {name} cannot be written: {type(error).__name__}")
        write(self._descriptor, text)

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            message = record.getMessage()
        except Exception:
            message = f"{described(record.msg)} % {described(record.args)}"
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
        return line(
            self._source,
            described(record.levelname),
            message,
            at=record.created,
            **{"logger": record.name, "traceback": trace, **_fields(getattr(record, "fields", None))},
        )


_OWN_FIELDS = frozenset(("source", "level", "message", "at", "time", "pid", "model", "logger", "traceback"))


def _fields(given: object) -> dict[str, object]:
    """Return the fields that a record's `extra={"fields": …}` adds to its line; those with a name of ours get `field_`."""
    if not isinstance(given, Mapping):
        return {} if given is None else {"fields": given}
    names = {key: described(key) for key in given}
    return {f"field_{name}" if name in _OWN_FIELDS else name: given[key] for key, name in names.items()}


class PrintedLines(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a worker: each line that is printed becomes a log line.

    What `print` writes in pieces is kept for each thread until its line ends. JSON objects with `_aws` (CloudWatch's
    embedded metric format) are passed, with who printed them (`metric_line`).
    """

    def __init__(self, source: str, stream: str, descriptor: int, file: int | None = None) -> None:
        """Args: descriptor: where log lines go. file: the descriptor of the stream itself, for child processes."""
        super().__init__()
        self._source = source
        self._stream = stream
        self._descriptor = descriptor
        self._file = descriptor if file is None else file
        self._pieces = threading.local()
        self.buffer = io.FileIO(self._file, "wb", closefd=False)

    encoding = "utf-8"
    errors = "backslashreplace"

    def fileno(self) -> int:
        """The descriptor, for child processes; the pump wraps what they write."""
        return self._file

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
        if not text:
            return
        clean = text.encode("utf-8", "backslashreplace")
        metrics = metric_line(clean, self._source, os.getpid())
        write(self._descriptor, metrics or line(self._source, "INFO", clean.decode(), stream=self._stream))

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stay open: the process's own streams must not be closed."""

    def close(self) -> None:
        """Stay open, for the same reason."""


def connect(pump: Path, source: str, pid: int | None, *, foreign: bool = False) -> int:
    """Make a pipe, give its reading end to the pump at this socket, and return the writing end.

    Args:
        pid: whose lines these will be; None: a process that does not exist yet.
        foreign: what is written there is not ours, so that a JSON object does not pass as one of our lines.
    """
    reading, writing = os.pipe()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as pumps:
            pumps.connect(str(pump))
            tag = _encode({"source": source, "pid": pid, "foreign": foreign})
            socket.send_fds(pumps, [tag], [reading])
    finally:
        os.close(reading)
    return writing


def take_over(pump: Path, source: str, level: int) -> int:
    """From now on, all that this process says goes to the pump as JSON. Returns the pipe's descriptor."""
    descriptor = connect(pump, source, os.getpid())
    foreign = connect(pump, source, os.getpid(), foreign=True)
    os.dup2(foreign, 1)
    os.dup2(foreign, 2)
    os.close(foreign)
    sys.stdout = PrintedLines(source, "stdout", descriptor, 1)
    sys.stderr = PrintedLines(source, "stderr", descriptor, 2)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(JsonHandler(source, descriptor))
    root.setLevel(level)
    logging.captureWarnings(True)
    make_logging_safe()
    return descriptor

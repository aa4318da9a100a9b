"""The log collector: the one process that writes to the container's stdout.

Every other process has a pipe whose reading end is here. The pump reads whole lines, makes a JSON object of each that
is not one, and writes them. It has three purposes: lines of several processes never mix; whatever a process
prints breaks nothing but its own line; and a log that is not read does not stop a request, because past
`MAX_WAITING` bytes lines are dropped and counted instead.

Invariants
- A line is written whole, or dropped whole and counted.
- The pump ends when every pipe has reached its end: it outlives all others, also a supervisor that was killed.

    python -m container.logs.collector SOCKET_FD [json|text] < SUPERVISORS_PIPE

With `text` each JSON line is written as text for a person (`text_lines`).

Pipes arrive as file descriptors on a Unix datagram socket, each with a tag `{"source", "pid"}` (see `logs.connect`).
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from container.logs import json_lines

MAX_WAITING = 16 * 1024 * 1024
MAX_LINE = 1024 * 1024
"""A longer line is cut into lines of this many bytes."""


class Tag(msgspec.Struct):
    """Who writes into a pipe."""

    source: str = "unknown"
    pid: int | None = None
    foreign: bool = False
    """Written by a handler or by what it starts."""


@dataclass
class LogPipe:
    """A pipe and the beginning of the line that has not ended yet."""

    tag: Tag
    begun: bytearray = field(default_factory=bytearray)

    def lines(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, each as JSON with its newline."""
        self.begun += data
        *whole, rest = bytes(self.begun).split(b"\n")
        while len(rest) > MAX_LINE:
            whole.append(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self.begun = bytearray(rest)
        return [as_json(self.tag, text) for text in whole if text.strip()]

    def last_line(self) -> list[bytes]:
        """What was left when the pipe ended without a newline."""
        rest = bytes(self.begun)
        return [as_json(self.tag, rest)] if rest.strip() else []


def as_json(tag: Tag, text: bytes) -> bytes:
    """The line as it is where it is a JSON object of the process that its pipe was made for, else wrapped in one."""
    text = text.rstrip(b"\r")
    if tag.foreign:
        metrics = json_lines.metric_line(text, tag.source, tag.pid)
        if metrics is not None:
            return metrics
    elif text.startswith(b"{"):
        try:
            found = msgspec.json.decode(text)
            if isinstance(found, dict) and found.get("source", tag.source) == tag.source:
                return text + b"\n"
        except (msgspec.DecodeError, RecursionError):
            pass
    return json_lines.line(tag.source, "INFO", text.decode("utf-8", "backslashreplace"), pid=tag.pid)


class Drain:
    """A thread that writes lines to stdout, however slowly that goes, and a bounded queue before it."""

    def __init__(self, descriptor: int, written: Callable[[bytes], bytes] = bytes) -> None:
        """Args: written: what becomes of a line when it is written."""
        self._descriptor = descriptor
        self._written = written
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="stdout")
        self._thread.start()

    def put(self, lines: list[bytes]) -> None:
        """Queue the lines; those that find the queue full are dropped and counted."""
        with self._changed:
            for text in lines:
                if self._bytes + len(text) > MAX_WAITING:
                    self._dropped += 1
                    continue
                self._waiting.append(text)
                self._bytes += len(text)
            self._changed.notify()

    def finish(self) -> None:
        """Write what waits, then end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if not self._waiting:
                    return
                batch = b"".join(map(self._written, self._waiting))
                self._waiting.clear()
                self._bytes = 0
                dropped, self._dropped = self._dropped, 0
            if dropped:
                said = json_lines.line("log_collector", "WARNING", f"{dropped} log lines dropped: stdout was not read")
                batch += self._written(said)
            json_lines.write(self._descriptor, batch)


def pump(arrivals: socket.socket, supervisor: int, stdout: int, written: Callable[[bytes], bytes] = bytes) -> None:
    """Read every pipe until all have ended."""
    drain = Drain(stdout, written)
    selector = selectors.DefaultSelector()
    selector.register(arrivals, selectors.EVENT_READ)
    selector.register(supervisor, selectors.EVENT_READ, LogPipe(Tag("supervisor", os.getppid())))
    sources = 1
    while sources:
        for key, _ in selector.select():
            if key.fileobj is arrivals:
                tag, descriptors, _, _ = socket.recv_fds(arrivals, 4096, 1)
                for descriptor in descriptors:
                    selector.register(descriptor, selectors.EVENT_READ, LogPipe(_tag(tag)))
                    sources += 1
                continue
            source: LogPipe = key.data
            data = os.read(key.fd, 65536)
            if data:
                drain.put(source.lines(data))
                continue
            drain.put(source.last_line())
            selector.unregister(key.fd)
            os.close(key.fd)
            sources -= 1
    drain.finish()


def _tag(data: bytes) -> Tag:
    try:
        return msgspec.json.decode(data, type=Tag)
    except msgspec.DecodeError:
        return Tag()


def main() -> None:
    """Entry point; signals to the container's processes are not for the pump, which ends last by itself."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    written: Callable[[bytes], bytes] = bytes
    if sys.argv[2:] == ["text"]:
        from container.logs.text_lines import as_text as written  # of no use to an endpoint in production
    pump(socket.socket(fileno=int(sys.argv[1])), 0, 1, written)


if __name__ == "__main__":
    main()

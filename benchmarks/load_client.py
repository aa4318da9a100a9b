"""A closed-loop load client: each connection sends its next request when the answer to the last one is whole.

One thread over `epoll`, raw sockets, requests made ready before the clock starts; in a process of its own, so that its
garbage is nobody else's. A request costs it about 15 µs of processor.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RECEIVE = 1 << 18


@dataclass(frozen=True)
class Load:
    """What one window of load found. Latencies are in milliseconds, throughput in answers a second.

    `requests` is of the window, `answered` is with the warm-up and what was in flight at the end.
    """

    requests: int
    answered: int
    throughput: float
    mean: float
    p50: float
    p99: float
    max: float


class LoadFailed(RuntimeError):
    """A request was not answered with 200, or a connection broke."""


class _Connection:
    """One connection and its request in flight."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begun = 0.0
        self._received = b""
        self._whole = 0

    def send(self, message: bytes) -> None:
        self._received, self._whole = b"", 0
        self.begun = time.perf_counter()
        self.socket.sendall(message)

    def receive(self) -> bool:
        """Whether the answer is whole now."""
        data = self.socket.recv(_RECEIVE)
        if not data:
            raise LoadFailed("the server closed a connection")
        self._received = self._received + data if self._received else data
        if not self._whole:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = self._received[:end].lower()
            if not head.startswith(b"http/1.1 200"):
                raise LoadFailed(self._received[:500].decode("latin-1"))
            self._whole = end + 4 + int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        return len(self._received) >= self._whole


def run(
    port: int, messages: Sequence[bytes], connections: int, warm_up: float, seconds: float
) -> tuple[list[float], int]:
    """Seconds that each answer of the window took, without those of the warm-up; and how many answers there were."""
    chooser = selectors.EpollSelector()
    number = 0
    for _ in range(connections):
        connection = _Connection(port)
        chooser.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(messages[number % len(messages)])
        number += 1
    begin = time.perf_counter() + warm_up
    end = begin + seconds
    taken = []
    running = True
    while running:
        for key, _ in chooser.select(10):
            connection = key.data
            if not connection.receive():
                continue
            now = time.perf_counter()
            if now >= end:
                running = False
            elif now >= begin:
                taken.append(now - connection.begun)
            connection.send(messages[number % len(messages)])
            number += 1
    for key in list(chooser.get_map().values()):
        _finish(key.data)
    return taken, number


def _finish(connection: _Connection) -> None:
    """Take the last answer too, so that the next window begins with an idle server."""
    while not connection.receive():
        pass
    connection.socket.close()


def main() -> None:
    """The process: settings as JSON in the first argument, the findings as JSON on stdout."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    packed = Path(settings.pop("messages")).read_bytes()
    messages = []
    while packed:
        size = int.from_bytes(packed[:4], "big")
        messages.append(packed[4 : 4 + size])
        packed = packed[4 + size :]
    taken, answered = run(messages=messages, **settings)
    taken.sort()
    last = len(taken) - 1
    found = {
        "requests": len(taken),
        "answered": answered,
        "throughput": round(len(taken) / settings["seconds"], 1),
        "mean": round(sum(taken) / len(taken) * 1e3, 3),
        **{name: round(taken[int(last * at)] * 1e3, 3) for name, at in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))},
    }
    print(json.dumps(found))


def write_messages(path: Path, bodies: Sequence[bytes], headers: dict[str, str]) -> Path:
    """The bodies as whole HTTP requests in a file, for `measure`."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with path.open("wb") as file:
        for body in bodies:
            head = f"POST /invocations HTTP/1.1\r\nHost: endpoint\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
            message = head.encode() + body
            file.write(len(message).to_bytes(4, "big") + message)
    return path


def measure(port: int, messages: Path, connections: int, warm_up: float, seconds: float) -> Load:
    """One window, in a process of its own. Raises LoadFailed with what the client said."""
    settings = {"port": port, "messages": str(messages), "connections": connections}
    program = "from benchmarks.load_client import main; main()"
    command = [sys.executable, "-c", program, json.dumps({**settings, "warm_up": warm_up, "seconds": seconds})]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LoadFailed(done.stderr.strip().splitlines()[-1])
    return Load(**json.loads(done.stdout))

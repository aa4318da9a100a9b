"""Closed-loop clients that know of every request whether it was sent whole and what became of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Outcome:
    sent_at: float
    """When the last byte was written."""
    number: int
    status: int | None
    """None: no whole answer came."""
    answer: object = None
    event_id: str | None = None


class Client(threading.Thread):
    """Sends one request after the other until it is refused."""

    def __init__(self, port: int, numbers: Iterator[int], seconds: float, keep_alive: bool) -> None:
        super().__init__(daemon=True)
        self.outcomes: list[Outcome] = []
        self._port = port
        self._numbers = numbers
        self._seconds = seconds
        self._keep_alive = keep_alive

    def run(self) -> None:
        connection: socket.socket | None = None
        for number in self._numbers:
            if connection is None:
                try:
                    connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
                except OSError:
                    return
            body = json.dumps({"n": number, "seconds": self._seconds}).encode()
            close = "" if self._keep_alive else "Connection: close\r\n"
            head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{close}"
            try:
                connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                outcome = Outcome(time.monotonic(), number, None)
                self.outcomes.append(outcome)
                closed = self._receive(connection, outcome)
            except OSError:
                closed = True
            if closed or not self._keep_alive:
                connection.close()
                connection = None

    @staticmethod
    def _receive(connection: socket.socket, outcome: Outcome) -> bool:
        """Read one answer; whether the server closes the connection after it."""
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(65536)
            if not data:
                return True
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers["content-length"]):
            data = connection.recv(65536)
            if not data:
                return True
            body += data
        outcome.answer = json.loads(body)
        outcome.event_id = headers.get("x-amzn-sagemaker-custom-attributes", "").removeprefix("event-id=") or None
        outcome.status = int(first.split()[1])
        return headers.get("connection", "").lower() == "close"


@contextmanager
def traffic(port: int, clients: int, seconds: float, keep_alive: bool) -> Iterator[list[Client]]:
    """So many clients at work; each request takes the handler so many seconds."""
    numbers = _numbers()
    running = [Client(port, numbers, seconds, keep_alive) for _ in range(clients)]
    for client in running:
        client.start()
    yield running


def _numbers() -> Iterator[int]:
    lock = threading.Lock()
    number = 0

    class Numbers:
        def __iter__(self) -> Iterator[int]:
            return self

        def __next__(self) -> int:
            nonlocal number
            with lock:
                number += 1
                return number

    return iter(Numbers())


def outcomes(clients: list[Client], timeout: float = 60) -> list[Outcome]:
    """What became of all requests, once the clients have been refused."""
    for client in clients:
        client.join(timeout)
        assert not client.is_alive()
    return [outcome for client in clients for outcome in client.outcomes]

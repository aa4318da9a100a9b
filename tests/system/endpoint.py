"""A running container of the image, as its caller and its engine see it."""

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.system.engine import Engine, Mount

READY_WITHIN = 240.0
"""Seconds that SageMaker gives."""
STOPPED_WITHIN = 30.0
"""Seconds that SageMaker gives between SIGTERM and SIGKILL."""
_MARK = "ENDPOINT_CAPTURE_TEST_RUN"


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Endpoint:
    """One container. Everything that runs in it carries a word of its own in its environment."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    port: int
    run: str

    def output(self) -> str:
        """What the container printed so far."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def request(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Raises `OSError` where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, response.read())
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """Raises `AssertionError` with the log where the container ends, or is not ready in time."""
        self._wait_until(self._answers_ping, READY_WITHIN)

    def stop(self) -> int:
        """SIGTERM, as SageMaker stops an endpoint; the exit code. Raises `subprocess.TimeoutExpired` past its limit."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOPPED_WITHIN)

    def processes(self) -> list[int]:
        """The ids of all that still runs in it."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:  # it ended, or is not ours
                continue
            if f"{_MARK}={self.run}".encode() in environment.split(b"\0"):
                found.append(int(entry.name))
        return found

    def _answers_ping(self) -> bool:
        try:
            return self.request("GET", "/ping").status == 200
        except OSError:
            return False

    def _wait_until(self, met: Callable[[], bool], within: float) -> None:
        limit = time.monotonic() + within
        while not met():
            assert time.monotonic() < limit, f"not within {within} s:\n{self.output()}"
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"the container ended with {self.process.returncode}:\n{self.output()}")


@contextmanager
def started(
    engine: Engine,
    image: str,
    dockerfile: Path,
    mounts: Sequence[Mount],
    environment: Mapping[str, str],
    user: str | None = None,
) -> Iterator[Endpoint]:
    """A container on a free port of the loopback address. Whatever happens, nothing of it stays."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    run = uuid.uuid4().hex
    settings = {**environment, "SAGEMAKER_BIND_TO_PORT": str(port), _MARK: run}
    command = engine.command(image, dockerfile, mounts, settings, user)
    with tempfile.TemporaryFile() as log:
        endpoint = Endpoint(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT), log, port, run)
        try:
            yield endpoint
        finally:
            if endpoint.process.poll() is None:
                endpoint.process.send_signal(signal.SIGTERM)
                try:
                    endpoint.process.wait(STOPPED_WITHIN)
                except subprocess.TimeoutExpired:
                    endpoint.process.kill()
                    endpoint.process.wait()
            for left in endpoint.processes():
                os.kill(left, signal.SIGKILL)

"""The serving process, `python -m container serve`, as SageMaker runs it: started, waited for, stopped by SIGTERM.

The process gets a session of its own, so that a Ctrl-C at the terminal reaches us alone and the endpoint is stopped in
order. Settings of this product in the caller's own environment do not reach it: a run is the same everywhere.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

READY_SECONDS = 120.0
STOP_SECONDS = 30.0  # SageMaker sends SIGKILL this long after SIGTERM

_SETTINGS = ("CAPTURE_", "FEATURE_STORE_", "PROTOBUF_", "SAGEMAKER_")


class EndpointError(Exception):
    """The endpoint did not start or did not stop as it should; the message ends with the last lines of its log."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Endpoint:
    """A running endpoint on 127.0.0.1; as a context manager it is stopped at the end, whatever happens."""

    def __init__(self, settings: Mapping[str, str], log: Path, port: int | None = None) -> None:
        """`port` None takes a free one. Raises `EndpointError` where somebody listens on the port already."""
        if port is not None and _answers(port):
            raise EndpointError(f"somebody listens on port {port} already: name another with --port")
        self.port = port or free_port()
        self.log = log
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "container", "serve"],
                env=inherited | dict(settings) | {"SAGEMAKER_BIND_TO_PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self, limit: float = READY_SECONDS) -> None:
        """Return once `/ping` answers 200. Raises `EndpointError` where the process ends, or after `limit` seconds."""
        deadline = time.monotonic() + limit
        while not self._answers_ping():
            if time.monotonic() > deadline:
                raise EndpointError(f"the endpoint was not ready within {limit:.0f} s: {self._last_words()}")
            try:
                code = self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise EndpointError(f"the endpoint ended with exit code {code} before it was ready: {self._last_words()}")

    def wait(self) -> int:
        """Wait until the endpoint ends by itself; its exit code."""
        return self._process.wait()

    def stop(self, limit: float = STOP_SECONDS) -> int:
        """SIGTERM, as SageMaker stops an endpoint; the exit code. Past `limit` seconds SIGKILL, and `EndpointError`."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise EndpointError(f"the endpoint did not stop within {limit:.0f} s: {self._last_words()}") from None

    def _answers_ping(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _last_words(self, lines: int = 5) -> str:
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return "\n  ".join([f"its log, {self.log}, ends with", *said])

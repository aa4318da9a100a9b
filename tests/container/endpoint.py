"""A real endpoint for tests: `python -m container serve` with a directory, a port and a temporary directory of its own.

Every process below it inherits `TEST_ENDPOINT`, so that a test can say of all of them whether they are gone.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
DIE_WITH_PARENT = ROOT / "container" / "shared" / "die_with_parent.py"
PATIENCE = 60.0
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """The first true value of `what`, asked again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"it did not come true in {seconds} s: {what}")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def event_id(self) -> str | None:
        value = self.headers.get("x-amzn-sagemaker-custom-attributes", "")
        return value.rpartition("event-id=")[2] or None if "event-id=" in value else None


@dataclass
class Endpoint:
    """One endpoint. `start` it, and leave the `with` block of `running` to have it gone."""

    directory: Path
    """SAGEMAKER_BASE_DIR; the test's own."""
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        # Sockets need a short path; pytest's own directories are long.
        self.temporary = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
        self.output = self.directory / f"stdout-{self.mark}.txt"
        self.errors = self.directory / f"stderr-{self.mark}.txt"

    def start(self) -> Endpoint:
        env = {
            **os.environ,
            "SAGEMAKER_BASE_DIR": str(self.directory),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
            "TMPDIR": str(self.temporary),
            "TEST_ENDPOINT": self.mark,
            "PYTHONDONTWRITEBYTECODE": "",  # what is left behind must not depend on the machine's settings
            **self.env,
        }
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*self.launcher(), sys.executable, "-m", "container", "serve", "--host", "127.0.0.1"],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        return self

    def launcher(self) -> list[str]:
        """The command that starts the endpoint's. Tests that are killed leave no endpoint behind: it gets SIGTERM when
        their process ends."""
        return [sys.executable, "-I", "-S", str(DIE_WITH_PARENT), str(int(signal.SIGTERM)), str(os.getpid())]

    def wait_until_ready(self) -> Endpoint:
        def ready() -> bool:
            assert self.running, f"the endpoint ended: {self.stderr}\n{self.output.read_text()}"
            with contextlib.suppress(OSError):
                return self.get("/ping").status == 200
            return False

        wait_for(ready)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def stderr(self) -> str:
        return self.errors.read_text()

    def logs(self) -> list[dict[str, Any]]:
        """All log lines so far. Each must be a JSON object."""
        running, text = self.running, self.output.read_bytes()
        whole = text[: text.rfind(b"\n") + 1] if running else text  # half of a long line may be there so far
        lines = [json.loads(line) for line in whole.decode().splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        return lines

    def log_with(self, **wanted: object) -> dict[str, Any] | None:
        """The first log line with these fields; for text fields, that contains the text."""
        for line in self.logs():
            if all(
                str(value) in str(line.get(name)) if isinstance(value, str) else line.get(name) == value
                for name, value in wanted.items()
            ):
                return line
        return None

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            # A body that is too large is refused before all of it was sent; the answer is there all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def invoke(self, value: object, **headers: str) -> Answer:
        """POST a JSON document; `x_y` in the arguments is the header `x-y`."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.request("POST", "/invocations", json.dumps(value), {"Content-Type": "application/json", **named})

    def metric(self, name: str) -> dict[str, float]:
        """Samples of `/metrics` whose name begins so, labels included."""
        lines = self.get("/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line.startswith(name))
        return {sample: float(value) for sample, value in pairs}

    def processes(self) -> dict[int, str]:
        """All living processes that descend from this endpoint: command line by process id."""
        mark = f"TEST_ENDPOINT={self.mark}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def pids(self, part: str) -> list[int]:
        """Processes whose command line contains this."""
        return sorted(pid for pid, command in self.processes().items() if part in command)

    @property
    def workers(self) -> list[int]:
        """The forked workers: children of the process that Multi Model Server started for the model."""
        pids = self.pids("container.worker.process")
        return [pid for pid in pids if _parent(pid) in pids]

    def terminate(self, timeout: float = 30.0) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def wait(self, timeout: float = PATIENCE) -> int:
        """The exit code, once it ends by itself."""
        assert self.process is not None
        return self.process.wait(timeout)

    def remove(self) -> None:
        """End whatever is left, and what it left on disk."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.processes())
        shutil.rmtree(self.temporary, ignore_errors=True)
        for path in (self.output, self.errors):  # seen in the report of a failed test
            if path.exists():
                print(path.read_bytes()[-50_000:].decode(errors="replace"))


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def write_artefact(directory: Path, code: str, **files: str) -> Path:
    """An unpacked model in `directory`, with `code` as its inference.py and other files in code/ (`a__b` is `a.b`)."""
    folder = directory / "code"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inference.py").write_text(code)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return directory


@contextlib.contextmanager
def running(directory: Path, code: str, env: Mapping[str, str] | None = None, **files: str) -> Iterator[Endpoint]:
    """An endpoint that serves this code; afterwards no process and no file of it is left."""
    write_artefact(directory / "model", code, **files)
    endpoint = Endpoint(directory, env or {})
    try:
        yield endpoint.start().wait_until_ready()
    finally:
        endpoint.remove()

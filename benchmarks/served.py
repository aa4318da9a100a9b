"""The endpoints that are measured: ours with and without capture, and the toolkit's, each with all its processes.

An endpoint that is not measured is stopped (SIGSTOP, every process of it), so that it takes nothing from the one that
is: what capture's shipper has to do, it does in windows of its own endpoint.

Each runs in a control group of its own, where this user may make one. So it is in a container, and it matters: outside of
one Linux gives every session the same share (`sched_autogroup`), and the shipper's low priority counts for nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import toolkit_server
from container.shared.die_with_parent import die_with_parent
from container.supervisor.model_server import find_java
from examples.flights.build import Artefact

MARK = "BENCHMARKED_ENDPOINT"
READY_SECONDS = 120.0
ROLES = {
    "com.amazonaws.ml.mms.ModelServer": "Java",
    "container.worker.process": "workers",
    "model_service_worker": "workers",
    "haproxy": "HAProxy",
    "container\0serve": "supervisor",
    "ship\0": "shipper",
}
"""What stands in the command line of a process, and what the process is."""
SETTINGS = ("CAPTURE_", "FEATURE_STORE_", "PROTOBUF_", "SAGEMAKER_")


class EndpointFailed(RuntimeError):
    """An endpoint did not start; the message ends with what it said last."""


_ports = iter(range(20_000 + os.getpid() % 9_000, 32_000))


def free_port() -> int:
    """A port that is free now and was not given before, below the ones that Multi Model Server refuses."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise EndpointFailed("no port below 32000 is free")


class Served:
    """One endpoint that runs. `pause` and `resume` are for all its processes."""

    def __init__(self, command: Sequence[str], settings: Mapping[str, str], port: int, directory: Path) -> None:
        self.port = port
        self._mark = f"{MARK}={uuid.uuid4().hex}"
        self._log = directory / "log"
        self._group = _control_group(f"{MARK.lower()}-{uuid.uuid4().hex}")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        name, _, value = self._mark.partition("=")
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=inherited | dict(settings) | {name: value},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=partial(_prepare, os.getpid(), self._group),
            )

    def wait_until_answers(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return once `/ping` is well and an invocation is answered: the toolkit's `/ping` alone says nothing."""
        end = time.monotonic() + READY_SECONDS
        while not self._answers(body, headers):
            if self._process.poll() is not None or time.monotonic() > end:
                raise EndpointFailed(self._log.read_text(errors="replace")[-2000:])
            time.sleep(0.2)

    def _answers(self, body: bytes, headers: Mapping[str, str]) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/ping")
            ping = connection.getresponse()
            ping.read()
            connection.request("POST", "/invocations", body, dict(headers))
            return ping.status == connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def has_a_control_group(self) -> bool:
        """Whether priorities count among its processes."""
        return self._group is not None

    def metrics(self) -> dict[str, float]:
        """The samples of `/metrics`, by name and labels."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def cpu(self) -> dict[str, float]:
        """Seconds of processor that its processes have used so far, by what they are."""
        used: dict[str, float] = {}
        for entry in self._processes():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                role = next((role for part, role in ROLES.items() if part in command), "others")
                used[role] = used.get(role, 0.0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return used

    def pause(self) -> None:
        """Stop every process where it stands."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """End it in order, then whatever is left of it."""
        self.resume()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        while self._signal(signal.SIGKILL):
            time.sleep(0.05)
        self._process.wait()
        if self._group is not None:
            self._group.rmdir()

    def _signal(self, number: int) -> int:
        """Send it to all its processes; how many there were."""
        reached = 0
        for entry in self._processes():
            with contextlib.suppress(OSError):
                os.kill(int(entry.name), number)
                reached += 1
        return reached

    def _processes(self) -> Iterator[Path]:
        """Entries in /proc of all that inherited our mark."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    if self._mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                        yield entry


def _control_group(name: str) -> Path | None:
    """A new one for processors, below the root of either version; None where that is not allowed."""
    for root in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")):
        if (root / "cgroup.procs").exists():
            with contextlib.suppress(OSError):
                (root / name).mkdir()
                return root / name
    return None


def _prepare(parent: int, group: Path | None) -> None:
    """In the new process, before its program."""
    die_with_parent(signal.SIGKILL, parent)
    if group is not None:
        (group / "cgroup.procs").write_text(str(os.getpid()))


@contextlib.contextmanager
def ours(artefact: Artefact, workers: int, capture: Mapping[str, str]) -> Iterator[Served]:
    """Our endpoint; `capture` are the settings of capture, none: it is off."""
    with _private() as directory:
        port = free_port()
        settings = {"SAGEMAKER_BIND_TO_PORT": str(port), "SAGEMAKER_MODEL_SERVER_WORKERS": str(workers)}
        places = {name: value.format(private=directory) for name, value in capture.items()}
        home = {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "TMPDIR": str(directory)}
        command = [sys.executable, "-m", "container", "serve", "--host", "127.0.0.1"]
        served = Served(command, artefact.environment | settings | places | home, port, directory)
        with contextlib.closing(_Ended(served)):
            yield served


@contextlib.contextmanager
def toolkit(artefact: Artefact, workers: int) -> Iterator[Served]:
    """The toolkit's own starter and default handler, with the same model."""
    with _private() as directory:
        code = directory / "base" / "model" / "code"
        shutil.copytree(artefact.model_dir, code.parent)
        (code / "inference.py").rename(code / "flights_model.py")
        shutil.copy(Path(__file__).with_name("toolkit_inference.py"), code / "inference.py")
        port = free_port()
        settings = toolkit_server.environment(directory / "base", directory, port, workers, find_java())
        program = "from benchmarks.toolkit_server import main; main()"
        served = Served([sys.executable, "-c", program], settings, port, directory)
        with contextlib.closing(_Ended(served)):
            yield served


class _Ended:
    def __init__(self, served: Served) -> None:
        self.close = served.end


@contextlib.contextmanager
def _private() -> Iterator[Path]:
    """A directory of its own, with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="b-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)

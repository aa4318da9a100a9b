"""The private directory of one running endpoint: its sockets, the files that others are started with, its counters.

It is made in the temporary directory (`TMPDIR`), readable for our user alone, named to every process below in
`ENDPOINT_RUN_DIRECTORY`, and removed at the end. Two endpoints never share one: Multi Model Server names its sockets
by number, and would talk to the other's workers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

VARIABLE = "ENDPOINT_RUN_DIRECTORY"
MAX_SOCKET = "tmp/.mms.sock.99999"
MAX_SOCKET_PATH = 107
"""Bytes a Unix socket's path may have on Linux."""


class RunDirectoryError(RuntimeError):
    """The directory cannot be used."""


@dataclass(frozen=True)
class RunDirectory:
    """Paths in the run directory."""

    path: Path

    @classmethod
    def make(cls) -> RunDirectory:
        """Make a new one.

        Raises:
            RunDirectoryError: the temporary directory's path is too long for sockets, or cannot be written to.
        """
        try:
            directory = cls(Path(tempfile.mkdtemp(prefix="endpoint-")))
        except OSError as error:
            raise RunDirectoryError(
                f"TMPDIR={tempfile.gettempdir()}: cannot make a directory there: {error}"
            ) from error
        if len(os.fsencode(directory.path / MAX_SOCKET)) > MAX_SOCKET_PATH:
            directory.remove()
            raise RunDirectoryError(f"TMPDIR={tempfile.gettempdir()}: too long, sockets in it need a shorter path")
        for made in (directory.path, directory.counters, directory.users_metrics, directory.busy):
            made.mkdir(exist_ok=True)
            made.chmod(0o700)
        for file in (directory.serving, directory.unloading):
            file.touch()
            file.chmod(0o600)
        return directory

    @classmethod
    def of_this_process(cls) -> RunDirectory:
        """The one of the endpoint that this process belongs to."""
        return cls(Path(os.environ[VARIABLE]))

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def capture_settings(self) -> Path:
        """The settings of capture as the supervisor resolved them, without secrets; absent where nothing is captured."""
        return self.path / "capture.json"

    def keep_secrets(self, values: Mapping[str, str]) -> None:
        """Write what the workers alone get, readable for our user only."""
        descriptor = os.open(self.path / "secrets", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(dict(values)))

    def secrets(self) -> dict[str, str]:
        """The environment variables that no other process was started with."""
        try:
            return msgspec.json.decode((self.path / "secrets").read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}

    @property
    def invocations(self) -> Path:
        """Socket of Multi Model Server's inference API."""
        return self.path / "mms.sock"

    @property
    def management(self) -> Path:
        """Socket of Multi Model Server's management API; only the supervisor connects to it."""
        return self.path / "mms-admin.sock"

    @property
    def supervisor(self) -> Path:
        """Socket of the supervisor's own HTTP server."""
        return self.path / "supervisor.sock"

    @property
    def proxy_admin(self) -> Path:
        """HAProxy's admin socket."""
        return self.path / "proxy-admin.sock"

    @property
    def proxy_configuration(self) -> Path:
        """HAProxy's configuration file."""
        return self.path / "haproxy.cfg"

    @property
    def serving(self) -> Path:
        """HAProxy's list that says whether the endpoint can answer."""
        return self.path / "serving"

    @property
    def unloading(self) -> Path:
        """HAProxy's list of models that are being unloaded."""
        return self.path / "unloading"

    @property
    def worker_status(self) -> Path:
        """Socket where workers report."""
        return self.path / "workers.sock"

    @property
    def log(self) -> Path:
        """Socket where pipes for the log collector are handed in."""
        return self.path / "log.sock"

    @property
    def counters(self) -> Path:
        """Directory of the workers' counts."""
        return self.path / "counters"

    @property
    def users_metrics(self) -> Path:
        """Directory of what users' modules count with `prometheus_client`."""
        return self.path / "prometheus"

    @property
    def busy(self) -> Path:
        """Directory of the workers' notes about the request in hand."""
        return self.path / "busy"

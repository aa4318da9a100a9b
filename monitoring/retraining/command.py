"""Runs a local command, detached from the monitor.

The child creates its marker with O_EXCL before it runs the command, so that a second child of the same start ends at once. The
marker's folder also receives the command's output and, at its end, its exit code.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from pathlib import Path

from monitoring.errors import MonitoringError
from monitoring.retraining.settings import Rule
from monitoring.retraining.starter import StartRefused, StartRequest

# $0 is the marker. `set -C` makes the shell create it only where it does not exist.
_SCRIPT = 'set -C; (: > "$0") 2>/dev/null || exit 0; ("$@" >"$0.log" 2>&1 </dev/null; echo $? >"$0.exit") &'


class CommandStarter:
    """Runs the command that a rule names. `folder` holds markers and output."""

    def __init__(self, rule: Rule, folder: Path) -> None:
        self._rule = rule
        self._folder = folder

    def start(self, request: StartRequest) -> str:
        """Starts the command and returns its marker's path. Raises StartRefused where the command cannot be found."""
        marker = self._marker(request)
        self._folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "RETRAINING_KEY": request.token,
            "RETRAINING_CAUSE": request.cause,
            "RETRAINING_EPISODE": str(request.episode),
            "RETRAINING_CAUSE_URI": request.cause_uri,
            "RETRAINING_MANIFEST_URI": request.manifest_uri,
            **self._rule.parameters,
        }
        command = ["/bin/sh", "-c", _SCRIPT, str(marker), *self._rule.command]
        try:
            subprocess.run(command, env=environment, start_new_session=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise StartRefused(f"cannot run {self._rule.command[0]!r}: {error}") from error
        if not marker.exists():
            raise MonitoringError(f"{marker} cannot be written, so {self._rule.command[0]!r} was not started")
        return str(marker)

    def find(self, request: StartRequest, since: dt.datetime) -> str | None:
        """Returns the marker's path where the command was started."""
        marker = self._marker(request)
        return str(marker) if marker.exists() else None

    def _marker(self, request: StartRequest) -> Path:
        return self._folder / request.token[:32]

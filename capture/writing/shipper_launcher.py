"""Starts a shipper for a spool that has none, as a process of its own that outlives whoever started it.

It ends by itself when the spool is empty and no writer is alive (`--until-idle`). Two that are started at once are no
harm: the spool's lock lets one of them stay.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capture.config import CaptureConfig
    from capture.journal.spool import Spool

log = logging.getLogger("capture")
_SHORT_LIFE = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0


class Launcher:
    """Sees to it that a spool has a shipper."""

    def __init__(self, spool: Spool, config: CaptureConfig) -> None:
        self._spool = spool
        self._config = config
        self._started = 0.0
        self._pause = _FIRST_PAUSE
        self._child: int | None = None

    def ensure(self) -> float:
        """Starts a shipper where none holds the spool; returns how many seconds to wait before asking again."""
        if self._child is not None and (ended := _ended(self._child)) is not None:
            if ended:
                log.warning("capture: the shipper ended with code %s", ended)
            self._child = None
        if self._child is not None or self._spool.has_shipper():
            return _FIRST_PAUSE
        short = time.monotonic() - self._started < _SHORT_LIFE
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if self._started and short else _FIRST_PAUSE
        self._started = time.monotonic()
        self._child = self._start()
        return self._pause

    def _start(self) -> int:
        """The process's id. It is no `subprocess.Popen`: it outlives us, and that would complain at the end."""
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        env = os.environ | self._config.to_env() | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
        command = [sys.executable, "-m", "capture", "ship", "--spool", str(self._spool.directory), "--until-idle"]
        quiet = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ]
        return os.posix_spawn(sys.executable, command, env, file_actions=quiet, setsid=True)


def _ended(child: int) -> int | None:
    """A child's exit code, None while it runs; 0 where somebody else reaped it."""
    try:
        pid, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if pid else None

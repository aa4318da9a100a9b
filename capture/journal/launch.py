"""Starts a shipper for a spool that has none, as a process of its own that outlives whoever started it.

It ends by itself when the spool is empty and no writer is alive (`--until-idle`). Two that are started at once are no
harm: the spool's lock lets one of them stay.
"""

from __future__ import annotations

import logging
import os
import subprocess
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
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self) -> float:
        """Starts a shipper where none holds the spool; returns how many seconds to wait before asking again."""
        if self._child is not None and self._child.poll() is not None:
            if self._child.returncode:
                log.warning("capture: the shipper ended with code %s", self._child.returncode)
            self._child = None
        if self._child is not None or self._spool.has_shipper():
            return _FIRST_PAUSE
        short = time.monotonic() - self._started < _SHORT_LIFE
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if self._started and short else _FIRST_PAUSE
        self._started = time.monotonic()
        self._child = self._start()
        return self._pause

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).resolve().parent.parent)
        paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        env = os.environ | self._config.to_env() | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
        command = [sys.executable, "-m", "capture", "ship", "--spool", str(self._spool.directory), "--until-idle"]
        return subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )

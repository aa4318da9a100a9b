"""Starts a shipper for a spool that has none, as a daemon that outlives the process that started it.

The settings are resolved by this process and handed on in `settings.json` of the spool. The daemon has a session,
descriptors, a working directory and an environment of its own (`child_main.py`), and writes its log to `shipper.log` of
the spool. Its warnings and errors are repeated in this process's log. It ends by itself when the spool is empty and no
writer is alive (`--until-idle`). Two that are started at once do no harm: the spool's lock lets one of them stay.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

from capture.child_python import NoPython, daemon_command, environment
from capture.handover import hand_over

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from capture.config import CaptureConfig
    from capture.journal.spool import Spool

log = logging.getLogger("capture")
_SHORT_LIFE = 10.0
_FIRST_PAUSE, _MAX_PAUSE = 2.0, 60.0
_MAX_LOG_BYTES = 1 << 20
_MAX_REPEATED_LINES = 20
_TAIL_BYTES = 4096


class Launcher:
    """Makes sure that a spool has a shipper. `monotonic` gives seconds."""

    def __init__(self, spool: Spool, config: CaptureConfig, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._spool = spool
        self._config = config
        self._monotonic = monotonic
        self._started: float | None = None
        self._not_before = 0.0
        self._pause = _FIRST_PAUSE
        self._child: int | None = None
        self._log_read = 0

    @property
    def log_path(self) -> Path:
        """The file to which a daemon writes its log."""
        return self._spool.path("shipper.log")

    def ensure(self) -> float:
        """Starts a shipper where none holds the spool; returns how many seconds to wait before asking again.

        Raises nothing: a shipper that cannot be started is logged and tried again. The records wait in the spool.
        """
        self._reap()
        self._repeat_log()
        now = self._monotonic()
        if now < self._not_before or self._spool.has_shipper():
            return max(self._not_before - now, _FIRST_PAUSE)
        short = self._started is not None and now - self._started < max(_SHORT_LIFE, 2 * self._pause)
        self._pause = min(self._pause * 2, _MAX_PAUSE) if short else _FIRST_PAUSE
        self._started, self._not_before = now, now + self._pause
        try:
            self._child = self._start()
        except (OSError, NoPython) as error:
            log.error(
                "capture: no shipper can be started: %s. Records wait in %s; the next attempt is in %.0f s.",
                error, self._spool.directory, self._pause,
            )  # fmt: skip
        return self._pause

    def last_words(self) -> str:
        """Returns the last line of the daemon's log, for a message; empty where there is none."""
        lines = self._tail().splitlines()
        return lines[-1] if lines else ""

    def _start(self) -> int:
        """Starts the daemon and returns the id of the process that becomes it.

        It is not a `subprocess.Popen`, which complains about a child that outlives it.
        """
        hand_over(self._config, self._spool.path("settings.json"))
        spool = self._spool.directory
        arguments = ("ship", "--spool", str(spool), "--settings", str(spool / "settings.json"), "--until-idle")
        command = daemon_command("capture", arguments)
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > _MAX_LOG_BYTES:
                self.log_path.unlink()
        with contextlib.suppress(FileNotFoundError):
            self._log_read = self.log_path.stat().st_size
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, str(self.log_path), append, 0o600),
        ]
        return os.posix_spawn(command[0], command, environment(), file_actions=actions, setsid=True)

    def _reap(self) -> None:
        """Takes the exit code of the process that became the daemon, which ends at once."""
        if self._child is not None:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self._child, os.WNOHANG)[0] == 0:
                    return
            self._child = None

    def _repeat_log(self) -> None:
        """Logs what the daemon that this launcher started wrote since the last time, but for its ordinary lines."""
        if self._started is None:
            return
        with contextlib.suppress(OSError), self.log_path.open("rb") as file:
            file.seek(self._log_read)
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._log_read += len(whole)
            lines = [line for line in whole.decode(errors="replace").splitlines() if " INFO " not in line]
            for line in lines[-_MAX_REPEATED_LINES:]:
                log.warning("capture shipper: %s", line)

    def _tail(self) -> str:
        with contextlib.suppress(OSError), self.log_path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read().decode(errors="replace")
        return ""

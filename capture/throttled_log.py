"""A throttled log: each cause at most once a minute, with the number of repeats since.

Everything in this room that may fail again and again logs through it. A handler or filter of the user's own that raises
does not fail the caller.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PERIOD = 60.0
_MAX_CAUSES = 100


class ThrottledLog:
    """Logs to one logger. `monotonic` gives seconds. Safe to share between threads: a race costs one repeated line."""

    def __init__(self, logger: logging.Logger, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._monotonic = monotonic
        self._last: dict[str, tuple[float, int]] = {}

    def warning(self, cause: str, message: str) -> None:
        """Logs a warning, unless this cause was logged less than a minute ago."""
        self._log(logging.WARNING, cause, message)

    def error(self, cause: str, message: str) -> None:
        """Logs an error, unless this cause was logged less than a minute ago."""
        self._log(logging.ERROR, cause, message)

    def _log(self, level: int, cause: str, message: str) -> None:
        now = self._monotonic()
        last, repeats = self._last.get(cause, (-_PERIOD, 0))
        if now - last < _PERIOD:
            self._last[cause] = (last, repeats + 1)
            return
        if len(self._last) >= _MAX_CAUSES:
            self._last = {}
        self._last[cause] = (now, 0)
        more = f" ({repeats} repeats not logged)" if repeats else ""
        with contextlib.suppress(Exception):
            self._logger.log(level, "capture: %s%s", message, more)

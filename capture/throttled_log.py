"""What is said of refused records in the log: each reason at most once a minute, with how many there were since."""

from __future__ import annotations

import contextlib
import logging
import time

log = logging.getLogger("capture")
_AGAIN = 60.0


class ThrottledLog:
    """The throttled_log of one buffer, by reason."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[float, int]] = {}

    def say(self, reason: str, detail: str) -> None:
        """Records are refused for this reason; `detail` is for a person to read. Raises nothing."""
        now = time.monotonic()
        last, since = self._said.get(reason, (-_AGAIN, 0))
        if now - last < _AGAIN:
            self._said[reason] = (last, since + 1)
            return
        self._said[reason] = (now, 0)
        with contextlib.suppress(
            Exception
        ):  # a filter or handler of the user's own that fails is not to fail a request
            log.warning("capture: records are refused (%s; %d more since last said): %s", reason, since, detail)

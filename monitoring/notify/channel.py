"""How a delivery ends: done, to be tried again, or refused for good."""

from __future__ import annotations

from monitoring.errors import MonitoringError

CALL_SECONDS = 10.0
"""Time limit for a connection, and for each answer, of one call."""


class TryAgain(MonitoringError):
    """The service did not take the call now. `maybe_sent` is true where it may have taken effect; `after` is in seconds."""

    def __init__(self, message: str, *, maybe_sent: bool, after: float = 5.0) -> None:
        super().__init__(message)
        self.maybe_sent = maybe_sent
        self.after = after


class ChannelRefused(MonitoringError):
    """The service will not take this call until someone changes a setting or a secret."""

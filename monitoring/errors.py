"""The errors of this room. Each message says what was wrong, where, and what to do."""

from __future__ import annotations


class MonitoringError(Exception):
    """The root of this room's expected errors. A command prints it as one line and ends with exit code 1."""


class UsageError(MonitoringError):
    """A flag, a key of `monitor.toml` or an argument is wrong. A command ends with exit code 2."""

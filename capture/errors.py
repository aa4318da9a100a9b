"""The errors of the room."""

from __future__ import annotations


class CaptureError(Exception):
    """The root of what this package raises on purpose; its message is one line for a person."""


class ConfigError(CaptureError):
    """A setting is wrong: the message names the variable, the value and what is allowed."""


class InstallationError(CaptureError):
    """A package that the command needs cannot be imported; the message says which and what to do."""


class SpoolError(CaptureError):
    """The spool directory cannot be used: not a directory of ours, not writable, or of an unknown version."""

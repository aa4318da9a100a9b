"""What carries a start out, and how it can refuse."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Protocol

from monitoring.errors import MonitoringError


class StartRefused(MonitoringError):
    """The start cannot succeed until someone changes a setting: an unknown pipeline, a parameter that it does not have."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One start: the guard's key and token, the URIs that the training needs, and parameters of the rule."""

    key: str
    token: str
    rule: str
    cause: str
    episode: int
    attempt: int
    endpoint: str
    variant: str
    cause_uri: str
    manifest_uri: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


class Starter(Protocol):
    """Starts a training, and finds what was started for a request."""

    def start(self, request: StartRequest) -> str:
        """Starts the training and returns a reference to it.

        Raises StartRefused where a setting is wrong, and another MonitoringError where the call may be repeated.
        """

    def find(self, request: StartRequest, since: dt.datetime) -> str | None:
        """Returns the reference of what was started for this request since a time, None where nothing was."""

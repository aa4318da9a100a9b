"""The state of all causes of one endpoint variant: one JSON object, changed by conditional writes only."""

from __future__ import annotations

import datetime as dt
import hashlib
from enum import StrEnum
from urllib.parse import quote

import msgspec

from monitoring.alarms.message import Page, RunMessage
from monitoring.errors import MonitoringError
from monitoring.result import Cause, Grade, Urgency

STATE_VERSION = 1
MAX_INCIDENT_KEY = 255
"""What PagerDuty takes as a `dedup_key`."""
MAX_KEY_PART = 120
KEPT_WINDOWS = 1_000
"""Windows that are remembered for each monitor and model version, so that a repeated one is recognized: 41 days of hours."""


class Phase(StrEnum):
    """Where a cause stands."""

    OK = "ok"
    SUSPECTED = "suspected"
    OPEN = "open"
    RECOVERING = "recovering"


class CauseState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cause of one model version.

    `monitor` is the monitor that opened the cause; only its windows can close it. `first` is the start of the first window
    of the episode, `seen` the end of the last window that showed the cause, `last` the end of the last window that was
    applied. `grade` and `urgency` are the highest of the episode. `falls` counts the times the cause went away within the
    episode. `pages` counts the pages of the episode, and `page_key` identifies the incident of the last one. `cause` is the last run's description.
    """

    cause: Cause
    monitor: str
    version: str | None
    phase: Phase
    first: dt.datetime
    seen: dt.datetime
    last: dt.datetime
    episode: int = 0
    grade: Grade = Grade.NONE
    urgency: Urgency = Urgency.NOTE
    streak: int = 0
    falls: int = 0
    page: Page = Page.NONE
    pages: int = 0
    page_key: str = ""
    reminded: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Returns whether an episode lasts."""
        return self.phase in (Phase.OPEN, Phase.RECOVERING)


class SubjectState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything remembered about one endpoint variant.

    `causes` is keyed by `slot`. `episodes` holds the last episode number of each cause key, over all model versions. `windows`
    holds the windows that were applied, by monitor and version. `runs` holds when each monitor last ran. `pages` counts the
    pages of a month by source. `outbox` holds the messages that are not published yet. `writer` is an id of the last write.
    """

    endpoint: str
    variant: str
    revision: int = 0
    causes: dict[str, CauseState] = {}
    episodes: dict[str, int] = {}
    windows: dict[str, tuple[str, ...]] = {}
    latest: dict[str, dt.datetime] = {}
    runs: dict[str, dt.datetime] = {}
    pages: dict[str, dict[str, int]] = {}
    outbox: tuple[RunMessage, ...] = ()
    writer: str = ""
    version: int = STATE_VERSION

    def open_causes(self) -> list[CauseState]:
        """Returns the causes whose episode lasts, by key."""
        return [state for _, state in sorted(self.causes.items()) if state.is_open]


def slot(version: str | None, key: str) -> str:
    """Returns the name of a cause of a model version in `SubjectState.causes`."""
    return f"{version or ''}|{key}"


def incident_key(endpoint: str, variant: str, version: str | None, *parts: str) -> str:
    """Returns the key of an incident, unique for endpoint, variant, model version and `parts`: at most 255 characters."""
    key = "/".join((endpoint, variant, version or "-", *parts))
    if len(key) <= MAX_INCIDENT_KEY:
        return key
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=10).hexdigest()
    return f"{key[: MAX_INCIDENT_KEY - len(digest) - 1]}~{digest}"


def state_key(endpoint: str, variant: str) -> str:
    """Returns the key of a variant's state in a storage."""
    return f"alarms/{key_part(endpoint)}/{key_part(variant)}.json"


def key_part(name: str) -> str:
    """Returns `name` as one part of a key, in ASCII and short enough for a file system."""
    quoted = quote(name, safe="") or "-"
    if len(quoted) <= MAX_KEY_PART:
        return quoted
    return f"{quoted[:MAX_KEY_PART]}~{hashlib.blake2b(name.encode('utf-8', 'replace'), digest_size=10).hexdigest()}"


def encode(state: SubjectState) -> bytes:
    """Returns the state as JSON."""
    return msgspec.json.encode(state)


def decode(body: bytes, where: str) -> SubjectState:
    """Returns the state in `body`. Raises MonitoringError, with `where` in its text, for anything else."""
    try:
        state = msgspec.json.decode(body, type=SubjectState)
    except msgspec.DecodeError as error:
        raise MonitoringError(
            f"{where} is not an alarm state: {error}. Move it away to start with no open cause"
        ) from None
    if state.version > STATE_VERSION:
        raise MonitoringError(
            f"{where} has version {state.version}; this program reads up to {STATE_VERSION}: update it"
        )
    return state

"""What was delivered for one endpoint variant, and what is under way: one JSON object, changed by conditional writes only.

`pending` holds effects that are not done yet, with all that is needed to carry them out, so that they survive the process
and the message. The lease keeps two notifiers from working on one variant at the same time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from monitoring.alarms.state import key_part
from monitoring.errors import MonitoringError
from monitoring.result import Grade
from monitoring.storage.lease import Lease

RECORD_VERSION = 1
KEPT_POSTS = 100
KEPT_INCIDENTS = 300
MAX_MISSED = 20


class IncidentState(StrEnum):
    """Where an incident stands, as far as we know."""

    INTENDED = "intended"
    OPEN = "open"
    CLOSED = "closed"


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was reported of a cause: its last episode, the revision of that message, how many pages the
    episode asked for, and its incidents. `missed` are earlier episodes whose messages did not arrive yet."""

    episode: int
    revision: int
    is_open: bool
    grade: Grade = Grade.NONE
    title: str = ""
    pages: int = 0
    incidents: tuple[str, ...] = ()
    missed: tuple[int, ...] = ()


class Incident(msgspec.Struct, frozen=True, omit_defaults=True):
    """An incident, by its key in PagerDuty. `secret` and `fingerprint` name the routing key that opened it."""

    key: str
    destination: str
    state: IncidentState = IncidentState.INTENDED
    secret: str = ""
    fingerprint: str = ""


class Post(msgspec.Struct, frozen=True, omit_defaults=True):
    """A Slack message: its channel and `ts` where Slack gave them, and the causes (`slot#episode`) it announced."""

    channel: str
    title: str
    causes: tuple[str, ...] = ()
    channel_id: str = ""
    ts: str = ""


class Trigger(msgspec.Struct, frozen=True, omit_defaults=True, tag="trigger"):
    """Opens an incident. `event` is PagerDuty's event without its routing key."""

    id: str
    origin: str
    incident: str
    destination: str
    event: dict[str, Any]
    tried: int = 0


class Resolve(msgspec.Struct, frozen=True, omit_defaults=True, tag="resolve"):
    """Closes an incident, but not before the incident `after` that replaces it is open."""

    id: str
    origin: str
    incident: str
    note: str = ""
    after: str = ""
    tried: int = 0


class Say(msgspec.Struct, frozen=True, omit_defaults=True, tag="say"):
    """Posts a Slack message. `causes` are the causes it announces."""

    id: str
    origin: str
    channel: str
    title: str
    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    causes: tuple[str, ...] = ()
    tried: int = 0


class Recolour(msgspec.Struct, frozen=True, omit_defaults=True, tag="recolour"):
    """Turns a Slack message green."""

    id: str
    origin: str
    post: str
    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    tried: int = 0


Effect = Trigger | Resolve | Say | Recolour


class DeliveryRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Deliveries of one variant. `revision` is the highest of its messages. `broken` maps a destination that refuses for
    good to the reason that was reported."""

    endpoint: str
    variant: str
    revision: int = 0
    heard: dict[str, Heard] = {}
    incidents: dict[str, Incident] = {}
    posts: dict[str, Post] = {}
    pending: tuple[Effect, ...] = ()
    broken: dict[str, str] = {}
    lease: Lease | None = None
    writer: str = ""
    version: int = RECORD_VERSION


def record_key(endpoint: str, variant: str) -> str:
    """Returns the key of a variant's record in a storage."""
    return f"notify/{key_part(endpoint)}/{key_part(variant)}.json"


def encode(record: DeliveryRecord) -> bytes:
    """Returns the record as JSON."""
    return msgspec.json.encode(record)


def decode(body: bytes, where: str) -> DeliveryRecord:
    """Returns the record in `body`. Raises MonitoringError, with `where` in its text, for anything else."""
    try:
        record = msgspec.json.decode(body, type=DeliveryRecord)
    except msgspec.DecodeError as error:
        raise MonitoringError(f"{where} is not a record of deliveries: {error}") from None
    if record.version > RECORD_VERSION:
        raise MonitoringError(
            f"{where} has version {record.version}; this program reads up to {RECORD_VERSION}: update it"
        )
    return record

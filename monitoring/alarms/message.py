"""The message of a run: what is new, worse, over and still open, as one typed JSON document of a stated version.

The document is complete: a subscriber needs neither the report nor the state to explain what happened and what to do.
`docs/schemas/run-message-1.json` is its JSON schema. Text is cleaned when a message is made: characters that XML 1.0 does not
have are refused by SNS and SQS, and a lone surrogate cannot be encoded.
"""

from __future__ import annotations

import datetime as dt
import re
from enum import StrEnum
from typing import Any

import msgspec

from monitoring.errors import MonitoringError
from monitoring.result import CauseKind, Grade, Subject, Urgency

MESSAGE_TYPE = "endpoint-monitor.run"
LINK_TYPE = "endpoint-monitor.link"
MESSAGE_VERSION = 1
MAX_EVENTS = 5
MAX_COLUMNS = 50
MAX_TEXT = 2_000
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Change(StrEnum):
    """What happened to a cause in this run."""

    NEW = "new"
    WORSE = "worse"
    RECOVERED = "recovered"
    SUPERSEDED = "superseded"
    LATE = "late"
    REMINDER = "reminder"
    OPEN = "open"


class Page(StrEnum):
    """Whether a cause asks for an incident: its own, a place in the month's summary, or none."""

    NONE = "none"
    OWN = "own"
    SUMMARY = "summary"


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cause in a message.

    `episode` counts the times the cause opened, `pages` the pages of this episode (a page is repeated only where the cause
    became worse). `page_key` identifies the incident of the last page. `first` and `seen` bound the windows that showed it. `falls` counts how often it went away in between.
    """

    key: str
    kind: CauseKind
    change: Change
    episode: int
    grade: Grade
    urgency: Urgency
    title: str
    sentence: str
    first: dt.datetime
    seen: dt.datetime
    page: Page = Page.NONE
    pages: int = 0
    page_key: str = ""
    model_version: str | None = None
    columns: tuple[str, ...] = ()
    since: str = ""
    slice: str = ""
    event_ids: tuple[str, ...] = ()
    query: str = ""
    tonight: str = ""
    tomorrow: str = ""
    falls: int = 0

    @property
    def is_open(self) -> bool:
        """Returns whether the episode lasts."""
        return self.change not in (Change.RECOVERED, Change.SUPERSEDED, Change.LATE)


class NotJudged(msgspec.Struct, frozen=True):
    """A column, or the whole window, that was not judged, and why."""

    name: str
    reason: str


class PageBudget(msgspec.Struct, frozen=True):
    """Pages of a calendar month (UTC), over all sources, against the number that the policy allows."""

    month: str
    pages: int
    allowed: int


class RunMessage(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag=MESSAGE_TYPE):
    """What a run tells people. `revision` orders the messages of one endpoint variant.

    `items` holds every change and every open cause. `ruled_out` lists what is not the cause. `report` and `trend` are URIs.
    """

    id: str
    revision: int
    subject: Subject
    start: dt.datetime
    end: dt.datetime
    created: dt.datetime
    verdict: str
    lead: str
    completeness: str
    rows: int
    events: int
    items: tuple[Item, ...]
    budget: PageBudget
    not_judged: tuple[NotJudged, ...] = ()
    ruled_out: tuple[str, ...] = ()
    promise: str = ""
    report: str = ""
    trend: str = ""
    retraining: str = ""
    version: int = MESSAGE_VERSION

    def changed(self, *changes: Change) -> list[Item]:
        """Returns the items with one of these changes, in the order of the message."""
        return [item for item in self.items if item.change in changes]

    def urgency(self) -> Urgency:
        """Returns the highest urgency of what changed and lasts, a note where everything that changed is over."""
        news = self.changed(Change.NEW, Change.WORSE)
        if any(item.page is not Page.NONE for item in news):
            return Urgency.PAGE
        return Urgency.MESSAGE if news or self.changed(Change.REMINDER, Change.LATE) else Urgency.NOTE


class MessageLink(msgspec.Struct, frozen=True, tag_field="type", tag=LINK_TYPE):
    """Stands for a message that is too large for SNS: where it is, and the SHA-256 of its bytes in hex."""

    id: str
    revision: int
    uri: str
    sha256: str
    size: int
    version: int = MESSAGE_VERSION


Document = RunMessage | MessageLink


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Returns `text` without characters that XML 1.0 lacks, cut to `limit` characters."""
    text = _NOT_XML.sub("�", text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def encode(message: Document) -> bytes:
    """Returns the message as JSON in UTF-8."""
    return msgspec.json.encode(message)


def decode(body: bytes | str) -> Document:
    """Returns the message in `body`. Raises MonitoringError for anything else, and for a newer version."""
    try:
        message: Document = msgspec.json.decode(body, type=Document)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MonitoringError(f"this is not a message of a run: {error}") from None
    if message.version > MESSAGE_VERSION:
        raise MonitoringError(
            f"a message has version {message.version}; this program reads up to {MESSAGE_VERSION}: update it"
        )
    return message


def schema() -> dict[str, Any]:
    """Returns the JSON schema of a message, without the descriptions of its types."""
    found: dict[str, Any] = msgspec.json.schema(Document)
    for definition in found["$defs"].values():
        definition.pop("description", None)
    return found

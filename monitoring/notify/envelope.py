"""A queue's body to what is in it: a message of a run, a CloudWatch alarm, something foreign, or nothing readable.

With raw delivery the body is the message itself. Without it, SNS wraps the message in a JSON object with `Type`,
`TopicArn` and the message as a string in `Message`. Both are read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from monitoring.alarms.message import LINK_TYPE, MESSAGE_TYPE, MessageLink, RunMessage, decode
from monitoring.errors import MonitoringError
from monitoring.storage import MissingKey, StorageError, key_in_storage


class UnreadableBody(MonitoringError):
    """A body is neither a message of ours nor any JSON object. It stays in the queue until it moves to the dead letters."""


class LinkUnavailable(MonitoringError):
    """The message that a link names cannot be read just now."""


@dataclass(frozen=True, slots=True)
class CloudWatchAlarm:
    """An alarm as CloudWatch sends it to a topic. `changed` is the time of its state change."""

    name: str
    state: str
    reason: str
    region: str
    description: str
    changed: dt.datetime


@dataclass(frozen=True, slots=True)
class Foreign:
    """A JSON object of another sender, with its text."""

    text: str
    subject: str = ""


Content = RunMessage | CloudWatchAlarm | Foreign
Fetch = Callable[[str], bytes]


def fetch_object(uri: str) -> bytes:
    """Returns the bytes of an object by its URI."""
    storage, key = key_in_storage(uri)
    return storage.get(key).body


def read(body: str, fetch: Fetch = fetch_object) -> Content:
    """Returns what a queue's body holds.

    Raises Unreadable where nothing can be made of it, and LinkUnavailable where a link's object cannot be read just now.
    """
    document = _object(body)
    subject = ""
    if document.get("Type") == "Notification" and isinstance(document.get("Message"), str):
        subject = str(document.get("Subject") or "")
        body = document["Message"]
        try:
            document = _object(body)
        except UnreadableBody:
            return Foreign(body, subject)  # a sentence of a person
    if document.get("type") in (MESSAGE_TYPE, LINK_TYPE):
        return _ours(body, fetch)
    if "AlarmName" in document and "NewStateValue" in document:
        return _alarm(document)
    return Foreign(body, subject)


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError):
        raise UnreadableBody(f"a body of {len(text)} characters is not a JSON object") from None


def _ours(body: str, fetch: Fetch) -> RunMessage:
    try:
        message = decode(body)
    except MonitoringError as error:
        raise UnreadableBody(str(error)) from None
    return message if isinstance(message, RunMessage) else _follow(message, fetch)


def _follow(link: MessageLink, fetch: Fetch) -> RunMessage:
    try:
        data = fetch(link.uri)
    except MissingKey as error:
        raise UnreadableBody(f"the message {link.id} is not where its link points: {error}") from None
    except StorageError as error:
        raise LinkUnavailable(str(error)) from error
    if hashlib.sha256(data).hexdigest() != link.sha256:
        raise UnreadableBody(f"the message {link.id} has another digest than its link: {link.uri} was changed")
    try:
        message = decode(data)
    except MonitoringError as error:
        raise UnreadableBody(str(error)) from None
    if not isinstance(message, RunMessage):
        raise UnreadableBody(f"the link of message {link.id} leads to another link")
    return message


def _alarm(document: dict[str, Any]) -> CloudWatchAlarm:
    text = str(document.get("StateChangeTime") or "")
    try:
        changed = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableBody(
            f"an alarm of CloudWatch has the StateChangeTime {text[:40]!r}, which is not a time"
        ) from None
    if changed.tzinfo is None:
        changed = changed.replace(tzinfo=dt.UTC)
    return CloudWatchAlarm(
        name=str(document["AlarmName"]),
        state=str(document["NewStateValue"]),
        reason=str(document.get("NewStateReason") or ""),
        region=str(document.get("Region") or ""),
        description=str(document.get("AlarmDescription") or ""),
        changed=changed,
    )

"""A message as an SNS notification, within the limits of SNS, of SQS behind it, and of a subscription's filter policy.

Attributes let a subscription choose by severity: at most 10 of them reach SQS with raw delivery, and values may not be empty
or hold characters beyond the Basic Multilingual Plane. Everything here is printable ASCII. A message over 200 kB goes to the
storage, and a link with its digest is published instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from monitoring.alarms.message import Change, MessageLink, RunMessage, encode
from monitoring.alarms.state import key_part
from monitoring.errors import MonitoringError

if TYPE_CHECKING:
    from monitoring.storage import Storage

MAX_BYTES = 200_000
MAX_SUBJECT = 99
MAX_ATTRIBUTE = 256


class TopicPublisher:
    """Publishes messages to one SNS topic. Raises MonitoringError where SNS refuses or does not answer."""

    def __init__(self, topic: str, storage: Storage, client: Callable[[], Any] | None = None) -> None:
        self._topic = topic
        self._storage = storage
        self._client = _sns_client if client is None else client
        self._sns: Any = None

    def publish(self, message: RunMessage) -> None:
        """Publishes one message; a large one is stored first."""
        from botocore.exceptions import BotoCoreError, ClientError

        body = body_of(message, self._storage)
        if self._sns is None:
            self._sns = self._client()
        arguments: dict[str, Any] = {}
        if self._topic.endswith(".fifo"):
            arguments = {
                "MessageGroupId": ascii_text(f"{message.subject.endpoint}/{message.subject.variant}", 128),
                "MessageDeduplicationId": hashlib.sha256(message.id.encode()).hexdigest(),
            }
        try:
            self._sns.publish(
                TopicArn=self._topic,
                Subject=subject_of(message),
                Message=body,
                MessageAttributes=attributes_of(message),
                **arguments,
            )
        except (BotoCoreError, ClientError) as error:
            raise MonitoringError(
                f"cannot publish to {self._topic}: {error}. The message waits in the alarm state and goes out with the next run"
            ) from error


def body_of(message: RunMessage, storage: Storage) -> str:
    """Returns the body to publish: the message, or a link to it where it has over 200 kB. Stores a linked message."""
    data = encode(message)
    if len(data) <= MAX_BYTES:
        return data.decode()
    subject = message.subject
    key = f"messages/{key_part(subject.endpoint)}/{key_part(subject.variant)}/{message.revision}.json"
    storage.put(key, data)
    link = MessageLink(
        message.id, message.revision, f"{storage.uri}/{key}", hashlib.sha256(data).hexdigest(), len(data)
    )
    return encode(link).decode()


def subject_of(message: RunMessage) -> str:
    """Returns the subject line: ASCII, one line, under 100 characters."""
    subject = message.subject
    counts = [f"{len(message.changed(change))} {change}" for change in (Change.NEW, Change.WORSE, Change.RECOVERED)]
    said = ", ".join(entry for entry in counts if not entry.startswith("0 ")) or "still open"
    return ascii_text(f"{subject.endpoint}/{subject.variant}: {said}", MAX_SUBJECT)


def attributes_of(message: RunMessage) -> dict[str, dict[str, str]]:
    """Returns the message attributes, at most 10: what a subscription may filter by."""
    values = {
        "type": "run",
        "endpoint": message.subject.endpoint,
        "variant": message.subject.variant,
        "monitor": message.subject.monitor,
        "model_version": message.subject.model_version or "",
        "severity": str(message.urgency()),
    }
    attributes = {
        name: {"DataType": "String", "StringValue": ascii_text(value, MAX_ATTRIBUTE)}
        for name, value in values.items()
        if value.strip()
    }
    attributes["revision"] = {"DataType": "Number", "StringValue": str(message.revision)}
    return attributes


def ascii_text(text: str, limit: int) -> str:
    """Returns `text` as printable ASCII on one line, cut to `limit`: every other character becomes a question mark."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)[:limit]


def _sns_client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 4, "mode": "standard"})
    return boto3.Session().client("sns", config=config)

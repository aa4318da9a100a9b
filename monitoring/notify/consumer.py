"""The queue: what a body becomes, when a message is deleted, and when it comes back.

A message is deleted after its effects are recorded. Everything else comes back after a delay that grows with the number of
receives, so that nothing loops hot; after `maxReceiveCount` receives the queue's redrive policy moves it to the dead letters.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from monitoring.errors import MonitoringError
from monitoring.notify.deliverer import Deliverer, Later
from monitoring.notify.envelope import (
    CloudWatchAlarm,
    Fetch,
    Foreign,
    LinkUnavailable,
    UnreadableBody,
    fetch_object,
    read,
)

WAIT_SECONDS = 20
VISIBILITY_SECONDS = 180
MAX_DELAY = 900
_log = logging.getLogger("monitoring.notify")


class Handled(StrEnum):
    """What became of a body."""

    DELIVERED = "delivered"
    FOREIGN = "foreign"
    LATER = "later"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Disposition:
    """What became of a body, and in how many seconds it should come back (None: it is done)."""

    handled: Handled
    after: float | None = None


def handle(
    body: str, message_id: str, receives: int, deliverer: Deliverer, count_foreign: bool, fetch: Fetch = fetch_object
) -> Disposition:
    """Delivers one body. Never raises for what a body holds or a service answers."""
    try:
        content = read(body, fetch)
        if isinstance(content, Foreign):
            if not count_foreign:
                deliverer.deliver_foreign(content, message_id)
            return Disposition(Handled.FOREIGN)
        if isinstance(content, CloudWatchAlarm):
            deliverer.deliver_alarm(content)
        else:
            deliverer.deliver(content)
    except UnreadableBody as error:
        _log.error("message %s is left to the dead letters: %s", message_id, error)
        return Disposition(Handled.UNREADABLE, backoff(receives))
    except Later as error:
        _log.warning("message %s comes back: %s", message_id, error)
        return Disposition(Handled.LATER, max(error.after, backoff(receives)))
    except (LinkUnavailable, MonitoringError) as error:
        _log.error("message %s comes back: %s", message_id, error)
        return Disposition(Handled.LATER, backoff(receives))
    return Disposition(Handled.DELIVERED)


def backoff(receives: int) -> float:
    """Returns the delay in seconds before a body comes back: 5 s, doubled with each receive, at most 15 minutes."""
    return float(min(MAX_DELAY, 5 * 2 ** min(max(0, receives - 1), 10)))


class QueueConsumer:
    """Reads one SQS queue until it is stopped."""

    def __init__(
        self,
        queue: str,
        deliverer: Deliverer,
        count_foreign: bool = False,
        client: Callable[[], Any] | None = None,
        fetch: Fetch = fetch_object,
        wait_seconds: int = WAIT_SECONDS,
    ) -> None:
        self._queue = queue
        self._deliverer = deliverer
        self._count_foreign = count_foreign
        self._sqs = (_sqs_client if client is None else client)()
        self._fetch = fetch
        self._wait = wait_seconds
        self.counts: Counter[str] = Counter()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Handles messages until `stopped` returns true. Raises MonitoringError where the queue cannot be read."""
        while not stopped():
            for message in self._receive():
                self.take(message)
                if stopped():
                    return

    def take(self, message: dict[str, Any]) -> None:
        """Handles one message of the queue."""
        receives = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        verdict = handle(
            message["Body"], message["MessageId"], receives, self._deliverer, self._count_foreign, self._fetch
        )
        self.counts[str(verdict.handled)] += 1
        receipt = {"QueueUrl": self._queue, "ReceiptHandle": message["ReceiptHandle"]}
        if verdict.after is None:
            self._call("delete_message", **receipt)
        else:
            self._call("change_message_visibility", **receipt, VisibilityTimeout=round(min(verdict.after, MAX_DELAY)))

    def _receive(self) -> Iterator[dict[str, Any]]:
        """Yields the messages of one receive. One at a time: the next ones stay visible to other consumers."""
        answer = self._call(
            "receive_message",
            QueueUrl=self._queue,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=self._wait,
            VisibilityTimeout=VISIBILITY_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        yield from answer.get("Messages", ())

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._sqs, operation)(**arguments)
        except (BotoCoreError, ClientError) as error:
            if operation == "receive_message":
                raise MonitoringError(f"cannot read the queue {self._queue}: {error}") from error
            _log.warning("%s failed, the message comes back by itself: %s", operation, error)
            return {}
        return answer


def _sqs_client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=40, retries={"total_max_attempts": 4, "mode": "standard"})
    return boto3.Session().client("sqs", config=config)

"""Puts an EventBridge event that asks for retraining.

EventBridge does not recognize repeats, and an event cannot be looked up. After a crash between the put and its record the event is
put again with the same `id`; a rule's target that must not run twice compares it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec

from monitoring.errors import MonitoringError
from monitoring.retraining.settings import Rule
from monitoring.retraining.starter import StartRequest

SOURCE = "endpoint-monitor"
DETAIL_TYPE = "Retraining Requested"


class EventStarter:
    """Puts one event to the bus that a rule names."""

    def __init__(self, rule: Rule, client: Callable[[], Any] | None = None) -> None:
        self._rule = rule
        self._make = _events_client if client is None else client

    def start(self, request: StartRequest) -> str:
        """Puts the event and returns its id. Raises MonitoringError where EventBridge does not take it."""
        from botocore.exceptions import BotoCoreError, ClientError

        detail = {
            "id": request.token,
            "rule": request.rule,
            "endpoint": request.endpoint,
            "variant": request.variant,
            "cause": request.cause,
            "episode": request.episode,
            "attempt": request.attempt,
            "causeUri": request.cause_uri,
            "manifestUri": request.manifest_uri,
            "parameters": dict(self._rule.parameters),
        }
        entry = {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": msgspec.json.encode(detail).decode(),
            "EventBusName": self._rule.event_bus,
        }
        try:
            answer = self._make().put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as error:
            raise MonitoringError(f"cannot put an event to {self._rule.event_bus}: {error}") from error
        [result] = answer["Entries"]
        if answer.get("FailedEntryCount"):
            raise MonitoringError(
                f"EventBridge refused the event: {result.get('ErrorCode')}: {result.get('ErrorMessage')}"
            )
        return str(result["EventId"])

    def find(self, request: StartRequest, since: dt.datetime) -> str | None:
        """Returns None: an event cannot be looked up."""
        return None


def _events_client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 4, "mode": "standard"})
    return boto3.Session().client("events", config=config)

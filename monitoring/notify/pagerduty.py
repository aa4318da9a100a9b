"""Events to PagerDuty through the vendor's client, without its own retries.

The client retries a 429 without end and sleeps inside the call, longer than a message stays invisible in its queue. Here each
call is made once: what may be repeated goes back to the queue with a delay.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

import httpx2
from pagerduty import EventsApiV2Client
from pagerduty.errors import Error, HttpError

from monitoring.notify.channel import CALL_SECONDS, ChannelRefused, TryAgain

RATE_LIMIT_SECONDS = 30.0
NETWORK_SECONDS = 10.0
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_RETRIED_BY_THE_CLIENT = (429, 500, 502, 503, 504)
logging.getLogger("pagerduty.api_client").setLevel(logging.CRITICAL)  # each failure is logged once, by the deliverer


class PagerDutyChannel:
    """Sends events. `verify` is an SSL context where the service's certificate has an authority of its own."""

    def __init__(self, verify: ssl.SSLContext | bool = True, timeout: float = CALL_SECONDS) -> None:
        self._verify = verify
        self._timeout = timeout

    def trigger(self, base_url: str, routing_key: str, incident: str, event: dict[str, Any]) -> None:
        """Opens an incident, or updates the open one with this key. Raises TryAgain or Refused."""
        self._send(base_url, routing_key, "trigger", incident, event)

    def resolve(self, base_url: str, routing_key: str, incident: str) -> None:
        """Closes an incident. PagerDuty ignores the call where none is open under this key and routing key."""
        self._send(base_url, routing_key, "resolve", incident, {})

    def _send(self, base_url: str, routing_key: str, action: str, incident: str, event: dict[str, Any]) -> None:
        with EventsApiV2Client(routing_key, base_url=base_url, verify=self._verify) as client:
            client.timeout = max(1, int(self._timeout))
            client.max_network_attempts = 0
            client.max_http_attempts = -1  # with an entry in `retry`, an answer is returned at once
            client.retry = dict.fromkeys(_RETRIED_BY_THE_CLIENT, 1)
            try:
                client.send_event(action, dedup_key=incident, **event)
            except HttpError as error:
                status, text = (
                    (error.response.status_code, error.response.text) if error.response is not None else (500, "")
                )
                _raise(status, action, incident, text[:300])
            except Error as error:
                cause = error.__cause__
                name = type(cause).__name__ if cause is not None else type(error).__name__
                raise TryAgain(
                    f"PagerDuty did not answer to {action} {incident}: {name}",
                    maybe_sent=not isinstance(cause, _NOT_SENT),
                    after=NETWORK_SECONDS,
                ) from None


def _raise(status: int, action: str, incident: str, text: str) -> None:
    what = f"PagerDuty answered {status} to {action} {incident}: {text}"
    if status == 429:
        raise TryAgain(what, maybe_sent=False, after=RATE_LIMIT_SECONDS)
    if status >= 500:
        raise TryAgain(what, maybe_sent=True, after=NETWORK_SECONDS)
    raise ChannelRefused(f"{what}. Check the routing key of the service and the event")

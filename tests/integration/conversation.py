"""The caller's side: requests over a few keep-alive connections, each with a name, and what was answered to them."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.integration.models import ACT, KEY

INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_EVENT_ID = re.compile(r"(?:^|[;,]\s*)event-id=([0-9a-f-]{36})$")
_GONE = (ConnectionRefusedError, ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)


@dataclass(frozen=True)
class Request:
    """One request; `key` names it in the recordings."""

    key: str
    body: bytes
    content_type: str = "application/json"
    accept: str | None = None
    inference_id: str | None = None
    attributes: str | None = None
    act: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Its headers; those that are None are not sent."""
        given = {
            "Content-Type": self.content_type,
            "Accept": self.accept,
            INFERENCE_ID: self.inference_id,
            CUSTOM_ATTRIBUTES: self.attributes,
            KEY: self.key,
            ACT: self.act,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    """What came back; `sent` and `received` are in microseconds since 1970."""

    request: Request
    status: int
    attributes: str | None
    content_type: str | None
    body: bytes
    sent: int
    received: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def event_id(self) -> str | None:
        """The event id in the custom attributes."""
        found = _EVENT_ID.search(self.attributes or "")
        return found[1] if found else None


def json_request(key: str, value: object, **more: Any) -> Request:
    """A request whose body is `value` as JSON."""
    return Request(key, json.dumps(value).encode(), **more)


def converse(port: int, requests: Iterable[Request], connections: int = 4, until_gone: bool = False) -> list[Answer]:
    """Send requests one after the other over each of so many connections; the answers as they came.

    With `until_gone` a connection ends where nobody takes its request any more; else that is an error.
    """
    waiting = iter(requests)
    lock = threading.Lock()

    def call() -> list[Answer]:
        answers: list[Answer] = []
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            while True:
                with lock:
                    request = next(waiting, None)
                if request is None:
                    return answers
                answers.append(_ask(connection, request))
        except _GONE:
            if not until_gone:
                raise
            return answers
        finally:
            connection.close()

    with ThreadPoolExecutor(connections, thread_name_prefix="caller") as pool:
        calls = [pool.submit(call) for _ in range(connections)]
    return [answer for call in calls for answer in call.result()]


def ask(port: int, request: Request) -> Answer:
    """Send one request over a connection of its own."""
    [answer] = converse(port, [request], connections=1)
    return answer


def _ask(connection: http.client.HTTPConnection, request: Request) -> Answer:
    sent = time.time_ns() // 1000
    connection.request("POST", "/invocations", request.body, request.headers)
    response = connection.getresponse()
    body = response.read()
    attributes, content_type = response.getheader(CUSTOM_ATTRIBUTES), response.getheader("Content-Type")
    return Answer(request, response.status, attributes, content_type, body, sent, time.time_ns() // 1000)

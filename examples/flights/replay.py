"""Requests over HTTP, as a caller of the endpoint sends them: protobuf both ways, a few connections that stay open.

`InvokeEndpoint` of SageMaker's API brings the same to the container: a content type, what is accepted, an inference id
of the caller's own; and the event id comes back in the custom attributes.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from examples.flights import schema
from examples.flights.traffic import CONTENT_TYPE, Request

ACCEPT = f"application/x-protobuf;messageType={schema.RESPONSE}"
TIMEOUT_SECONDS = 60.0

_EVENT_ID = re.compile(r"(?:^|[,;])\s*event-id=([0-9A-Za-z-]+)")


class ReplayError(Exception):
    """A request was not answered as it should be; the message says which, and what came back."""


@dataclass(frozen=True)
class Prediction:
    risk: float
    rank: int


@dataclass(frozen=True)
class Answer:
    """What the endpoint said to one request."""

    request: Request
    event_id: str
    predictions: tuple[Prediction, ...]
    seconds: float


def replay(
    port: int, requests: Sequence[Request], connections: int = 4, answered: Callable[[], object] = lambda: None
) -> list[Answer]:
    """Send all requests over `connections` keep-alive connections; the answers in the order of the requests.

    `answered` is called after each, from several threads. Raises `ReplayError` at the first that fails.
    """
    numbered = enumerate(requests)
    lock = threading.Lock()
    failed = threading.Event()

    def remaining() -> Iterator[tuple[int, Request]]:
        while not failed.is_set():
            with lock:
                following = next(numbered, None)
            if following is None:
                return
            yield following

    def caller() -> list[tuple[int, Answer]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        answers = []
        try:
            for number, request in remaining():
                answers.append((number, _ask(connection, request)))
                answered()
        except ReplayError:
            failed.set()
            raise
        finally:
            connection.close()
        return answers

    with ThreadPoolExecutor(connections, thread_name_prefix="caller") as callers:
        running = [callers.submit(caller) for _ in range(connections)]
    answers = dict(pair for call in running for pair in call.result())
    return [answers[number] for number in range(len(requests))]


def _ask(connection: http.client.HTTPConnection, request: Request) -> Answer:
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Accept": ACCEPT,
        "X-Amzn-SageMaker-Inference-Id": request.inference_id,
    }
    begin = time.perf_counter()
    try:
        connection.request("POST", "/invocations", request.body, headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ReplayError(f"{request.inference_id} was not answered: {error!r}") from error
    seconds = time.perf_counter() - begin
    if response.status != http.HTTPStatus.OK:
        said = body[:500].decode("utf-8", "replace")
        raise ReplayError(f"{request.inference_id} was answered with {response.status}: {said}")
    try:
        predictions = schema.DeparturesResponse.FromString(body).predictions
    except DecodeError as error:
        raise ReplayError(f"{request.inference_id}: the response is no {schema.RESPONSE}: {body[:100]!r}") from error
    if len(predictions) != len(request.flights):
        raise ReplayError(f"{request.inference_id}: {len(predictions)} predictions for {len(request.flights)} flights")
    attributes = response.getheader("X-Amzn-SageMaker-Custom-Attributes", "")
    event_id = _EVENT_ID.search(attributes)
    if event_id is None:
        raise ReplayError(f"{request.inference_id}: no event-id in the custom attributes {attributes!r}")
    return Answer(request, event_id[1], tuple(Prediction(each.risk, each.rank) for each in predictions), seconds)

"""What a caller is told when a request fails, on the flights endpoint: status, short JSON, and the next one is served.

One worker is sent every wrong request, a good one after each, and then the endpoint is stopped: what failed must not be
captured, and what came after it must.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest

from examples.flights import data, schema
from examples.flights.build import Artefact
from examples.flights.traffic import CONTENT_TYPE
from tests.integration.captured import Row, rows_by_event
from tests.integration.conversation import Answer, converse
from tests.integration.flights_requests import UNKNOWN_HOUR, UNKNOWN_PLANE, flights_requests
from tests.integration.models import SECRET, record_flights
from tests.integration.serving import chain, settings_of
from tests.s3_server import S3Server

HOTEL = CONTENT_TYPE.replace("DeparturesRequest", "Hotel")


def departures(hour: str, *tailnums: str) -> bytes:
    """A request of one flight for each plane."""
    flights = [{"carrier": "B6", "dest": "BOS", "distance": 187, "tailnum": tailnum} for tailnum in tailnums]
    body: bytes = schema.DeparturesRequest(airport="JFK", hour=hour, flights=flights).SerializeToString()
    return body


WRONG: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "cut short": (
        {"body": departures("2013-07-01T05", "N14228")[:-1]},
        400,
        "DecodeError",
        "flights.DeparturesRequest",
    ),
    "no protobuf": ({"body": b"\xff\xff\xff\xff"}, 400, "DecodeError", "flights.DeparturesRequest"),
    "no UTF-8": ({"body": b"\x0a\x02\xc3\x28"}, 400, "DecodeError", "flights.DeparturesRequest"),
    "no body": ({"body": b""}, 400, "DecodeError", "empty"),
    "no hour": ({"body": departures("soon", "N14228")}, 400, "DecodeError", "2013-07-01T05"),
    "no JSON": ({"body": b"{", "content_type": "application/json"}, 400, "DecodeError", "JSON"),
    "no such message": ({"content_type": HOTEL}, 415, "UnsupportedMediaType", "flights.DeparturesRequest"),
    "no such type": ({"content_type": "text/x-flight"}, 415, "UnsupportedMediaType", "application/x-protobuf"),
    "no such accept": ({"accept": "image/png"}, 406, "NotAcceptable", "application/x-protobuf"),
    "exception": ({"act": "raise"}, 500, "HandlerError", "predict_fn raised ValueError"),
}
"""What is wrong with a request: the change to a good one, the status, the error's type, and what its message names."""
UNKNOWN = "unknown entities"


@dataclass(frozen=True)
class Run:
    """What was answered, the log, and what is captured."""

    answers: dict[str, Answer]
    workers: tuple[list[int], list[int]]
    log: list[dict[str, Any]]
    events: dict[str, list[Row]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, flights: Artefact) -> Run:
    base = tmp_path_factory.mktemp("failing")
    record_flights(flights, base)
    [good, _] = flights_requests([3, 3])
    requests = []
    for what, (change, *_) in WRONG.items():
        requests += [replace(good, key=what, **change), replace(good, key=f"after {what}")]
    requests.append(replace(good, key=UNKNOWN, body=departures(UNKNOWN_HOUR, "N14228", UNKNOWN_PLANE)))
    with chain(base, s3_server, settings_of(flights) | {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as started:
        before = started.endpoint.workers
        answers = converse(started.port, requests, connections=1)
        workers = before, started.endpoint.workers
        assert started.stop() == 0
        log = started.endpoint.logs()
        return Run({each.request.key: each for each in answers}, workers, log, rows_by_event(started.objects()))


@pytest.mark.parametrize("what", WRONG)
def test_a_request_that_fails_is_answered_with_its_status_and_a_short_json_error(run: Run, what: str):
    _, status, kind, said = WRONG[what]
    answer = run.answers[what]
    error = json.loads(answer.body)

    assert (answer.status, answer.content_type) == (status, "application/json")
    assert set(error) == {"type", "message", "event_id"}
    assert error["type"] == kind
    assert said in error["message"]
    assert len(error["message"]) < 600
    assert uuid.UUID(error["event_id"]).version == 7
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("what", WRONG)
def test_the_request_after_one_that_failed_is_served_by_the_same_worker(run: Run, what: str):
    answer = run.answers[f"after {what}"]
    response: Any = schema.DeparturesResponse.FromString(answer.body)

    assert answer.status == 200
    assert len(response.predictions) == 3
    assert run.workers[0] == run.workers[1]


def test_an_exceptions_text_stays_in_the_log_under_the_event_id(run: Run):
    error = json.loads(run.answers["exception"].body)
    [line] = [line for line in run.log if line.get("event_id") == error["event_id"] and line["level"] == "ERROR"]

    assert SECRET not in run.answers["exception"].body.decode()
    assert SECRET in line["traceback"]


def test_an_entity_that_the_store_lacks_is_answered_with_null_features_and_counted(run: Run):
    answer = run.answers[UNKNOWN]
    assert (answer.status, answer.event_id is not None) == (200, True)
    known, unknown = run.events[str(answer.event_id)]

    assert {known[name] for name in data.WEATHER} == {None}
    assert {unknown[name] for name in data.PLANE} == {None}
    assert known["seats"] is not None
    assert {(row["capture_missing_weather"], row["capture_missing_planes"]) for row in (known, unknown)} == {(1, 1)}
    assert known["capture_age_weather"] is None


def test_what_failed_is_not_captured_and_what_was_answered_is(run: Run):
    served = {answer.event_id for answer in run.answers.values() if answer.status == 200}

    assert len(served) == len(WRONG) + 1
    assert {answer.event_id for answer in run.answers.values() if answer.status != 200} == {None}
    assert set(run.events) == served

"""The caller's side: answers are checked as they come, and the first that is wrong ends the replay with its reason."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from examples.flights import schema, traffic
from examples.flights.endpoint import free_port
from examples.flights.replay import ReplayError, replay

REQUESTS = traffic.july_requests(40)


@contextmanager
def listening(answer):
    """A server whose `answer(request message, headers)` gives status, headers and body."""
    connections = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            connections.add(self.client_address)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, content = answer(schema.DeparturesRequest.FromString(body), self.headers)
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, connections
        finally:
            server.shutdown()
            thread.join()


def ranked(message, headers, attributes="event-id={}"):
    predictions = [{"risk": flight.flight / 8192, "rank": rank} for rank, flight in enumerate(message.flights, 1)]
    body = schema.DeparturesResponse(predictions=predictions).SerializeToString()
    inference_id = headers["X-Amzn-SageMaker-Inference-Id"].replace("|", "-")
    return 200, {"X-Amzn-SageMaker-Custom-Attributes": attributes.format(inference_id)}, body


def test_every_request_gets_its_own_answer_in_order_over_few_connections():
    counted = []
    with listening(ranked) as (port, connections):
        answers = replay(port, REQUESTS, connections=3, answered=lambda: counted.append(1))

    assert [answer.request for answer in answers] == REQUESTS
    assert [answer.event_id for answer in answers] == [each.inference_id.replace("|", "-") for each in REQUESTS]
    for answer in answers:
        assert [each.risk for each in answer.predictions] == [each["flight"] / 8192 for each in answer.request.flights]
    assert len(counted) == len(REQUESTS)
    assert len(connections) <= 3


@pytest.mark.parametrize("attributes", ["trace=1;event-id={}", "trace=1,event-id={}, more=2", " event-id={}"])
def test_the_event_id_is_found_beside_other_attributes(attributes):
    with listening(lambda message, headers: ranked(message, headers, attributes)) as (port, _):
        [answer] = replay(port, REQUESTS[:1])

    assert answer.event_id == REQUESTS[0].inference_id.replace("|", "-")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda *_: (500, {}, b'{"error": "no trees"}'), 'answered with 500: {"error": "no trees"}'),
        (lambda *_: (200, {}, b"\xff"), "the response is no flights.DeparturesResponse"),
        (lambda *_: (200, {}, b""), "0 predictions for 4 flights"),
        (
            lambda message, headers: ranked(message, headers, "other=1"),
            "no event-id in the custom attributes 'other=1'",
        ),
    ],
)
def test_a_wrong_answer_ends_the_replay_and_says_which_request_it_was(answer, reason):
    with listening(answer) as (port, _), pytest.raises(ReplayError) as caught:
        replay(port, REQUESTS, connections=1)

    assert str(caught.value).startswith(REQUESTS[0].inference_id)
    assert reason in str(caught.value)


def test_an_endpoint_that_is_not_there_is_said_so():
    with pytest.raises(ReplayError, match="was not answered: ConnectionRefusedError"):
        replay(free_port(), REQUESTS)

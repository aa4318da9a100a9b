"""Bodies of legal size, many at once: all are answered, and small ones do not wait for large ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from container.shared.resources import MAX_LARGE
from tests.container.endpoint import Endpoint, running

CODE = """
def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return len(body)

def predict_fn(size, model):
    return [size]
"""
LARGE = 6_291_456


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with running(tmp_path_factory.mktemp("bodies"), CODE) as started:
        yield started


def send(endpoint: Endpoint, body: bytes, chunked: bool = False) -> int:
    given = iter([body]) if chunked else body
    answer = endpoint.request("POST", "/invocations", given, {"Content-Type": "application/octet-stream"})
    assert answer.status != 200 or answer.json == [len(body)]
    return answer.status


def test_sixty_tiny_requests_at_once_are_all_answered(endpoint: Endpoint):
    with ThreadPoolExecutor(60) as clients:
        statuses = Counter(clients.map(lambda _: send(endpoint, b"x"), range(60)))
    assert statuses == {200: 60}


@pytest.mark.parametrize("count", [MAX_LARGE + 4, pytest.param(150, marks=pytest.mark.long)])
def test_more_large_bodies_than_memory_takes_wait_and_are_answered(endpoint: Endpoint, count: int):
    body = bytes(LARGE)
    with ThreadPoolExecutor(count) as clients:
        statuses = Counter(clients.map(lambda number: send(endpoint, body, chunked=number % 10 == 0), range(count)))
    assert statuses == {200: count}
    assert not [line for line in endpoint.logs() if "OutOfMemory" in str(line)]


def test_responses_of_both_ways_are_counted(endpoint: Endpoint):
    before = endpoint.metric("endpoint_responses_total")['endpoint_responses_total{class="2xx"}']
    assert [send(endpoint, b"x"), send(endpoint, bytes(100_000))] == [200, 200]
    assert endpoint.metric("endpoint_responses_total")['endpoint_responses_total{class="2xx"}'] == before + 2

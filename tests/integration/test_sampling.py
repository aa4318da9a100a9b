"""Sampling at 50 %: the same ids are chosen everywhere, only they are captured, and only they come back to the caller."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import pytest

from tests.integration.captured import Row, rows_by_event
from tests.integration.conversation import Answer, converse, json_request
from tests.integration.models import PLAIN, write_model
from tests.integration.serving import chain
from tests.s3_server import S3Server

NAMED, UNNAMED = 60, 40
"""Requests with an inference id, and without."""


def chosen(identity: str) -> bool:
    """Whether half of all ids holds this one: the first 8 bytes of its BLAKE2b as a share of all there are."""
    return int.from_bytes(blake2b(identity.encode()).digest()[:8], "big") / 2**64 < 0.5


@dataclass(frozen=True)
class Run:
    """What was answered, what is captured, and the counters before the stop."""

    answers: list[Answer]
    events: dict[str, list[Row]]
    sampled_out: float
    dropped: float

    @property
    def named(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.request.inference_id is not None]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Run:
    base = tmp_path_factory.mktemp("sampling")
    write_model(base, PLAIN)
    requests = [
        *(json_request(f"named-{n}", [{"n": n}, {"n": -n}], inference_id=f"order/{n}") for n in range(NAMED)),
        *(json_request(f"unnamed-{n}", {"n": n}) for n in range(UNNAMED)),
    ]
    with chain(base, s3_server, {"CAPTURE_SAMPLING_PERCENTAGE": "50"}) as started:
        answers = converse(started.port, requests)
        metric = started.endpoint.metric
        sampled_out = sum(metric("capture_records_sampled_out_total").values())
        dropped = sum(metric("capture_records_dropped_total").values())
        assert started.stop() == 0
        return Run(answers, rows_by_event(started.objects()), sampled_out, dropped)


def test_every_request_is_answered(run: Run):
    assert [answer.body for answer in run.answers if answer.status != 200] == []
    assert len(run.answers) == NAMED + UNNAMED


def test_the_inference_id_decides_who_is_kept(run: Run):
    kept = {answer.request.inference_id for answer in run.named if answer.event_id is not None}

    assert kept == {f"order/{number}" for number in range(NAMED) if chosen(f"order/{number}")}
    assert 0 < len(kept) < NAMED


def test_without_an_inference_id_the_event_id_decides(run: Run):
    kept = [answer.event_id for answer in run.answers if answer.request.inference_id is None and answer.event_id]

    assert 0 < len(kept) < UNNAMED
    assert all(map(chosen, kept))


def test_exactly_those_whose_event_id_came_back_are_captured_each_with_all_its_rows(run: Run):
    returned = {answer.event_id: answer for answer in run.answers if answer.event_id is not None}

    assert set(run.events) == set(returned)
    for event, rows in run.events.items():
        named = returned[event].request.inference_id
        assert len(rows) == (1 if named is None else 2)
        assert {row["capture_inference_id"] for row in rows} == {named}
        assert {row["capture_sampling_percentage"] for row in rows} == {50.0}


def test_who_is_left_out_is_counted_as_such_and_not_as_lost(run: Run):
    assert run.sampled_out == len(run.answers) - len(run.events)
    assert run.dropped == 0

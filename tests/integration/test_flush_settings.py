"""Each of the three knobs triggers a flush by itself, from the setting to the object in S3, while the endpoint serves on.

That nothing was flushed before its time is seen in the object: a batch that came too early would hold fewer records.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.container.endpoint import wait_for
from tests.integration.captured import CapturedObject
from tests.integration.conversation import Answer, converse, json_request
from tests.integration.models import PLAIN, write_model
from tests.integration.serving import Chain, chain
from tests.s3_server import S3Server

NEVER = {
    "CAPTURE_MAX_RECORDS": "1000000",
    "CAPTURE_MAX_BYTES": "1000000000",
    "CAPTURE_MAX_AGE_SECONDS": "86400",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
}
"""Knobs that trigger nothing here."""


@contextmanager
def serving(base: Path, server: S3Server, **knob: str) -> Iterator[Chain]:
    write_model(base, PLAIN)
    with chain(base, server, NEVER | knob) as started:
        yield started


def send(served: Chain, count: int, size: int = 10) -> list[Answer]:
    return converse(served.port, (json_request(f"{number}", {"text": "x" * size}) for number in range(count)), 1)


def first_object(served: Chain) -> CapturedObject:
    [first, *_] = wait_for(served.objects)
    return first


def test_the_record_that_makes_the_number_full_triggers_a_flush(tmp_path: Path, s3_server: S3Server):
    with serving(tmp_path, s3_server, CAPTURE_MAX_RECORDS="12") as served:
        answers = send(served, 12)
        rows = first_object(served).rows
        assert {row["capture_event_id"] for row in rows} == {answer.event_id for answer in answers}


def test_the_record_that_makes_the_bytes_full_triggers_a_flush(tmp_path: Path, s3_server: S3Server):
    with serving(tmp_path, s3_server, CAPTURE_MAX_BYTES="100000") as served:
        answers = send(served, 10, size=9_950)
        rows = first_object(served).rows
        assert {row["capture_event_id"] for row in rows} == {answer.event_id for answer in answers}


def test_the_age_of_the_oldest_record_triggers_a_flush(tmp_path: Path, s3_server: S3Server):
    with serving(tmp_path, s3_server, CAPTURE_MAX_AGE_SECONDS="2.5") as served:
        [answer] = send(served, 1)
        found = first_object(served)
        [row] = found.rows
        stored = served.server.client().head_object(Bucket=served.bucket, Key=found.key)["LastModified"]

        assert row["capture_event_id"] == answer.event_id
        # S3's times are whole seconds.
        assert stored >= row["capture_event_time"] + timedelta(seconds=1.5)

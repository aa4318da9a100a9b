"""Responses of every size after small ones: none is cut in its headers, where Multi Model Server would kill the worker."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mms.protocol.otf_message_handler import create_load_model_response

from container.shared.headers import MAX_TOTAL
from container.worker.response_padding import PADDING, padded
from tests.container.artefacts import OBEDIENT
from tests.container.endpoint import running


def message(status: int, text: str, rest: bytes = b"\x00\x00\x00\x01rest") -> bytes:
    return struct.pack("!ii", status, len(text)) + text.encode() + rest


def test_the_text_alone_is_longer_and_what_follows_it_is_the_same():
    made = bytes(padded(message(200, "Prediction success")))

    assert struct.unpack_from("!ii", made) == (200, len("Prediction success") + PADDING)
    assert made[8:26] == b"Prediction success"
    assert made[26 : 26 + PADDING].strip() == b""
    assert made[26 + PADDING :] == b"\x00\x00\x00\x01rest"


@pytest.mark.parametrize("status", [500, 503, 507])
def test_the_text_of_a_failure_stays_as_it_is(status: int):
    assert padded(message(status, "no memory")) == message(status, "no memory")


def test_the_answer_to_a_load_stays_as_it_is_because_java_reads_the_process_id_at_its_end():
    loaded = bytes(create_load_model_response(200, "loaded model model. [PID]:7"))
    assert padded(loaded) == loaded


def test_a_response_with_longer_headers_than_those_before_it_is_answered_by_the_same_worker(tmp_path: Path):
    with running(tmp_path, OBEDIENT, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as endpoint:
        workers = endpoint.workers
        first = endpoint.invoke({"headers": {"X-Long": "x" * 1500}})
        assert first.status == 200, "the first response of a worker is cut somewhere: it must not be in the headers"
        for length in [*range(1, 600, 13), 1024, 2048, MAX_TOTAL - 6]:
            small = [endpoint.invoke([[1]]).status for _ in range(4)]
            answer = endpoint.invoke({"headers": {"X-Long": "x" * length}})
            assert (small, answer.status, answer.body) == ([200] * 4, 200, b"[2]"), length
            assert len(answer.headers["x-long"]) == length
        assert endpoint.invoke({"bytes": 1_000_000}).status == 200
        assert endpoint.workers == workers

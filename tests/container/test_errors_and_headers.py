"""What a caller is told, and what may stand in a response's header."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagemaker_inference.errors import BaseInferenceToolkitError, GenericInferenceToolkitError, UnsupportedFormatError

from container.feature_stores.protocol import StoreError, StoreUnavailable
from container.shared import headers
from container.shared.headers import RequestHeaders
from container.worker.errors import problem_of
from serialization import DecodeError, NotAcceptable, PayloadTooLarge, UnsupportedMediaType


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (DecodeError("line 3 has 4 fields, not 5"), 400, "DecodeError"),
        (UnsupportedMediaType("send JSON"), 415, "UnsupportedMediaType"),
        (NotAcceptable("ask for JSON"), 406, "NotAcceptable"),
        (PayloadTooLarge("7 bytes"), 413, "PayloadTooLarge"),
        (StoreUnavailable("no answer"), 503, "StoreUnavailable"),
    ],
)
def test_what_a_caller_can_change_is_said_in_full(error: Exception, status: int, kind: str):
    problem = problem_of(error, "decode")
    assert (problem.status, problem.type, problem.message) == (status, kind, str(error))


@pytest.mark.parametrize(
    ("stage", "function"), [("decode", "input_fn"), ("features", "features_fn"), ("predict", "predict_fn")]
)
def test_an_exception_of_the_handler_names_function_and_class_but_not_its_text(stage: str, function: str):
    problem = problem_of(KeyError("password"), stage)
    assert (problem.status, problem.type) == (500, "HandlerError")
    assert function in problem.message
    assert "KeyError" in problem.message
    assert "password" not in problem.message


def test_a_store_that_can_never_answer_is_an_error_of_the_handler():
    assert problem_of(StoreError("no such table"), "features").status == 500


def test_what_the_toolkit_s_errors_say_is_passed_on():
    assert problem_of(BaseInferenceToolkitError(422, "too old", "Unprocessable"), "predict").status == 422
    assert problem_of(BaseInferenceToolkitError(422, "too old", "Unprocessable"), "predict").message == "too old"
    assert problem_of(GenericInferenceToolkitError(200, "not an error"), "predict").status == 500
    assert problem_of(BaseInferenceToolkitError("no number", "m", "p"), "predict").status == 500
    assert problem_of(UnsupportedFormatError("image/png"), "decode").status == 415


def test_no_memory_is_507_where_sagemaker_understands_it():
    assert problem_of(MemoryError(), "predict").status == 500
    assert problem_of(MemoryError(), "predict", multi_model=True).status == 507


def test_the_body_is_short_json():
    body = problem_of(DecodeError("bad"), "decode").body("an-id")
    assert json.loads(body) == {"type": "DecodeError", "message": "bad", "event_id": "an-id"}


@given(st.text())
def test_a_header_value_is_one_line_of_printable_ascii_whatever_it_was(value: str):
    assert all(" " <= character <= "~" for character in headers.safe(value))


def test_a_header_value_that_is_fine_stays():
    assert headers.safe("a=1; b=2") == "a=1; b=2"


def test_headers_that_frame_the_message_are_not_the_handler_s():
    outgoing: dict[str, object] = {"Transfer-Encoding": "chunked", "content-length": 3, "X-A": 1, "bad name": "x"}
    headers.clean(outgoing)  # type: ignore[arg-type]
    assert outgoing == {"X-A": "1"}


@pytest.mark.parametrize("set_by_the_handler", [65, 900])
def test_headers_past_what_a_response_may_have_are_dropped_and_named(set_by_the_handler: int):
    """HAProxy answers 502 where there are more than 101; 900 end the worker."""
    outgoing = {f"x-{number}": "v" for number in range(set_by_the_handler)}
    names = list(outgoing)
    assert headers.clean(outgoing) == names[headers.MAX_HEADERS :]
    assert list(outgoing) == names[: headers.MAX_HEADERS]


def test_request_headers_are_found_in_any_case_and_notes_of_the_server_are_none():
    found = RequestHeaders({"X-Amzn-Foo": "1", "body": {"content-type": "x"}, "empty": ""})
    assert found.get("x-amzn-foo") == "1"
    assert found.get("body") is None
    assert found.get("empty") is None


def test_an_event_id_that_would_not_fit_is_left_out():
    outgoing = {"x-amzn-sagemaker-custom-attributes": "a" * 1020}
    headers.add_event_id(outgoing, "id")
    assert outgoing == {"x-amzn-sagemaker-custom-attributes": "a" * 1020}

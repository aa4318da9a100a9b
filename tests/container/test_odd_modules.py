"""One endpoint whose module does what modules of other people do: odd texts, names in any case, failing objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.endpoint import Endpoint, running, wait_for

ODD = """
import json, logging, os, warnings

log = logging.getLogger("odd")

class Failing:
    def __str__(self): raise RuntimeError("no text")
    __repr__ = __str__

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(order, model, context):
    do, text = order.get("do"), order.get("t", "")
    if do == "raise":
        raise ValueError(f"unknown {text}")
    if do == "raise failing":
        raise ValueError(Failing())
    if do == "toolkit":
        from sagemaker_inference.errors import GenericInferenceToolkitError
        raise GenericInferenceToolkitError(order.get("status", 422), text)
    if do == "log":
        log.info(text)
        log.info("%s", Failing())
        log.info("x", extra={"message": text, "name": text})
        log.info("x", extra={"fields": "abc"})
        log.info("x", extra={1: 2})
        warnings.warn(text)
        print(text)
    if do == "header":
        context.set_response_header(0, "X-Odd", Failing())
    if do == "phrase":
        context.set_response_status(201, text, 0)
    if do == "headers":
        properties = context.get_all_request_header(0)
        return [
            context.get_request_header(0, order["name"]),
            properties.get(order["name"]),
            properties[order["name"]],
            order["name"] in properties,
            context.request_processor[0].get_request_property(order["name"]),
            context.request_processor[0].get_request_properties().get(order["name"]),
            context.get_request_header(0, "X-Missing"),
        ]
    return {"pid": os.getpid()}

def output_fn(prediction, accept):
    return json.dumps(prediction)
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    directory: Path = tmp_path_factory.mktemp("odd")
    env = {
        "CAPTURE_DESTINATION": f"file://{directory}/captured",
        "CAPTURE_SPOOL_DIR": str(directory / "spool"),
        "CAPTURE_MAX_AGE_SECONDS": "0.5",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }
    with running(directory, ODD, env) as started:
        yield started


@pytest.mark.parametrize("text", ["\ud83d", "a\udfffb", "plain"])
def test_a_text_that_cannot_be_encoded_ends_no_worker(odd: Endpoint, text: str):
    (worker,) = odd.workers
    failed = odd.invoke({"do": "raise", "t": text})
    assert (failed.status, failed.json["type"]) == (500, "HandlerError")
    event_id = failed.json["event_id"]
    wait_for(lambda: odd.log_with(event_id=event_id, level="ERROR", message="unknown"))
    assert odd.invoke({"do": "raise failing"}).status == 500
    assert odd.invoke({"do": "log", "t": text}).json == {"pid": worker}
    assert odd.invoke({"do": "toolkit", "t": text}).status == 422
    assert odd.invoke({"do": "phrase", "t": text}).status == 201
    assert odd.workers == [worker]


def test_an_answer_that_cannot_be_sent_is_500_and_not_captured(odd: Endpoint):
    before = odd.metric("capture_records_appended_total")["capture_records_appended_total"]
    failed = odd.invoke({"do": "header"})
    assert (failed.status, failed.event_id) == (500, None)
    assert odd.invoke({}).event_id
    wait_for(lambda: odd.metric("capture_records_appended_total")["capture_records_appended_total"] == before + 1)


@pytest.mark.parametrize(
    "name",
    ["X-Amzn-SageMaker-Custom-Attributes", "x-amzn-sagemaker-custom-attributes", "X-AMZN-SAGEMAKER-CUSTOM-ATTRIBUTES"],
)
def test_the_context_finds_a_header_in_any_case(odd: Endpoint, name: str):
    answer = odd.invoke({"do": "headers", "name": name}, X_Amzn_SageMaker_Custom_Attributes="mine")
    assert answer.json == ["mine", "mine", "mine", True, "mine", "mine", None]


@pytest.mark.parametrize("status", [400, 418, 422, 499, 503, 599])
def test_errors_of_the_toolkit_keep_their_status_and_text(odd: Endpoint, status: int):
    answer = odd.invoke({"do": "toolkit", "status": status, "t": "say this"})
    assert (answer.status, answer.json["type"], answer.json["message"]) == (
        status,
        "GenericInferenceToolkitError",
        "say this",
    )


def test_the_shipper_s_lines_have_their_level_and_what_was_sent_stands_in_no_log(odd: Endpoint):
    answer = odd.request("POST", "/invocations", b'{"t": ', {"Content-Type": "application/json"})
    assert answer.status == 500
    assert not [line for line in odd.logs() if line["source"] == "haproxy" and "stopped" in line["message"]]

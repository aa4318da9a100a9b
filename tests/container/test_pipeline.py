"""Decode, features, predict, encode, capture: in this order, and with the toolkit's meaning of every function."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from mms.context import Context, RequestProcessor
from sagemaker_inference.transformer import Transformer

from capture import Lookup, new_event_id
from container.feature_stores.protocol import Record, StoreUnavailable
from container.feature_stores.recording import FailurePolicy
from container.shared.headers import RequestHeaders
from container.worker.pipeline import Pipeline, Request, Response, Stop
from container.worker.user_module import functions_of
from serialization import Codecs


def module(code: str) -> ModuleType:
    made = ModuleType("users")
    exec(code, made.__dict__)  # noqa: S102
    return made


def context_with(headers: dict[str, str]) -> Any:
    context = Context("model", "/dir", None, 1, None, "1.1.11")
    context.request_processor = [RequestProcessor(headers)]
    return context


class Buffer:
    """Stands for the capture buffer: keeps what it is given, when it is given."""

    def __init__(self, kept: bool = True, accepted: bool = True) -> None:
        self.prepared: list[dict[str, Any]] = []
        self.appended: list[dict[str, Any]] = []
        self._kept = kept
        self._accepted = accepted

    def prepare(self, features: object, **about: Any) -> Any:
        self.prepared.append({"features": json.loads(json.dumps(features, default=list)), **about})
        return type("Prepared", (), {"kept": self._kept})

    def append(self, prepared: object, predictions: object, **about: Any) -> bool:
        self.appended.append({"predictions": predictions, **about})
        return self._accepted


class Weather:
    """A store with one group that knows one id."""

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        if group == "down":
            raise StoreUnavailable("no answer")
        return [Record({"wind": 3.5}, event_time=1000.0) if key == "JFK" else None for key in ids]


def pipeline(code: str, model: object = None, **more: Any) -> Pipeline:
    return Pipeline(functions_of(module(code)), model, Codecs(), "application/json", 1_000_000, **more)


def ask(
    served: Pipeline, body: bytes = b'{"a": 1}', content_type: str = "application/json", **headers: str
) -> Response:
    named = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    return served.answer(Request(new_event_id(), body, RequestHeaders(named), context_with(named)))


MODEL = "def model_fn(model_dir): return None\n"
ECHO = MODEL + "def predict_fn(features, model): return features\n"


def test_without_functions_of_its_own_the_decoded_request_is_the_features():
    assert json.loads(ask(pipeline(ECHO)).body) == {"a": 1}


def test_predict_fn_gets_the_very_object_that_features_fn_returned():
    code = MODEL + (
        "kept = []\n"
        "def features_fn(request, store): kept.append(object()); return kept[0]\n"
        "def predict_fn(features, model): return [features is kept[0]]\n"
    )
    assert json.loads(ask(pipeline(code)).body) == [True]


def test_features_are_prepared_before_predict_fn_can_change_them_and_appended_after_the_encoding():
    code = MODEL + "def predict_fn(features, model): features['a'] = 'changed'; return [0.5]\n"
    buffer = Buffer()
    response = ask(pipeline(code, buffer=buffer), X_Amzn_SageMaker_Inference_Id="mine")
    assert buffer.prepared[0]["features"] == {"a": 1}
    assert buffer.prepared[0]["inference_id"] == "mine"
    assert buffer.appended[0]["predictions"] == [0.5]
    assert response.captured


def test_a_response_that_cannot_be_encoded_is_not_captured():
    buffer = Buffer()
    response = ask(pipeline(MODEL + "def predict_fn(f, m): return object()\n", buffer=buffer))
    assert response.status == 500
    assert buffer.prepared
    assert not buffer.appended


def test_what_sampling_left_out_or_the_buffer_refused_has_no_event_id_to_find():
    assert not ask(pipeline(ECHO, buffer=Buffer(kept=False))).captured
    assert not ask(pipeline(ECHO, buffer=Buffer(accepted=False))).captured


def test_lookups_are_captured_with_the_oldest_event_time_and_the_missing_ids():
    code = MODEL + (
        "def features_fn(request, store):\n"
        "    found = store.get('weather', ['JFK', 'LGA']) + store.get('weather', ['EWR'])\n"
        "    return {'wind': found[0]['wind'], 'none': found[1]}\n"
        "def predict_fn(features, model): return [features['wind']]\n"
    )
    buffer = Buffer()
    served = pipeline(code, buffer=buffer, store=Weather(), policy=FailurePolicy(1.0, True))
    assert json.loads(ask(served).body) == [3.5]
    assert buffer.appended[0]["lookups"] == {"weather": Lookup(1000.0, 2)}


@pytest.mark.parametrize(("fail_open", "status"), [(True, 200), (False, 503)])
def test_a_store_that_is_down_gives_null_features_or_503_as_the_setting_says(fail_open: bool, status: int):
    code = MODEL + (
        "def features_fn(request, store): return {'found': [r is None for r in store.get('down', ['a', 'b'])]}\n"
        "def predict_fn(features, model): return features['found']\n"
    )
    buffer = Buffer()
    response = ask(pipeline(code, buffer=buffer, store=Weather(), policy=FailurePolicy(1.0, fail_open)))
    assert response.status == status
    if fail_open:
        assert json.loads(response.body) == [True, True]
        assert buffer.appended[0]["lookups"] == {"down": Lookup(None, 2)}


def test_a_look_up_without_a_store_says_which_setting_is_missing(caplog: pytest.LogCaptureFixture):
    code = ECHO + "def features_fn(request, store): return store.get('weather', ['JFK'])\n"
    assert ask(pipeline(code)).status == 500
    assert "FEATURE_STORE_URI" in caplog.text


def test_an_accept_that_cannot_be_met_is_refused_before_the_model_runs():
    code = MODEL + "def predict_fn(f, m): raise AssertionError\n"
    assert ask(pipeline(code), Accept="image/png").status == 406


def test_a_stop_of_ours_is_not_taken_for_an_error_of_the_handler():
    served = pipeline(ECHO)

    def stopped(*_: object) -> object:
        raise Stop

    with pytest.raises(Stop):
        ask(replace(served, functions=replace(served.functions, predict_fn=stopped)))


def test_a_multi_model_endpoint_captures_under_the_target_model_else_under_the_loaded_name():
    buffer = Buffer()
    served = pipeline(ECHO, buffer=buffer, multi_model=True, model_name="loaded")
    ask(served, X_Amzn_SageMaker_Target_Model="target.tar.gz")
    ask(served)
    assert [entry["model_name"] for entry in buffer.appended] == ["target.tar.gz", "loaded"]


TOOLKIT = {
    "every function": (
        "import json\n"
        "def model_fn(model_dir): return 10\n"
        "def input_fn(data, content_type): return json.loads(data)['x']\n"
        "def predict_fn(data, model): return data * model\n"
        "def output_fn(prediction, accept): return json.dumps({'y': prediction}), accept\n"
    ),
    "with a context": (
        "import json\n"
        "def model_fn(model_dir, context): return 10\n"
        "def input_fn(data, content_type, context): return json.loads(data)['x']\n"
        "def predict_fn(data, model, context): return data * model\n"
        "def output_fn(prediction, accept, context): return str(prediction)\n"
    ),
    "transform_fn": (
        "def model_fn(model_dir): return 10\n"
        "def transform_fn(model, data, content_type, accept): return data.upper(), 'text/plain'\n"
    ),
    "transform_fn without a content type": (
        "def model_fn(model_dir): return 10\n"
        "def transform_fn(model, data, content_type, accept, context): return data.upper()\n"
    ),
    "bytes": (
        "def model_fn(model_dir): return 10\n"
        "def input_fn(data, content_type): return type(data).__name__\n"
        "def predict_fn(data, model): return data\n"
        "def output_fn(prediction, accept): return prediction.encode()\n"
    ),
}


@pytest.mark.parametrize("code", TOOLKIT.values(), ids=TOOLKIT)
@pytest.mark.parametrize("content_type", ["application/json", "text/csv", "application/octet-stream"])
def test_a_module_written_for_the_toolkit_gives_what_it_gives_there(
    code: str, content_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name = f"users_{abs(hash((code, content_type, str(tmp_path))))}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SAGEMAKER_PROGRAM", name)
    headers = {"Content-Type": content_type, "Accept": "application/json"}
    body = bytearray(b'{"x": 4}')
    theirs = context_with(headers)
    (expected,) = Transformer().transform([{"body": bytearray(body)}], theirs)

    functions = functions_of(module(code))
    context = context_with(headers)
    served = Pipeline(functions, functions.model_fn("/dir", context), Codecs(), "application/json", 1_000_000)
    response = served.answer(Request(new_event_id(), body, RequestHeaders(headers), context))
    assert response.status == (theirs.get_response_status(0)[0] or 200)
    if response.status == 200:
        assert response.body == (expected.encode() if isinstance(expected, str) else bytes(expected))
        assert response.content_type == theirs.get_response_content_type(0)


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        ("b'raw'", b"raw"),
        ("bytearray(b'raw')", b"raw"),
        ("memoryview(b'raw')", b"raw"),
        ("'text'", b"text"),
        ("{'a': [1]}", b'{"a": [1]}'),
    ],
)
def test_what_output_fn_returns_becomes_the_body(returned: str, body: bytes):
    served = pipeline(ECHO + f"def output_fn(prediction, accept): return {returned}\n")
    assert ask(served, Accept="application/json;q=0.9, */*").body == body


def test_a_numpy_array_of_predictions_is_encoded_and_captured():
    buffer = Buffer()
    served = pipeline(MODEL + "import numpy\ndef predict_fn(f, m): return numpy.array([0.25, 0.5])\n", buffer=buffer)
    assert json.loads(ask(served, b"[[1],[2]]").body) == [0.25, 0.5]
    assert np.array_equal(buffer.appended[0]["predictions"], [0.25, 0.5])


@pytest.mark.parametrize("returned", ["'text'", "('text', accept)"])
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/csv", "text/csv"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ('text/plain; x="<script>"', "text/plain"),
        ("text/csv;q=0.5, application/json", "text/csv"),
        ("application/x-npy", "application/x-npy"),
        ("*/*;q=0.1", "application/json"),
        ("text/*", "application/json"),
        ("<script>alert(1)</script>", "application/json"),
        ('text/csv"<script>', "application/json"),
        ("", "application/json"),
    ],
)
def test_a_content_type_that_output_fn_does_not_name_is_a_plain_one(accept: str, content_type: str, returned: str):
    served = pipeline(ECHO + f"def output_fn(prediction, accept): return {returned}\n")
    assert ask(served, Accept=accept).content_type == content_type


@pytest.mark.parametrize("accept", ["text/html", 'text/html; x="<script>"', "image/svg+xml", "application/xhtml+xml"])
def test_a_caller_does_not_choose_that_text_is_run_by_a_browser(accept: str):
    served = pipeline(ECHO + "def output_fn(prediction, accept): return str(prediction)\n")
    assert ask(served, Accept=accept).content_type == "application/json"
    served = pipeline(ECHO + "def output_fn(prediction, accept): return '<p>', 'text/html'\n")
    assert ask(served, Accept=accept).content_type == "text/html"


@pytest.mark.parametrize("header", ['text/html; x="<script>"', '"<script>&', 'text/csv; charset="<b>\'"'])
def test_a_refusal_does_not_repeat_a_header_as_it_came(header: str):
    refusals = [ask(pipeline(ECHO), content_type=header), ask(pipeline(ECHO), Accept=header)]
    code = (
        MODEL + "from sagemaker_inference.errors import UnsupportedFormatError\n"
        "def predict_fn(f, m): return 1\ndef output_fn(p, accept): raise UnsupportedFormatError(accept)\n"
    )
    refusals.append(ask(pipeline(code), Accept=header))
    assert {refusal.status for refusal in refusals} <= {406, 415}
    for refusal in refusals:
        assert not set("<>&'").intersection(json.loads(refusal.body)["message"])
        assert '"' not in json.loads(refusal.body)["message"]


@pytest.mark.parametrize(
    ("code", "function"),
    [
        ("def predict_fn(f, m): pass\n", "predict_fn"),
        ("def features_fn(r, s): pass\ndef predict_fn(f, m): return [1]\n", "features_fn"),
        ("def predict_fn(f, m): return [1]\ndef output_fn(p, a): pass\n", "output_fn"),
        ("def transform_fn(m, b, c, a): pass\n", "transform_fn"),
    ],
)
def test_a_function_without_a_return_is_an_error_that_names_it(code: str, function: str):
    buffer = Buffer()
    response = ask(pipeline(MODEL + code, buffer=buffer))
    assert response.status == 500
    assert json.loads(response.body)["message"] == f"{function} returned None: is its return missing?"
    assert not buffer.appended


def test_none_is_an_answer_where_the_handler_set_the_status_for_it_or_has_an_output_fn():
    no_content = "def predict_fn(f, m, context): context.set_response_status(204, '', 0)\n"
    assert ask(pipeline(MODEL + no_content)).status == 204
    with_output = "def predict_fn(f, m): pass\ndef output_fn(p, a): return 'nothing'\n"
    assert ask(pipeline(MODEL + with_output)).body == b"nothing"


def test_a_csv_header_that_was_not_declared_is_logged_once(caplog: pytest.LogCaptureFixture):
    served = pipeline(ECHO + "def features_fn(request, store): return request\n")
    for _ in range(2):
        assert ask(served, b"price,stock\n9.5,3\n1.5,4\n", "text/csv").status == 200
    assert [record.getMessage() for record in caplog.records if "header=present" in record.getMessage()] == [
        "the first line of a CSV body looks like a header and is taken for a row: send `text/csv; header=present` "
        "(logged once in each worker)"
    ]

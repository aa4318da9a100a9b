"""What a module without `input_fn` and `features_fn` sees and answers, beside SageMaker's own toolkit."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagemaker_inference import decoder, encoder

from container.worker.pipeline import Pipeline, Response
from container.worker.user_module import functions_of
from serialization import Codecs
from tests.container.test_pipeline import Buffer, ask, module, pipeline

SEEING = """
seen = []
def model_fn(model_dir): return None
def predict_fn(data, model): seen.append(data); return [0.5]
"""


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def seen(body: bytes, content_type: str, more: str = "", **with_more: Any) -> tuple[Any, Response]:
    """What `predict_fn` was given, None where it was not called."""
    made = module(SEEING + more)
    served = Pipeline(functions_of(made), None, Codecs(), "application/json", 1_000_000, **with_more)
    response = ask(served, body, content_type)
    return (made.seen[0] if made.seen else None), response


def same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_array_equal(ours, theirs)


JSON_BODIES = [
    "[[1, 2], [3, 4]]", "[1, 2.5]", "[[1.5]]", "[]", "[[]]", "[true, false]", "[1, null]", '["a", "bcd"]', '[1, "a"]',
    "[[[1]]]", "5", "2.5", '"text"', "null", "true", "[12345678901234567890]", "[-1, 12345678901234567890]",
    "[9007199254740993]", "[1e308]",
]  # fmt: skip
CSV_BODIES = [
    "1,2\n3,4", "1,2\n3,4\n", "1,2,3", "1\n2\n3", "5", "5.5", "1.5,2.5\n3.5,4.5", "1.5,2.5", "1,2.5\n3,4.5", "a,b\nc,d",
    "1,a\n2,b", "True,False", "1,\n,2", "1.5,\n,2.5", "nan,1\n1,inf", "-inf", "1e3,2.0", "1e3,2e4", " 1, 2\n3,4", "1,2\r\n3,4\r\n",
    "9007199254740993,1", "99999999999999999999,1", "0.1,0.2", "1.5,x\n2.5,y", "+1,-2", "1.,.5", "a#b,c",
]  # fmt: skip


@pytest.mark.parametrize("body", JSON_BODIES)
def test_json_arrives_as_the_toolkit_gives_it(body: str):
    ours, response = seen(body.encode(), "application/json")
    assert response.status == 200
    same(np.asarray(ours), decoder.decode(body, "application/json"))
    assert isinstance(ours, np.ndarray)


@pytest.mark.parametrize("body", CSV_BODIES)
def test_csv_arrives_as_the_toolkit_gives_it(body: str):
    ours, response = seen(body.encode(), "text/csv")
    assert response.status == 200
    same(ours, decoder.decode(body, "text/csv"))


@given(
    st.lists(
        st.lists(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False), min_size=2, max_size=2), min_size=1
    )
)
def test_csv_of_any_numbers_arrives_as_the_toolkit_gives_it(rows: list[list[float]]):
    body = "\n".join(",".join(map(repr, row)) for row in rows)
    same(seen(body.encode(), "text/csv")[0], decoder.decode(body, "text/csv"))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.array([0.1, 2], np.float32),
        np.array(["a", "bc"]),
        np.array([True]),
        np.array(5.0),
    ],
)
def test_npy_arrives_as_the_toolkit_gives_it(array: Any):
    body = npy(array)
    same(seen(body, "application/x-npy")[0], decoder.decode(body, "application/x-npy"))


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"a": [1, 2]}', {"a": [1, 2]}),
        ('[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ('[[{"a": 1}]]', [[{"a": 1}]]),
        ("[[1], [1, 2]]", [[1], [1, 2]]),
    ],
)
def test_json_objects_and_ragged_arrays_stay_what_they_are(body: str, value: object):
    given, response = seen(body.encode(), "application/json")
    assert (given, response.status) == (value, 200)


def test_instances_give_the_array_of_their_rows():
    same(seen(b'{"instances": [[1, 2], [3, 4]]}', "application/json")[0], np.array([[1, 2], [3, 4]]))


def test_a_charset_that_our_codecs_read_is_read_here_too():
    ours = seen("é,b\nc,d".encode("latin-1"), "text/csv; charset=iso-8859-1")[0]
    same(ours, decoder.decode("é,b\nc,d", "text/csv"))


@pytest.mark.parametrize(
    "code", ["def features_fn(request, store): return request\n", "def input_fn(body, kind): return [1]\n"]
)
def test_a_module_with_a_function_of_its_own_gets_no_array(code: str):
    assert seen(b"[1]", "application/json", code)[0] == [1]


def test_an_array_of_one_long_text_and_many_short_ones_is_refused_before_it_is_made():
    body = b'["' + b"x" * 1_000_000 + b'"' + b',""' * 100_000 + b"]"
    given, response = seen(body, "application/json")
    assert (given, response.status) == (None, 400)


def test_csv_that_only_numpy_s_slow_reader_can_read_is_refused_where_it_is_long():
    given, response = seen(b"1,a\n" * 200_000, "text/csv")
    assert (given, response.status) == (None, 400)
    assert seen(b"1,2\n" * 200_000, "text/csv")[0].shape == (200_000, 2)


@pytest.mark.parametrize("body", [b"[[1, 2], [3, 4]]", b"[[1.5, 2]]"])
def test_what_is_captured_does_not_depend_on_the_array_s_type(body: bytes):
    buffer = Buffer()
    ask(pipeline(SEEING, buffer=buffer), body)
    assert buffer.prepared[0]["features"] == json.loads(body)


PREDICTIONS = [
    [[1, 2], [3, 4]], [0.1, 0.25], np.array([0.1, 0.7], np.float32), np.array([[True, False]]), [None, 1.5], np.array([np.nan, np.inf, -np.inf]),
    ["a", "b"], np.arange(3), [1, "a"], np.array([[1e-10, 1e300]]), [True],
]  # fmt: skip


def answered(prediction: Any, accept: str) -> Response:
    made = module("def model_fn(d): return None\ndef predict_fn(data, model): return given")
    made.__dict__["given"] = prediction
    return ask(Pipeline(functions_of(made), None, Codecs(), "application/json", 1_000_000), b"[1]", Accept=accept)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_csv_is_written_as_the_toolkit_writes_it(prediction: Any):
    response = answered(prediction, "text/csv")
    assert (response.body.decode(), response.content_type) == (encoder.encode(prediction, "text/csv"), "text/csv")


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_json_has_the_values_of_the_toolkit_and_null_for_what_json_does_not_know(prediction: Any):
    response = answered(prediction, "application/json")

    def constant(_: str) -> None:
        return None

    assert json.loads(response.body) == json.loads(
        encoder.encode(prediction, "application/json"), parse_constant=constant
    )


@pytest.mark.parametrize("prediction", [[[1, 2]], np.array([0.1], np.float32), ["a", "bc"], [True, False], 5])
def test_npy_is_what_the_toolkit_writes(prediction: Any):
    same(
        np.load(io.BytesIO(answered(prediction, "application/x-npy").body)),
        np.load(io.BytesIO(encoder.encode(prediction, "application/x-npy"))),
    )


@pytest.mark.parametrize(
    ("prediction", "body"), [([{"a": 1}], "1\n"), (["a,b"], '"a,b"\n'), (5, "5\n"), ({"a": [1, 2]}, "1\n2\n"), ([], "")]
)
def test_csv_that_the_toolkit_cannot_write_is_ours(prediction: Any, body: str):
    assert answered(prediction, "text/csv").body.decode() == body


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", "str"), ("text/csv", "str"), ("application/json; charset=utf-8", "bytes"),
        ("text/csv;charset=latin-1", "bytes"), ("Text/CSV", "bytes"), ("application/x-npy", "bytes"), ("image/png", "bytes"),
    ],
)  # fmt: skip
def test_an_input_fn_gets_text_and_bytes_as_in_the_toolkit(content_type: str, kind: str):
    code = "def input_fn(body, content_type): return [type(body).__name__, content_type]\n"
    body = "é".encode("latin-1" if "latin" in content_type else "utf-8")
    assert seen(body, content_type, code)[0] == [kind, content_type]

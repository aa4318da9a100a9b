"""The two calls of a server, over all formats: what is read and written, refused, and loaded."""

import subprocess
import sys

import numpy
import pytest

from serialization import (
    Codecs,
    DecodeError,
    EncodeError,
    Limits,
    NotAcceptable,
    PayloadTooLarge,
    SchemaError,
    SerializationError,
    UnsupportedMediaType,
)
from tests.serialization import bodies


def test_importing_the_package_imports_nothing_heavy():
    heavy = ("numpy", "pyarrow", "pandas", "google.protobuf", "msgspec", "csv")
    script = f"import serialization, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("content_type", "body", "absent"),
    [
        ("application/json", "[1]", ("numpy", "pyarrow", "pandas", "google.protobuf")),
        ("application/jsonlines", "[1]", ("numpy", "pyarrow", "pandas", "google.protobuf")),
        ("text/csv", "1,2", ("pyarrow", "pandas", "google.protobuf")),
    ],
)
def test_a_worker_loads_only_what_its_format_needs(content_type, body, absent):
    script = (
        "import sys; from serialization import Codecs; codecs = Codecs(); "
        f"codecs.encode(codecs.decode({body.encode()!r}, {content_type!r}), {content_type!r}); "
        f"print([name for name in {absent!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_protobuf_needs_neither_numpy_nor_arrow(tmp_path):
    (tmp_path / "schema.desc").write_bytes(bodies.descriptor_set(bodies.ranking_file()))
    script = (
        "import sys; from pathlib import Path; from serialization import Codecs, ProtobufSchema; "
        f"schema = ProtobufSchema.load(Path({str(tmp_path / 'schema.desc')!r}), 'ranking.Node', 'ranking.Scores'); "
        "codecs = Codecs(protobuf=schema); codecs.decode(b'\\x08\\x01', 'application/x-protobuf'); "
        "codecs.encode([0.5], 'application/x-protobuf'); "
        "print([name for name in ('numpy', 'pyarrow', 'pandas', 'msgspec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("number", range(len(bodies.valid())))
def test_every_valid_body_is_read_from_any_kind_of_buffer(wrap, number):
    content_type, body = bodies.valid()[number]
    assert bodies.codecs().decode(wrap(body), content_type) is not None


def test_no_content_type_means_json():
    assert Codecs().decode(b"[1]", None) == [1]


@pytest.mark.parametrize("content_type", [*bodies.ALL, None])
def test_an_empty_body_is_refused_for_every_format(content_type):
    with pytest.raises(DecodeError, match="empty"):
        bodies.codecs().decode(b"", content_type)


def test_a_body_over_the_limit_is_too_large_before_its_type_is_looked_at():
    with pytest.raises(PayloadTooLarge, match="11 bytes; the limit is 10"):
        Codecs(limits=Limits(max_bytes=10)).decode(b"x" * 11, "no/type")
    assert Codecs().limits.max_bytes == 6_291_456


def test_an_unknown_content_type_is_answered_with_those_that_are_read():
    with pytest.raises(UnsupportedMediaType, match=r"text/html is not supported; send application/json, .*x-recordio"):
        Codecs().decode(b"x", "text/html")


def test_protobuf_without_a_descriptor_set_is_not_supported_and_says_why():
    with pytest.raises(UnsupportedMediaType, match="no descriptor set"):
        Codecs().decode(b"x", "application/x-protobuf")
    with pytest.raises(NotAcceptable):
        Codecs().encode([1], "application/x-protobuf")


@pytest.mark.parametrize("name", ["application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"])
def test_protobuf_is_known_by_its_three_names_and_answers_with_the_one_that_was_asked_for(name):
    codecs = bodies.codecs()
    body, content_type = codecs.encode([{"tail": "N1"}], name)
    assert content_type == name
    assert codecs.decode(body, f"{name}; messageType=ranking.Response")["items"][0]["tail"] == "N1"


def test_the_answer_can_be_checked_before_the_model_runs():
    codecs = Codecs()
    assert codecs.choose("text/csv;q=0.5, text/html").name == "text/csv"
    with pytest.raises(NotAcceptable):
        codecs.choose("text/html")


def test_rows_that_came_in_instances_go_out_in_predictions():
    codecs = Codecs()
    request = codecs.read(b'{"instances": [[1], [2]]}', "application/json")
    assert request.value == [[1], [2]]
    assert codecs.encode([0.1, 0.2], None, request=request) == (b'{"predictions":[0.1,0.2]}', "application/json")
    assert codecs.encode({"predictions": [1]}, None, request=request)[0] == b'{"predictions":[1]}'
    assert codecs.encode([0.1], "text/csv", request=request)[0] == b"0.1\n"


def test_rows_that_came_plain_go_out_plain():
    codecs = Codecs()
    request = codecs.read(b"[[1], [2]]", "application/json")
    assert codecs.encode([0.1, 0.2], None, request=request)[0] == b"[0.1,0.2]"


def test_a_payload_says_what_it_was_and_what_was_unknown():
    payload = bodies.codecs().read(b"\x08\x01\x50\x05\x12\x02\x50\x06", f"{bodies.PROTOBUF}; messageType=ranking.Node")
    assert (payload.media_type, payload.unknown_fields) == (bodies.PROTOBUF, 2)
    assert payload.value["value"] == 1


def test_each_error_has_its_status_and_one_root():
    statuses = {
        DecodeError: 400, PayloadTooLarge: 413, UnsupportedMediaType: 415, NotAcceptable: 406, EncodeError: 500, SchemaError: 500,
    }  # fmt: skip
    assert all(issubclass(error, SerializationError) and error.status == status for error, status in statuses.items())


@pytest.mark.parametrize("name", ["max_bytes", "max_depth", "max_items", "max_expanded_bytes"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "1"])
def test_a_limit_is_an_integer_of_at_least_one(name, value):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize("accept", bodies.ALL)
def test_a_prediction_without_a_plain_form_is_an_encode_error(accept):
    with pytest.raises(EncodeError):
        bodies.codecs().encode(object(), accept)


@pytest.mark.parametrize("accept", [kind for kind in bodies.ALL if kind != bodies.PROTOBUF])
def test_scores_of_any_kind_can_be_written_in_every_format(accept):
    codecs = bodies.codecs()
    body, content_type = codecs.encode(numpy.array([0.25, 0.5]), accept)
    assert content_type == accept
    back = codecs.decode(body, content_type)
    if hasattr(back, "to_pydict"):
        back = back.to_pydict()["prediction"]
    elif isinstance(back, dict):
        back = back["label"]
    assert numpy.asarray(back).ravel().tolist() == [0.25, 0.5]

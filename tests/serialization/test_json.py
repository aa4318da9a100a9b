"""JSON and JSON Lines: what is read, what is refused and why, what is written."""

import json
import math
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialization import Codecs, DecodeError, EncodeError, Limits, NotAcceptable, UnsupportedMediaType
from tests.serialization.bodies import JSON, JSON_LINES

CODECS: Any = Codecs()
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


@given(VALUES)
def test_what_is_written_is_read_back(value):
    body, content_type = CODECS.encode(value, JSON)
    assert CODECS.decode(body, content_type) == value


@given(VALUES, st.sampled_from(["utf-8", "utf-16", "utf-16le", "utf-32"]), st.booleans())
def test_any_json_text_is_read_as_python_reads_it(value, charset, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only, indent=1).encode(charset.replace("16le", "16-le"))
    assert CODECS.decode(body, f"{JSON}; charset={charset}") == value


@given(st.lists(VALUES, min_size=1))
def test_lines_are_read_back(values):
    body, content_type = CODECS.encode(values, JSON_LINES)
    assert body.count(b"\n") == len(values)
    assert CODECS.decode(body, content_type) == values


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"NaN", "NaN at byte 0, which is not JSON; send null"),
        (b'{"a": [1, -Infinity]}', "-Infinity at byte"),
        (b'{"a": nan}', "nan at byte"),
        (b"123456789012345678901234567890", "does not fit 64 bits; send it as text"),
        (b'{"a": [{"b": -9223372036854775809}]}', "-9223372036854775809, which does not fit 64 bits"),
        (b"1e400", "no double"),
        (b"1" * 5000, "send it as text"),
        (b'{"a": 1, "b": 2, "a": 3}', "repeats the key 'a'"),
        (b'[{"x": {"a" : 1, "a": 1}}]', "repeats the key 'a'"),
        (b'{"a": 1, "\\u0061": 2}', "repeats the key 'a'"),
        (b'{"t": "12:30", "a": ":", "t": 1}', "repeats the key 't'"),
        (b'{"a\\":": 1, "a\\":": 2}', "repeats the key"),
        (b'{"a" :1,"b\\":x":2,"a":3}', "repeats the key 'a'"),
        (b'"\xff"', "not valid UTF-8"),
        (b'["\xed\xa0\x80"]', "not valid UTF-8"),
        (b'{"a": ', "ends before its value does"),
        (b'{"a": 1}}', "trailing characters"),
        (b"[1,]", "trailing comma"),
        (b"{'a': 1}", "not JSON"),
        (b"[" * 100_000, "nested more than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64 levels"),
        (b"   ", "not JSON"),
        (b"\x00", "not JSON"),
    ],
)
def test_a_body_that_readers_disagree_about_is_refused_with_what_to_change(body, says):
    with pytest.raises(DecodeError) as refused:
        CODECS.decode(body, JSON)
    assert says in str(refused.value)
    if body.strip():
        with pytest.raises(DecodeError):
            CODECS.decode(b"[1]\n" + body, JSON_LINES)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "x:y", "b": {"a": 1}}',
        b'{"a:": ":", ":b": {"a:": "::"}}',
        b'{"a" : 1, "b"\n:2, "c"\t: ":\\": "}',
        b'["\\": ", {"\\\\": ":"}]',
        b'{"number": 18446744073709551615, "text": "99999999999999999999999", "fraction": 0.12345678901234567890123}',
        b"[" * 64 + b"]" * 64,
        b"1.23456789012345678901e25",
    ],
)
def test_a_body_that_only_looks_doubtful_is_read(body):
    assert CODECS.decode(body, JSON) == json.loads(body)


@given(
    st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"a:"', '"\\":"', '"c" ']), st.sampled_from(["1", '":"', "{}"])))
)
def test_repeated_keys_are_found_exactly_where_they_are(pairs):
    body = "{" + ", ".join(f"{key}:{value}" for key, value in pairs) + "}"
    if len({key.strip() for key, _ in pairs}) == len(pairs):
        assert CODECS.decode(body.encode(), JSON) == json.loads(body)
    else:
        with pytest.raises(DecodeError, match="repeats the key"):
            CODECS.decode(body.encode(), JSON)


def test_more_values_than_the_limit_are_refused_before_they_are_made():
    codecs = Codecs(limits=Limits(max_items=10))
    assert codecs.decode(b"[1,2,3,4,5,6,7,8,9]", JSON) == list(range(1, 10))
    assert codecs.decode(b'["' + b"," * 50 + b'"]', JSON) == ["," * 50]
    for body in (b"[1,2,3,4,5,6,7,8,9,10,11]", b"[" + b"[]," * 20 + b"[]]", b"[" + b"{}," * 20 + b"{}]"):
        with pytest.raises(DecodeError, match="more than 10 values"):
            codecs.decode(body, JSON)
    with pytest.raises(DecodeError, match="more than 10 lines"):
        codecs.decode(b"1\n" * 11, JSON_LINES)


def test_a_string_that_never_closes_is_read_once_and_not_from_each_of_its_quotes():
    body = b"[" + b"," * 2_000_000 + b'"' + b'\\"' * 2_000_000
    with pytest.raises(DecodeError, match="more than 1000000 values"):
        Codecs(limits=Limits(max_items=1_000_000)).decode(body, JSON)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"instances": [{"a": 1}]}', [{"a": 1}]),
        (b'{"instances": []}', []),
        (b'{"instances": 1}', {"instances": 1}),
        (b'{"instances": [1], "signature_name": "x"}', {"instances": [1], "signature_name": "x"}),
        (b'{"a": [1, 2]}', {"a": [1, 2]}),
        (b"\xef\xbb\xbf[1]", [1]),
    ],
)
def test_instances_are_unwrapped_where_they_stand_alone(body, value):
    assert CODECS.decode(body, JSON) == value


@pytest.mark.parametrize("charset", ["idna", "utf-7", "unicode_escape", "base64", "x"])
def test_a_charset_that_is_not_read_is_named_with_those_that_are(charset):
    with pytest.raises(UnsupportedMediaType, match=r"charset .* send utf-8"):
        CODECS.decode(b"[1]", f"{JSON}; charset={charset}")
    with pytest.raises(NotAcceptable, match="charset"):
        CODECS.encode([1], f"{JSON}; charset={charset}")


def test_an_answer_is_written_in_the_charset_that_was_asked_for():
    assert CODECS.encode(["ü"], f"{JSON}; charset=iso-8859-1") == (b'["\xfc"]', f"{JSON}; charset=iso-8859-1")
    assert CODECS.encode(["ü"], f"{JSON_LINES}; charset=iso-8859-1")[0] == b'"\xfc"\n'
    with pytest.raises(EncodeError, match="latin-1 cannot hold"):
        CODECS.encode(["€"], f"{JSON}; charset=iso-8859-1")


def test_what_json_cannot_say_is_null():
    body, _ = CODECS.encode(
        {"a": math.nan, "b": [math.inf, numpy.float32("nan")], "c": numpy.array([1.0, numpy.nan])}, JSON
    )
    assert json.loads(body) == {"a": None, "b": [None, None], "c": [1.0, None]}


def test_lines_are_told_by_their_number_and_blank_ones_are_skipped():
    assert CODECS.decode(b'1\n\n  \r\n{"a": 2}\r\n', JSON_LINES) == [1, {"a": 2}]
    with pytest.raises(DecodeError, match="line 3: the body is not JSON"):
        CODECS.decode(b"1\n2\n{3\n", JSON_LINES)
    with pytest.raises(DecodeError, match="repeats the key 'b'"):
        CODECS.decode(b'{"a": 1}\n{"b": 1, "b": 2}\n', JSON_LINES)


@pytest.mark.parametrize(
    ("prediction", "lines"),
    [
        (0.5, b"0.5\n"),
        ([0.5, None], b"0.5\nnull\n"),
        ({"a": 1}, b'{"a":1}\n'),
        ({"a": [1, 2], "b": ["x", "y"]}, b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'),
        ({"a": [1, 2], "b": "x"}, b'{"a":[1,2],"b":"x"}\n'),
        (numpy.array([[1, 2], [3, 4]]), b"[1,2]\n[3,4]\n"),
        ([], b""),
    ],
)
def test_each_row_of_a_prediction_is_a_line(prediction, lines):
    assert CODECS.encode(prediction, JSON_LINES) == (lines, JSON_LINES)


@pytest.mark.parametrize("prediction", [{(1, 2): 3}, [object()], "\ud800", 1j])
def test_what_has_no_json_form_is_refused(prediction):
    with pytest.raises(EncodeError):
        CODECS.encode(prediction, JSON)


def test_a_prediction_that_contains_itself_is_refused():
    prediction: list[object] = []
    prediction.append(prediction)
    with pytest.raises(EncodeError, match="nested too deeply"):
        CODECS.encode(prediction, JSON)


@pytest.mark.parametrize("body", [b'"\\ud800"', b'{"a": "x\\ud83dy"}', b'["\\uD83D"]'])
def test_half_a_character_is_named(body):
    with pytest.raises(DecodeError, match="half of a character"):
        Codecs().decode(body, JSON)


@pytest.mark.parametrize("body", [b"1 2\n3\n", b'{"a":1}{"a":2}\n', b"1\n\n2 3\n", b"[1,\n2]\n"])
def test_a_line_has_one_value(body):
    with pytest.raises(DecodeError):
        Codecs().decode(body, JSON_LINES)


@pytest.mark.parametrize("body", [b"1\n2\n", b"1\r\n\r\n2", b"\n\n1\n \n2\n\n"])
def test_blank_lines_between_values_are_skipped(body):
    assert Codecs().decode(body, JSON_LINES) == [1, 2]

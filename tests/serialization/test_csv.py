"""CSV: numbers, text, headers, and what is neither."""

import math
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialization import Codecs, DecodeError, EncodeError, Limits, UnsupportedMediaType
from tests.serialization.bodies import CSV

CODECS: Any = Codecs()
HEADER = f"{CSV}; header=present"
#: A cell of text: no number, not empty, and not of spaces, which a reader takes for a number or for missing.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).map(
    lambda text: "t" + text
)


@given(st.integers(1, 5).flatmap(lambda k: st.lists(st.lists(st.floats(), min_size=k, max_size=k), min_size=1)))
def test_numbers_without_a_header_are_a_matrix_and_read_back_exactly(rows):
    matrix = numpy.array(rows)
    decoded = CODECS.decode(CODECS.encode(matrix, CSV)[0], CSV)
    assert decoded.dtype == numpy.float64
    assert decoded.shape == matrix.shape
    assert numpy.array_equal(decoded, matrix, equal_nan=True)


@given(st.integers(1, 4).flatmap(lambda k: st.lists(st.lists(TEXT, min_size=k, max_size=k), min_size=1)))
def test_text_is_read_back_whatever_it_holds(rows):
    decoded = CODECS.decode(CODECS.encode(rows, CSV)[0], CSV)
    assert [list(row) for row in zip(*decoded.values(), strict=True)] == rows


@given(st.lists(st.fixed_dictionaries({"a": st.none() | TEXT, "b,\n": st.floats(allow_nan=False)}), min_size=1))
def test_a_table_with_a_header_is_read_back(records):
    body, content_type = CODECS.encode(records, HEADER)
    assert content_type == HEADER
    decoded = CODECS.decode(body, content_type)
    assert sorted(decoded) == ["a", "b,\n"]
    assert decoded["b,\n"].tolist() == [record["b,\n"] for record in records]
    if any(record["a"] for record in records):
        assert decoded["a"] == [record["a"] for record in records]


@pytest.mark.parametrize(
    ("body", "matrix"),
    [
        (b"1,2\n3,4", [[1, 2], [3, 4]]),
        (b"1,2\r\n3,4\r\n\r\n", [[1, 2], [3, 4]]),
        (b"1\n2\n", [[1], [2]]),
        (b"7", [[7]]),
        (b"1,,3\n", [[1, math.nan, 3]]),
        (b" 1 , -2e3,inf\n", [[1, -2000, math.inf]]),
        (b'"1","2"\n', [[1, 2]]),
        (b"\xef\xbb\xbf1,2\n", [[1, 2]]),
        (b"1\r2\r", [[1], [2]]),
        (b"9007199254740992,1e300\n", [[2**53, 1e300]]),
    ],
)
def test_numbers_are_read_in_every_notation(body, matrix):
    decoded = CODECS.decode(body, CSV)
    assert numpy.array_equal(decoded, numpy.array(matrix, dtype=float), equal_nan=True)


@pytest.mark.parametrize("cell", ["abc", "1_000", "١", "0x10", "1,5", "true", "12345678901234567891"])
def test_what_no_double_holds_exactly_stays_text(cell):
    decoded = CODECS.decode(f'1,"{cell}"\n2,\n'.encode(), CSV)
    assert decoded["feature_1"] == [cell, None]
    assert decoded["feature_0"].tolist() == [1.0, 2.0]


def test_columns_are_named_by_the_header_else_by_the_model_else_by_number():
    assert list(CODECS.decode(b"a,b\n1,2\n", HEADER)) == ["a", "b"]
    named: Any = Codecs(feature_names=("x", "y"))
    assert list(named.decode(b"1,text\n", CSV)) == ["x", "y"]
    assert list(named.decode(b"a,b\n1,2\n", HEADER)) == ["a", "b"]
    assert list(CODECS.decode(b"1,text\n", CSV)) == ["feature_0", "feature_1"]


def test_a_header_alone_is_no_rows():
    assert {name: column.tolist() for name, column in CODECS.decode(b"a,b\n", HEADER).items()} == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("content_type", "body", "says"),
    [
        (CSV, b"1,2\n3\n", "line 2 of the CSV body has 1 cells, the first row has 2"),
        (CSV, b'1,"2\n', "line 1 of the CSV body is malformed"),
        (CSV, b'a"b\n"c"d\n', "malformed"),
        (CSV, b"\n\n", "no rows"),
        (CSV, b"\xff\xfe", "not valid utf-8"),
        (f"{CSV}; charset=utf-16", b"\x00", "not valid utf-16"),
        (HEADER, b"a,a\n1,2\n", "names 'a' twice"),
        (HEADER, b"a,\n1,2\n", "column 2 of the CSV header has no name"),
    ],
)
def test_what_is_no_table_is_refused_with_the_line(content_type, body, says):
    with pytest.raises(DecodeError, match=says):
        CODECS.decode(body, content_type)


def test_a_width_that_is_not_the_models_is_refused_with_its_columns():
    with pytest.raises(DecodeError, match=r"has 3 columns; the model takes 2, in the order x, y"):
        Codecs(feature_names=("x", "y")).decode(b"1,2,text\n", CSV)


@pytest.mark.parametrize("body", [b",".join([b"1"] * 20), b"1\n" * 20, b"1\r" * 20])
def test_more_cells_than_the_limit_are_refused(body):
    with pytest.raises(DecodeError, match="more than 10 cells"):
        Codecs(limits=Limits(max_items=10)).decode(body, CSV)


def test_so_many_named_columns_that_each_costs_more_than_its_cells_are_refused():
    wide = ",".join(["1"] * 20_000)
    assert CODECS.decode(f"{wide},".encode(), CSV).shape == (1, 20_001)
    for content_type, body in ((CSV, f"{wide},text"), (HEADER, ",".join(map(str, range(20_001))) + f"\n{wide},1\n")):
        with pytest.raises(DecodeError, match="20001 columns; with names or text at most 10000 are read"):
            CODECS.decode(body.encode(), content_type)


def test_a_header_that_is_neither_present_nor_absent_is_not_supported():
    with pytest.raises(UnsupportedMediaType, match="header=present"):
        CODECS.decode(b"1", f"{CSV}; header=maybe")


@pytest.mark.parametrize(
    ("prediction", "plain", "with_header"),
    [
        (0.5, "0.5\n", "prediction\n0.5\n"),
        ([0.5, 1], "0.5\n1\n", "prediction\n0.5\n1\n"),
        (numpy.array([[1, 2], [3, 4]]), "1,2\n3,4\n", "prediction_0,prediction_1\n1,2\n3,4\n"),
        ({"a": 1, "b": "x"}, "1,x\n", "a,b\n1,x\n"),
        ({"a": [1, 2], "b": ["x", None]}, "1,x\n2,\n", "a,b\n1,x\n2,\n"),
        ([{"a": 1}, {"b": 2}], "1,\n,2\n", "a,b\n1,\n,2\n"),
        ({"a": [1, 2], "b": "x"}, '"[1,2]",x\n', 'a,b\n"[1,2]",x\n'),
        ([True, False, None], 'true\nfalse\n""\n', 'prediction\ntrue\nfalse\n""\n'),
        ([math.nan, math.inf], '""\ninf\n', 'prediction\n""\ninf\n'),
        (["a,b", 'say "x"'], '"a,b"\n"say ""x"""\n', 'prediction\n"a,b"\n"say ""x"""\n'),
        (pandas.DataFrame({"a": [1, 2]}), "1\n2\n", "a\n1\n2\n"),
        ([], "", "\n"),
    ],
)
def test_a_prediction_is_a_line_for_each_row(prediction, plain, with_header):
    assert CODECS.encode(prediction, CSV) == (plain.encode(), CSV)
    assert CODECS.encode(prediction, HEADER) == (with_header.encode(), HEADER)


def test_rows_of_different_lengths_are_no_table():
    with pytest.raises(EncodeError, match=r"prediction\[1\] has 1 values and prediction\[0\] has 2"):
        CODECS.encode([[1, 2], [3]], CSV)


def test_charsets_go_both_ways():
    body, content_type = CODECS.encode(["ü"], f"{CSV}; charset=utf-16le")
    assert (body, content_type) == ("ü\n".encode("utf-16-le"), f"{CSV}; charset=utf-16le")
    assert CODECS.decode(body, content_type) == {"feature_0": ["ü"]}
    assert CODECS.decode("ü\n".encode("utf-16"), f"{CSV}; charset=UTF-16") == {"feature_0": ["ü"]}


@pytest.mark.parametrize("body", [b"1,2\n\n3,4\n", b"\n1,2\r\n\r\n3,4\n\n", b"1,2\n3,4"])
def test_blank_lines_are_skipped(body: bytes):
    assert CODECS.decode(body, CSV).tolist() == [[1, 2], [3, 4]]


def test_a_blank_line_is_no_missing_value_of_a_single_column():
    assert CODECS.decode(b"1\n\n2\n", CSV).tolist() == [[1], [2]]
    assert CODECS.decode(b'a\n\nb\n""\n', CSV) == {"feature_0": ["a", "b", None]}


def test_a_cell_may_be_as_long_as_a_body():
    assert CODECS.decode(b"x" * 140_000, CSV) == {"feature_0": ["x" * 140_000]}


@pytest.mark.parametrize("digits", ["9007199254740993", "-9007199254740993", "9007199254740995", "18014398509481985"])
@pytest.mark.parametrize("body", ["{}", "{}\n1", "1\n{}", '"{}"'])
def test_an_integer_that_a_double_would_change_keeps_its_digits(digits: str, body: str):
    assert digits in CODECS.decode(body.format(digits).encode(), CSV)["feature_0"]


@pytest.mark.parametrize("digits", ["9007199254740992", "-9007199254740992", "9007199254740994", "18014398509481984"])
def test_an_integer_that_a_double_holds_is_a_number(digits: str):
    assert CODECS.decode(digits.encode(), CSV).tolist() == [[int(digits)]]


@pytest.mark.parametrize("cell", ["1e400", "-1e400", "9" * 400, "1.5E+309"])
def test_a_number_past_a_doubles_range_is_text_and_not_infinity(cell):
    decoded = CODECS.decode(f"1,{cell}\n2,3\n".encode(), "text/csv")
    assert decoded["feature_0"].tolist() == [1, 2]
    assert decoded["feature_1"] == [cell, "3"]
    assert CODECS.decode(b"inf,-Infinity\n", "text/csv").tolist() == [[float("inf"), float("-inf")]]


@pytest.mark.parametrize(
    ("body", "names", "remarked"),
    [
        (b"price,stock\n9.5,3\n1.5,4\n", None, True),
        (b"price,colour\n9.5,red\n", None, True),
        (b"price,stock\n", ("price", "stock"), True),
        (b"red,large\nblue,small\n", None, False),
        (b"red,red\n1,2\n", None, False),
        (b"red,3\nblue,4\n", None, False),
        (b"NA\n1\n2\n", None, False),
        (b",x\n1,2\n", None, False),
    ],
)
def test_a_first_line_that_looks_like_an_undeclared_header_is_remarked(body, names, remarked):
    payload = Codecs(feature_names=names).read(body, CSV)
    assert (payload.remark is not None) == remarked
    assert Codecs().read(b"price,stock\n9.5,3\n", HEADER).remark is None


@pytest.mark.parametrize("body", [b"1,2\n", b"1,0042\n3,x\n", b"1,\n", b"1,9007199254740993\n"])
@pytest.mark.parametrize("header", [False, True])
def test_a_column_that_the_model_calls_text_is_text_in_every_body(body, header):
    """So its type does not depend on the other rows of the body."""
    codecs = Codecs(feature_names=("distance", "code"), text_columns=frozenset({"code"}))
    kind = "text/csv; header=present" if header else "text/csv"
    columns: Any = codecs.decode(b"distance,code\n" + body if header else body, kind)
    assert columns["distance"].dtype == float
    assert columns["code"] == [line.split(",")[1] or None for line in body.decode().splitlines()]


def test_a_text_column_that_a_body_does_not_have_changes_nothing():
    codecs = Codecs(text_columns=frozenset({"code"}))
    matrix: Any = codecs.decode(b"1,2\n", "text/csv")
    assert matrix.tolist() == [[1.0, 2.0]]

"""What models return, as plain Python."""

import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from collections import OrderedDict, namedtuple
from typing import Any

import numpy
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from hypothesis.extra import pandas as frames

from serialization import EncodeError
from serialization.plain import to_plain

PLAIN = frozenset({dict, list, str, int, float, bool, type(None)})


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int
    y: object


class Tensor:
    """Like a tensor of a library that nobody named."""

    def tolist(self):
        return [1, 2]


class Broken(numpy.ndarray):
    """An array of a library whose conversion fails."""

    def tolist(self):
        raise RuntimeError("no host memory")


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (numpy.float32(0.5), 0.5),
        (numpy.int8(-1), -1),
        (numpy.bool_(True), True),
        (numpy.str_("x"), "x"),
        (numpy.bytes_(b"\x00\xff"), "AP8="),
        (numpy.longdouble(0.5), 0.5),
        (numpy.array(3), 3),
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (numpy.array([], dtype=float), []),
        (numpy.array(["a", None, 1.5], dtype=object), ["a", None, 1.5]),
        (numpy.array([b"a"]), ["YQ=="]),
        (numpy.array([(1, "x")], dtype=[("a", "i4"), ("b", "U1")]), [{"a": 1, "b": "x"}]),
        (numpy.array([(1, "x")], dtype=[("a", "i4"), ("b", "U1")])[0], {"a": 1, "b": "x"}),
        (numpy.ma.masked_array([1, 2], mask=[True, False]), [None, 2]),
        (numpy.array(["2013-07-01T05", "NaT"], dtype="M8[h]"), ["2013-07-01T05", None]),
        (numpy.datetime64("2013-07-01"), "2013-07-01"),
        (numpy.datetime64("NaT"), None),
        (numpy.array([[1500, -1]], dtype="m8[ms]"), [[1.5, -0.001]]),
        (numpy.timedelta64("NaT"), None),
        (pandas.Series([1.5, None]), [1.5, math.nan]),
        (pandas.Series(pandas.array([1, None], dtype="Int64")), [1, None]),
        (pandas.Series(["a", None]), ["a", None]),
        (pandas.Series(["a", None], dtype="category"), ["a", None]),
        (pandas.Series(pandas.to_datetime(["2013-07-01", "NaT"])), ["2013-07-01T00:00:00", None]),
        (pandas.Index([1, 2]), [1, 2]),
        (pandas.array([1, None], dtype="Int64"), [1, None]),
        (pandas.DataFrame({"a": [1, 2], "b": ["x", None]}), [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        (pandas.DataFrame({0: [True]}), [{"0": True}]),
        (pandas.DataFrame({"a": []}), []),
        (pandas.NA, None),
        (pandas.NaT, None),
        (pandas.Timestamp("2013-07-01T05:00:00Z"), "2013-07-01T05:00:00Z"),
        (pandas.Timedelta("1.5s"), 1.5),
        (pandas.Period("2013-07", "M"), "2013-07"),
        (pyarrow.array([1, None]), [1, None]),
        (pyarrow.chunked_array([[1], [2]]), [1, 2]),
        (pyarrow.scalar(1.5), 1.5),
        (pyarrow.table({"a": [1, 2]}), [{"a": 1}, {"a": 2}]),
        (pyarrow.record_batch({"a": pyarrow.array([1], pyarrow.timestamp("s"))}), [{"a": "1970-01-01T00:00:01"}]),
        (polars.DataFrame({"a": [1, None]}), [{"a": 1}, {"a": None}]),
        (polars.Series([1, 2]), [1, 2]),
        (datetime.datetime(2013, 7, 1, tzinfo=datetime.UTC), "2013-07-01T00:00:00Z"),
        (datetime.date(2013, 7, 1), "2013-07-01"),
        (datetime.time(5, 30), "05:30:00"),
        (datetime.timedelta(minutes=1), 60.0),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (b"\x00\xff", "AP8="),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        ({1}, [1]),
        (Pair(1, "x"), [1, "x"]),
        (OrderedDict(a=numpy.int64(1)), {"a": 1}),
        ({1: 2, 1.5: 3, Colour.RED: 4, numpy.int64(7): 5}, {"1": 2, "1.5": 3, "red": 4, "7": 5}),
        ({None: 1, False: 2}, {"null": 1, "false": 2}),
        (Point(1, numpy.float64(2)), {"x": 1, "y": 2.0}),
        (Tensor(), [1, 2]),
    ],
)  # fmt: skip
def test_a_value_is_plain_whatever_library_made_it(value, plain):
    made = to_plain(value)
    assert str(made) == str(plain)
    assert types_of(made) <= PLAIN


def types_of(value):
    """The types of a value and of all that is in it."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*map(types_of, inside))


#: Complex numbers, and spans of years and months, which have no length in seconds.
WITHOUT_PLAIN_FORM = ("c8", "c16", "c32", "m8", "m8[Y]", "m8[M]")
DTYPES = arrays.scalar_dtypes().filter(lambda dtype: dtype.str[1:] not in WITHOUT_PLAIN_FORM)


@given(arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, min_side=0)))
def test_an_array_of_any_type_becomes_lists_of_its_shape(array):
    plain: Any = to_plain(array)
    assert types_of(plain) <= PLAIN
    for side in array.shape:
        assert len(plain) == side
        if not side:
            break
        plain = plain[0]


@given(frames.data_frames([frames.column("a", dtype=float), frames.column("b", elements=st.text(max_size=3))]))
def test_a_frame_becomes_a_row_for_each_of_its_rows(frame):
    plain: Any = to_plain(frame)
    assert len(plain) == len(frame)
    assert all(list(row) == ["a", "b"] for row in plain)
    assert str([row["a"] for row in plain]) == str(frame["a"].tolist())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": [object()]}, r"prediction\.a\[0\] is of type object, which has no plain form"),
        (numpy.timedelta64(1, "Y"), "cannot be written"),
        (numpy.array([1j]), "prediction has complex numbers"),
        ({(1, 2): 1}, "prediction has a key of type tuple"),
        ([{1: 2, "1": 3}], r"prediction\[0\] has two keys that are one as text"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of one name"),
        (pyarrow.array([2**62], pyarrow.timestamp("s")), "cannot be written"),
        ([numpy.zeros(1).view(Broken)], r"prediction\[0\] of type .*Broken cannot be written: no host memory"),
        (lambda: None, "type function"),
    ],
)
def test_what_has_no_plain_form_is_refused_with_its_place(value, says):
    with pytest.raises(EncodeError, match=says):
        to_plain(value)

"""Every line of the table in the head of `values.py`: what goes in, and what comes back when it is read."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import sys
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.extra import pandas as hpd

from capture.journal import values
from tests.capture.spools import same

SMALL = st.integers(-(2**63), 2**64 - 1)
PLAIN_KEYS = st.text() | SMALL | st.booleans() | st.none() | st.binary()
NUMBERS = hnp.boolean_dtypes() | hnp.integer_dtypes() | hnp.unsigned_integer_dtypes() | hnp.floating_dtypes(
    sizes=(16, 32, 64, 128)
) | hnp.complex_number_dtypes()  # fmt: skip
plain = st.none() | st.booleans() | SMALL | st.floats() | st.text() | st.binary()
nested = st.recursive(
    plain, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(PLAIN_KEYS, inner), max_leaves=20
)


def back(value: Any) -> Any:
    return values.decode(values.encode(value))


@given(nested)
def test_plain_values_come_back_as_themselves(value: Any) -> None:
    assert same(back(value), value)


@given(st.integers(min_value=2**63) | st.integers(max_value=-(2**63) - 1))
def test_integers_of_any_width_keep_all_their_digits(value: int) -> None:
    assert same(back(value), value)
    assert same(back({"a": [value, 1.5, None, True]}), {"a": [value, 1.5, None, True]})


@given(nested, nested)
def test_a_large_integer_changes_nothing_of_its_neighbours(one: Any, other: Any) -> None:
    assert same(back([one, 2**70, other]), [one, 2**70, other])


@given(st.text(min_size=1), st.integers(0xD800, 0xDFFF))
def test_lone_surrogates_become_backslash_escapes(text: str, surrogate: int) -> None:
    escaped = f"{text}\\u{surrogate:x}"
    assert back(text + chr(surrogate)) == escaped
    assert back({text + chr(surrogate): [chr(surrogate)]}) == {escaped: [f"\\u{surrogate:x}"]}


@given(st.binary())
def test_bytes_of_every_kind_come_back_as_bytes(value: bytes) -> None:
    for given_as in (value, bytearray(value), memoryview(value)):
        assert same(back(given_as), value)


def test_memory_that_is_not_contiguous_comes_back_as_its_bytes() -> None:
    assert back(memoryview(b"abcdef")[::2]) == b"ace"


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_the_nearest_float(value: decimal.Decimal) -> None:
    assert same(back(value), float(value))


aware = st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999)


@given(aware)
def test_an_aware_datetime_is_the_same_moment_in_utc(value: dt.datetime) -> None:
    found = back(value)
    assert type(found) is dt.datetime
    assert found == value.astimezone(dt.UTC)
    assert found.utcoffset() == dt.timedelta(0)


@given(st.datetimes(), st.dates(), st.times())
def test_what_has_no_zone_is_iso_text(moment: dt.datetime, day: dt.date, time: dt.time) -> None:
    assert back([moment, day, time]) == [moment.isoformat(), day.isoformat(), time.isoformat()]


@given(st.timedeltas())
def test_a_duration_is_iso_text(value: dt.timedelta) -> None:
    text = back(value)
    assert type(text) is str
    assert text.lstrip("-")[0] == "P"


@given(st.timedeltas(min_value=dt.timedelta(-(10**5)), max_value=dt.timedelta(10**5)))
def test_a_pandas_timedelta_is_as_pythons(value: dt.timedelta) -> None:
    assert back(pd.Timedelta(value)) == back(value)


@settings(max_examples=40)
@given(aware.filter(lambda moment: 1700 < moment.year < 2200))
def test_a_pandas_timestamp_is_the_same_moment(value: dt.datetime) -> None:
    moment = pd.Timestamp(value.astimezone(dt.UTC)).tz_convert(value.tzinfo)
    found = back(moment)
    assert type(found) is dt.datetime
    assert found == value.astimezone(dt.UTC)
    assert back(moment.tz_localize(None)) == moment.tz_localize(None).isoformat()


def test_a_timestamp_of_the_far_future_keeps_its_microseconds() -> None:
    given_as = pd.Timestamp(year=9000, month=3, day=4, hour=5, second=6, microsecond=123_457, tz="Europe/Berlin")
    assert back(given_as) == given_as.to_pydatetime()


def test_a_timestamp_with_nanoseconds_is_its_text() -> None:
    assert back(pd.Timestamp("2026-01-01T00:00:00.123456999Z")) == "2026-01-01T00:00:00.123456999+00:00"
    assert back(pd.Timestamp("2026-01-01T00:00:00.123456Z")) == dt.datetime(2026, 1, 1, 0, 0, 0, 123_456, dt.UTC)


def test_a_datetime_of_a_subclass_is_a_datetime() -> None:
    class Moment(dt.datetime):
        pass

    class Day(dt.date):
        pass

    class Span(dt.timedelta):
        pass

    zone = zoneinfo.ZoneInfo("America/New_York")
    assert back(Moment(2026, 7, 1, 12, tzinfo=zone)) == dt.datetime(2026, 7, 1, 16, tzinfo=dt.UTC)
    assert back([Moment(2026, 7, 1), Day(2026, 7, 1), Span(seconds=1)]) == ["2026-07-01T00:00:00", "2026-07-01", "PT1S"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        pd.NA,
        pd.NaT,
        np.datetime64("NaT", "s"),
        np.datetime64("NaT", "ns"),
        np.timedelta64("NaT", "s"),
        np.ma.masked,
    ],
    ids=repr,
)
def test_what_is_missing_is_none(value: Any) -> None:
    assert back(value) is None
    assert back([value, {"a": value}]) == [None, {"a": None}]


class Pair(NamedTuple):
    one: int
    other: int


class Colour(enum.Enum):
    RED = "red"
    WIDE = 2**70
    PAIR = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Sort(enum.StrEnum):
    TEXT = "text"


def test_ids_and_enums_are_text_or_their_value() -> None:
    given_as = [uuid.UUID(int=5), Colour.RED, Colour.WIDE, Colour.PAIR, Level.HIGH, Sort.TEXT]
    assert back(given_as) == ["00000000-0000-0000-0000-000000000005", "red", 2**70, [1, 2], 3, "text"]
    assert [back(value) for value in given_as] == back(given_as)


def scalars(kind: np.dtype[Any]) -> st.SearchStrategy[Any]:
    return hnp.arrays(kind, 1).map(lambda array: array[0])


@given(NUMBERS.flatmap(scalars))
def test_a_numpy_number_keeps_its_type(value: Any) -> None:
    wanted = value.item() if value.dtype.str[1:] in ("f8", "b1") else value
    assert same(back(value), wanted)
    assert same(back({"a": [value]}), {"a": [wanted]})


@given(hnp.datetime64_dtypes(endianness="<").flatmap(scalars) | hnp.timedelta64_dtypes(endianness="<").flatmap(scalars))
def test_a_numpy_time_keeps_its_unit(value: Any) -> None:
    assert same(back(value), None if np.isnat(value) else value)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.binary())
def test_numpy_text_and_bytes_are_pythons(text: str, data: bytes) -> None:
    stripped = data.rstrip(b"\0")
    assert same(back([np.str_(text), np.bytes_(stripped)]), [text, stripped])


@given((NUMBERS | hnp.datetime64_dtypes() | hnp.timedelta64_dtypes()).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
))  # fmt: skip
def test_a_numpy_array_keeps_type_and_shape(value: Any) -> None:
    assert same(back(value), value)
    if value.ndim == 2:
        found = back(value.T)
        assert found.shape == value.T.shape
        assert found.tobytes() == value.T.tobytes()


def test_arrays_of_text_bytes_objects_and_records_are_lists() -> None:
    assert back(np.array(["a", "bc"])) == ["a", "bc"]
    assert back(np.array([b"a", b"bc"])) == [b"a", b"bc"]
    assert back(np.array([1, "a", None, 2**70, "\ud800"], dtype=object)) == [1, "a", None, 2**70, "\\ud800"]
    assert back(np.array(["\ud800"])) == ["\\ud800"]
    assert back(np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")])) == [[1, 2.5], [3, 4.5]]


def test_what_is_masked_is_never_captured_as_if_it_were_not() -> None:
    assert back(np.ma.array([1, 2, 3], mask=[False, True, False])) == [1, None, 3]
    assert back(np.ma.array([[1.5, 2.5]], mask=[[True, False]])) == [[None, 2.5]]


@given(hpd.series(dtype=float))
def test_a_series_is_the_list_of_its_values(value: Any) -> None:
    assert same(back(value), value.tolist())


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (pd.Period("2026-01", "M"), "2026-01"),
        (pd.Interval(0, 1), "(0, 1]"),
        (pd.Series([1.5, None]), [1.5, np.nan]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        (pa.scalar(5), 5),
        (pa.scalar(None, pa.int64()), None),
        (pa.scalar("a"), "a"),
        (pa.scalar(decimal.Decimal("1.5")), 1.5),
        (pa.scalar({"a": [1, None]}), {"a": [1, None]}),
        (pa.array([1, None]), [1, None]),
        (pa.chunked_array([["a"], [None]]), ["a", None]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (Pair(1, 2), [1, 2]),
        ({1}, [1]),
        (frozenset(["a"]), ["a"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_others_have_the_place_that_the_table_gives_them(value: Any, found: Any) -> None:
    assert same(back(value), found)


@pytest.mark.parametrize("key", [1, 1.5, True, None, "a", b"a", -(2**63), 2**64 - 1])
@pytest.mark.parametrize("neighbour", [1, 2**70, "\ud800"])
def test_a_plain_key_is_itself_whatever_stands_beside_it(key: Any, neighbour: Any) -> None:
    (found,) = back({key: neighbour})
    assert same(found, key)


def test_another_key_is_text_where_msgpack_has_no_form_for_it() -> None:
    assert back({2**70: 1}) == {str(2**70): 1}


@dataclasses.dataclass
class Unknown:
    inner: Any


class Refusing:
    """Raises whatever it is asked."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "make",
    [
        object,
        lambda: 1 + 2j,
        lambda: range(3),
        lambda: iter([1]),
        lambda: (x for x in [1]),
        lambda: collections.deque([1]),
        lambda: test_what_is_missing_is_none,
        lambda: sys,
        lambda: type,
        lambda: np.void(b"abc"),
        lambda: decimal.Decimal("sNaN"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [1, {"a": value}], lambda value: [2**70, value]])
def test_anything_else_is_refused(make: Callable[[], Any], wrap: Callable[[Any], Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        values.encode(wrap(make()))


def cyclic_list() -> Any:
    value: list[Any] = [1]
    value.append(value)
    return value


def cyclic_dict() -> Any:
    value: dict[str, Any] = {"a": 1}
    value["b"] = {"c": value}
    return value


@pytest.mark.parametrize(
    "make", [cyclic_list, cyclic_dict, lambda: [2**70, cyclic_list()], lambda: ["\ud800", cyclic_dict()]]
)
def test_what_contains_itself_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(RecursionError):
        values.encode(make())


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x92\x01", b"\xc7\x01\x63\x00", b"\xc7\x05\x01nope\0", b"\xc7\x02\x03xy"]
)
def test_what_is_no_value_is_an_error_and_no_other_value(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, msgspec.DecodeError)):
        values.decode(data)


def test_nothing_that_is_written_can_run_code_when_it_is_read() -> None:
    written = values.encode([np.float32(1), np.arange(3), 2**70, {"a": "b"}])
    assert b"numpy" not in written
    assert b"pickle" not in written
    with pytest.raises((ValueError, TypeError)):
        values.decode(values.encode(msgspec.msgpack.Ext(1, b"|O\0" + b"\0" * 8)))

"""DataFrames: every dtype, in any arrangement of blocks, comes back as pandas itself says; private way equals public way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.record import Columns, Matrix
from capture.writing import dataframes
from tests.capture.spools import Scribe, buffer, column

many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
NOON = pd.Timestamp("2026-01-01T12:00:00.123456")
SERIES: dict[str, Callable[[], Any]] = {
    "float64": lambda: pd.Series([1.5, np.nan, -np.inf]),
    "float32": lambda: pd.Series([1.5, 2.5, 3.5], dtype="f4"),
    "float16": lambda: pd.Series([1.5, 2.5, 3.5], dtype="f2"),
    "int64": lambda: pd.Series([2**63 - 1, 0, -(2**63)]),
    "uint64": lambda: pd.Series([2**64 - 1, 0, 1], dtype="u8"),
    "int8": lambda: pd.Series([127, 0, -128], dtype="i1"),
    "bool": lambda: pd.Series([True, False, True]),
    "complex": lambda: pd.Series([1 + 2j, 0, 1j]),
    "datetime": lambda: pd.Series([NOON, pd.NaT, NOON]),
    "datetime in ns": lambda: pd.Series([NOON, pd.NaT, NOON]).astype("M8[ns]"),
    "datetime in s": lambda: pd.Series([NOON, pd.NaT, NOON]).astype("M8[s]"),
    "datetime with zone": lambda: pd.Series([NOON, pd.NaT, NOON]).dt.tz_localize("Europe/Berlin"),
    "timedelta": lambda: pd.Series([dt.timedelta(seconds=1), None, dt.timedelta(days=-1)]),
    "str": lambda: pd.Series(["a", None, "ü" * 300], dtype="str"),
    "string": lambda: pd.Series(["a", pd.NA, ""], dtype="string"),
    "string of Python": lambda: pd.Series(["a", pd.NA, ""], dtype="string[python]"),
    "string of Arrow": lambda: pd.Series(["a", None, ""], dtype=pd.ArrowDtype(pa.string())),
    "strings in chunks": lambda: pd.concat([pd.Series(["a", None], dtype="str"), pd.Series(["b"], dtype="str")]),
    "object": lambda: pd.Series([1, "a", None], dtype=object),
    "object of lists": lambda: pd.Series([[1, 2], {"a": 1}, None], dtype=object),
    "object of decimals": lambda: pd.Series([Decimal("1.5"), None, Decimal(2)], dtype=object),
    "object of dates": lambda: pd.Series([dt.date(2026, 1, 1), None, dt.date(1, 1, 1)], dtype=object),
    "object of large integers": lambda: pd.Series([2**70, None, -(2**70)], dtype=object),
    "object with NaN": lambda: pd.Series(["a", np.nan, pd.NaT], dtype=object),
    "Int64": lambda: pd.Series([1, None, 2**62 + 1], dtype="Int64"),
    "UInt8": lambda: pd.Series([1, None, 255], dtype="UInt8"),
    "Float32": lambda: pd.Series([1.5, None, 2.5], dtype="Float32"),
    "boolean": lambda: pd.Series([True, None, False], dtype="boolean"),
    "category of text": lambda: pd.Series(["a", None, "b"], dtype="category"),
    "category of numbers": lambda: pd.Series([1, None, 2], dtype="category"),
    "category of both": lambda: pd.Series(["a", None, 1], dtype="category"),
    "category of intervals": lambda: pd.Series(pd.cut([1, 5, 9], 3)),
    "category without values": lambda: pd.Series([None] * 3, dtype="category"),
    "period": lambda: pd.Series(pd.period_range("2026-01", periods=3, freq="M")),
    "interval": lambda: pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3])),
    "sparse": lambda: pd.Series(pd.arrays.SparseArray([0.0, 1.5, 0.0])),
    "Arrow's int64": lambda: pd.Series([1, None, 3], dtype="int64[pyarrow]"),
    "Arrow's int64 in chunks": lambda: pd.concat([pd.Series([1, None], dtype="int64[pyarrow]")] * 2).iloc[:3],
    "Arrow's list": lambda: pd.Series([[1.5], None, []], dtype=pd.ArrowDtype(pa.list_(pa.float64()))),
    "Arrow's struct": lambda: pd.Series([{"a": 1}, None, {"a": 2}], dtype=pd.ArrowDtype(pa.struct({"a": pa.int8()}))),
    "Arrow's decimal": lambda: pd.Series([Decimal("1.5"), None, 2], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
    "Arrow's dictionary": lambda: pd.Series(
        ["a", None, "a"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))
    ),
    "Arrow's timestamp": lambda: pd.Series([NOON, None, NOON], dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))),
}
TEXT = ("period", "interval", "category of intervals")
KEPT = {"object of decimals": float, "object of dates": str, "object of large integers": int}


@pytest.fixture
def scribe(tmp_path: Path) -> Iterator[Scribe]:
    with buffer(tmp_path) as opened:
        yield Scribe(opened, tmp_path / "spool")


def normal(value: Any) -> Any:
    """One form for what pandas, NumPy and Arrow say of the same value: None for what is missing, else Python's own."""
    if isinstance(value, list | np.ndarray):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value)
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dt.datetime):
        return (
            pd.Timestamp(value).tz_convert("UTC").to_pydatetime()
            if value.tzinfo
            else pd.Timestamp(value).to_pydatetime()
        )
    if isinstance(value, dt.timedelta):
        return pd.Timedelta(value).to_pytimedelta()
    return value


def wanted(name: str, series: Any) -> list[Any]:
    values = [normal(value) for value in series]
    if name in TEXT:
        return [None if value is None else str(value) for value in values]
    return [KEPT[name](value) if name in KEPT and value is not None else value for value in values]


def found(items: Any, name: str) -> list[Any]:
    return [normal(value) for value in column(items, name)]


@pytest.mark.parametrize("name", SERIES)
def test_a_frame_of_one_dtype_comes_back(scribe: Scribe, name: str) -> None:
    series = SERIES[name]().reset_index(drop=True)
    frame = pd.DataFrame({"a": series, "b": series})
    items = scribe.write(frame, [0, 1, 2]).items
    assert found(items, "a") == found(items, "b") == wanted(name, series)


@pytest.mark.parametrize("name", ["float64", "float32", "int8", "uint64", "bool", "complex", "datetime", "timedelta"])
def test_a_frame_of_one_numpy_dtype_is_a_matrix_of_that_type(scribe: Scribe, name: str) -> None:
    series = SERIES[name]()
    items = scribe.write(pd.DataFrame({"a": series, "b": series}), [0, 1, 2]).items
    assert isinstance(items, Matrix)
    assert items.array.dtype == series.dtype


@pytest.mark.parametrize("name", SERIES)
def test_the_private_way_equals_the_public_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    series = SERIES[name]().reset_index(drop=True)
    frame = pd.DataFrame({"n": [1, 2, 3], "a": series, "m": [4, 5, 6], "b": series.iloc[::-1].reset_index(drop=True)})

    def flat(made: tuple[list[Any], list[Any]]) -> list[Any]:
        """By column, tag and what belongs to it, so that blocks of several columns do not matter."""
        parts, buffers = made
        columns: dict[int, Any] = {}
        taken = iter(bytes(buffer) for buffer in buffers)
        for tag, positions, *rest in parts:
            own = [next(taken) for _ in range({"m": 1, "b": 1, "s": 3, "l": 0}[tag])]
            for number, position in enumerate(positions):
                if tag == "m":
                    size = len(own[0]) // len(positions)
                    columns[position] = (tag, rest[0], own[0][number * size : (number + 1) * size])
                else:
                    columns[position] = (tag, repr(rest), own)
        return [columns[position] for position in sorted(columns)]

    private = flat(dataframes.frame_parts(frame))
    blocks = dataframes._blocks
    asked = []

    class Public:
        """The frame without what is private."""

        shape, iloc = frame.shape, frame.iloc

        def __getattr__(self, attribute: str) -> Any:
            asked.append(attribute)
            raise AttributeError(attribute)

    monkeypatch.setattr(dataframes, "_blocks", lambda given_as: blocks(Public()))
    assert flat(dataframes.frame_parts(frame)) == private
    assert asked == ["_mgr"]
    assert len(private) == 4


names = st.sampled_from(sorted(SERIES))


@many
@given(
    chosen=st.lists(names, min_size=1, max_size=8),
    cut=st.sampled_from(
        [slice(None), slice(1, None), slice(None, None, -1), slice(0, 0), slice(1, 2), slice(None, None, 2)]
    ),
    order=st.randoms(use_true_random=False),
    split=st.booleans(),
)
def test_any_mixture_of_columns_sliced_and_reordered_comes_back(
    scribe: Scribe, chosen: list[str], cut: slice, order: Any, split: bool
) -> None:
    columns = {f"{number} {name}": SERIES[name]().reset_index(drop=True) for number, name in enumerate(chosen)}
    frame = pd.DataFrame(columns)
    if split:
        frame["late"] = [7.0, 8.0, 9.0]
    labels = list(frame.columns)
    order.shuffle(labels)
    frame = frame[labels].iloc[cut]
    items = scribe.write(frame, [0] * len(frame)).items
    assert len(items) == len(frame)
    assert tuple(items.names) == tuple(labels)  # type: ignore[union-attr]
    for label in labels:
        assert found(items, label) == wanted(label.partition(" ")[2], frame[label]), label


def test_text_of_a_small_slice_of_a_large_frame_takes_only_its_own_bytes(scribe: Scribe) -> None:
    for text in ("x" * 50, ""):
        frame = pd.DataFrame({"a": [text] * 200_000, "n": np.arange(200_000)})
        assert found(scribe.write(frame.iloc[100_000:100_002], [0, 1]).items, "a") == [text, text]


def test_names_come_as_text_and_may_stand_twice(scribe: Scribe) -> None:
    frame = pd.DataFrame([[1, 2.5, "x"]], columns=[7, ("a", 1), "b"])
    assert scribe.write(frame).items.names == ("7", "('a', 1)", "b")  # type: ignore[union-attr]
    twice = pd.DataFrame([[1, 2.5]], columns=["a", "a"])
    items = scribe.write(twice).items
    assert isinstance(items, Columns)
    assert items.names == ("a", "a.1")
    assert [list(values) for values in items.columns] == [[1], [2.5]]
    levels = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_product([["a"], ["x", "y"]]))
    assert scribe.write(levels).items.names == ("('a', 'x')", "('a', 'y')")  # type: ignore[union-attr]


def test_a_frame_with_other_columns_is_never_taken_for_the_one_before(scribe: Scribe) -> None:
    for labels in (["a", "b"], ["b", "a"], ["a", "c"], ["a", "b"]):
        frame = pd.DataFrame([[1.5, 2.5]], columns=labels)
        items = scribe.write(frame).items
        assert (items.names, found(items, labels[0])) == (tuple(labels), [1.5])  # type: ignore[union-attr]
    frame = pd.DataFrame([[1.5, 2.5]], columns=["a", "b"])
    scribe.write(frame)
    frame.columns = pd.Index(["x", "y"])
    assert scribe.write(frame).items.names == ("x", "y")  # type: ignore[union-attr]


def test_the_index_is_no_feature(scribe: Scribe) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["secret", "index"], name="user"))
    assert scribe.write(frame, [0, 1]).items.names == ("a",)  # type: ignore[union-attr]

"""What other libraries' objects become, from `append` to the object: as a user expects, or one line that says what to do."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
import scipy.sparse

from capture.encoding import encode_objects
from tests.capture.spools import buffer, counts, events, header
from tests.capture.test_rows import captured


@dataclasses.dataclass
class Flight:
    seats: int
    carrier: str


class Model(pydantic.BaseModel):
    seats: int
    carrier: str


class Struct(msgspec.Struct):
    seats: int
    carrier: str


class Named(NamedTuple):
    seats: int
    carrier: str


class Color(enum.Enum):
    RED = "red"


class Tensor:
    """As torch's: its memory is shown only without its history and on the CPU."""

    requires_grad = True

    def __init__(self, array: Any, ready: int = 0) -> None:
        self._array, self._ready = array, ready

    def detach(self) -> Tensor:
        return Tensor(self._array, self._ready + 1)

    def cpu(self) -> Tensor:
        return Tensor(self._array, self._ready + 1)

    def __array__(self, *_: Any, **__: Any) -> Any:
        if self._ready < 2:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self._array


ROWS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "a list of NumPy scalars": (lambda: [{"v": [np.float32(1.5), np.float32(2)]}], {"v": [1.5, 2.0]}),
    "a list of NumPy integers": (lambda: [{"v": [np.int64(1), np.int64(2)]}], {"v": [1, 2]}),
    "a list of mixed numbers": (lambda: [{"v": [np.float64(1.5), np.int8(2), 3]}], {"v": [1.5, 2.0, 3.0]}),
    "a vector of half floats": (lambda: [{"v": np.array([1.5, 2], "f2")}], {"v": [1.5, 2.0]}),
    "an array without dimensions": (lambda: [{"v": np.array(1.5)}], {"v": 1.5}),
    "a Polars frame": (lambda: pl.DataFrame({"v": [1.5], "c": ["x"]}), {"v": 1.5, "c": "x"}),
    "a Polars categorical": (lambda: pl.DataFrame({"c": pl.Series(["x"], dtype=pl.Categorical)}), {"c": "x"}),
    "a dataclass": (lambda: Flight(180, "UA"), {"seats": 180.0, "carrier": "UA"}),
    "dataclasses": (lambda: [Flight(180, "UA")], {"seats": 180.0, "carrier": "UA"}),
    "pydantic models": (lambda: [Model(seats=180, carrier="UA")], {"seats": 180.0, "carrier": "UA"}),
    "structs": (lambda: [Struct(180, "UA")], {"seats": 180.0, "carrier": "UA"}),
    "named tuples": (lambda: [Named(180, "UA")], {"seats": 180.0, "carrier": "UA"}),
    "a dataclass in a value": (lambda: [{"v": Flight(180, "UA")}], {"v": '{"seats":180,"carrier":"UA"}'}),
    "a tensor with history": (lambda: Tensor(np.array([[1.5, 2.5]])), {"feature_0": 1.5, "feature_1": 2.5}),
    "an enum's key": (lambda: [{Color.RED: 1.5}], {"red": 1.5}),
    "a nested enum's key": (lambda: [{"v": {Color.RED: 1}}], {"v": '{"red":1}'}),
    "months": (
        lambda: [{"v": np.timedelta64(5, "M"), "x": 1.0}],
        {"x": 1.0, "capture_rescued_data": '{"v":"5 months"}'},
    ),
    "an aware Timestamp's nanoseconds": (
        lambda: [{"v": pd.Timestamp("2026-03-01T09:00:00.123456789", tz="UTC")}],
        {"v": "2026-03-01T09:00:00.123456789+00:00"},
    ),
    "long doubles": (lambda: np.array([[1.5, 2.5]], np.longdouble), {"feature_0": 1.5, "feature_1": 2.5}),
    "a list of long doubles": (lambda: [{"v": np.array([1.5], np.longdouble)}], {"v": "[1.5]"}),
}
ARROW: dict[str, tuple[Callable[[], Any], Any]] = {
    "run-end-encoded text": (lambda: pa.RunEndEncodedArray.from_arrays([1], ["x"]), "x"),
    "date64": (lambda: pa.array([dt.date(2026, 3, 1)], pa.date64()), dt.date(2026, 3, 1)),
    "uuid": (lambda: pa.array([bytes(range(16))], pa.uuid()), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
    "decimal32": (lambda: pa.array([Decimal("1.5")], pa.decimal32(5, 2)), 1.5),
    "decimal64": (lambda: pa.array([Decimal("1.5")], pa.decimal64(5, 2)), 1.5),
    "decimal256": (lambda: pa.array([Decimal("1.5")], pa.decimal256(5, 2)), 1.5),
    "a dictionary of views": (
        lambda: pa.DictionaryArray.from_arrays(pa.array([0], pa.uint32()), pa.array(["x"], pa.string_view())),
        "x",
    ),
}
RESCUED: dict[str, tuple[Callable[[], Any], str]] = {
    "naive nanoseconds": (
        lambda: pa.array(np.array(["2026-03-01T09:00:00.123456789"], "M8[ns]")),
        "2026-03-01T09:00:00.123456789",
    ),
    "seconds out of range": (lambda: pa.array([2**62], pa.timestamp("s")), str(np.datetime64(2**62, "s"))),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_value_of_another_library_is_captured_as_a_user_expects(tmp_path: Path, kind: str) -> None:
    make, wanted = ROWS[kind]
    (row,) = captured(tmp_path, (make(), [0.5]))
    assert {name: value for name, value in row.items() if value is not None} == {**wanted, "prediction": 0.5}


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
@pytest.mark.parametrize("kind", [*ARROW, *RESCUED])
def test_no_arrow_type_that_append_takes_is_set_aside(tmp_path: Path, kind: str, form: str) -> None:
    make = (ARROW.get(kind) or RESCUED[kind])[0]
    with buffer(tmp_path, format=form) as opened:
        for _ in range(2):
            assert opened.append(pa.table([make()], names=["v"]), [0.5])
    (made,) = encode_objects(header(format=form), "b", events(tmp_path / "spool"))
    assert made.rows == 2


@pytest.mark.parametrize("kind", ARROW)
def test_an_arrow_type_is_captured_with_its_value(tmp_path: Path, kind: str) -> None:
    make, wanted = ARROW[kind]
    found = captured(tmp_path, (pa.table([make()], names=["v"]), [0.5]))
    assert [float(row["v"]) if isinstance(wanted, float) else row["v"] for row in found] == [wanted]


@pytest.mark.parametrize("kind", RESCUED)
def test_a_time_that_no_column_holds_is_rescued_as_text(tmp_path: Path, kind: str) -> None:
    make, text = RESCUED[kind]
    (row,) = captured(tmp_path, (pa.table([make()], names=["v"]), [0.5]))
    assert row["capture_rescued_data"] == f'{{"v":"{text}"}}'


@pytest.mark.parametrize(
    "predictions",
    [pa.array([0.25, 0.5]), pa.chunked_array([[0.25], [0.5]]), pl.Series([0.25, 0.5]), Tensor(np.array([0.25, 0.5]))],
    ids=type,
)
def test_an_array_of_another_library_is_a_prediction_for_each_row(tmp_path: Path, predictions: Any) -> None:
    found = captured(tmp_path, (np.zeros((2, 1)), predictions))
    assert [row["prediction"] for row in found] == [0.25, 0.5]


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (lambda: scipy.sparse.csr_matrix(np.eye(2)), "hand over matrix.toarray()"),
        (lambda: pl.LazyFrame({"a": [1]}), "hand over frame.collect()"),
        (lambda: object(), "hand over numbers, text, or an array or DataFrame of them"),
    ],
)
def test_what_cannot_be_captured_is_refused_with_what_to_hand_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, features: Callable[[], Any], told: str
) -> None:
    with caplog.at_level(logging.WARNING, "capture"), buffer(tmp_path) as opened:
        assert not opened.append(features(), [0.5])
    assert told in caplog.text
    assert counts(tmp_path / "spool")["refused"] == {"unencodable": 1}

"""Random events, written and read back by four readers: every value stands in its cell or in rescued data."""

import base64
import datetime as dt
import io
import json
import math
import tempfile
from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture import dataset
from capture.encoding import EncodedObject
from capture.encoding.block_rows import unfold
from capture.record import ArrowBlock, Block, Columns, Event, Matrix, Ragged, Rows
from tests.capture.samples import encode, event

NAMES = ["a", "b", "A", "prediction", "capture_event_time", "ü.x", "", "n" * 300, "with space", "feature_prediction"]
names = st.sampled_from(NAMES)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
integers = st.integers(-(2**63), 2**64 - 1)
floats = st.floats(width=64)
scalars = st.one_of(
    st.none(), st.booleans(), integers, st.integers(-9, 9), floats, text, st.binary(max_size=4),
    st.datetimes(timezones=st.just(dt.UTC)),
    integers.filter(lambda n: -(2**31) <= n < 2**31).map(np.int32),
    st.floats(width=32).map(np.float32),
)  # fmt: skip
nested = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), floats, text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=2)),
    max_leaves=4,
).filter(lambda value: isinstance(value, list | dict))
cells = st.one_of(scalars, scalars, nested, st.lists(floats, max_size=3).map(np.array))
mappings = st.dictionaries(names, cells, max_size=5)


@st.composite
def blocks(draw: st.DrawFn, rows: int) -> Block:
    """A block of so many rows."""
    kind = draw(st.sampled_from(["rows", "ragged", "columns", "matrix", "batch"]))
    if kind == "ragged":
        return Ragged([draw(mappings) for _ in range(rows)])
    given_names = tuple(draw(st.lists(names, max_size=4, unique=True)))
    width = len(given_names)
    if kind == "rows":
        return Rows(given_names, [tuple(draw(cells) for _ in range(width)) for _ in range(rows)])
    if kind == "matrix":
        dtype = draw(st.sampled_from(["f8", "f4", "i8", "u1", "?"]))
        numbers = st.floats(width=32) if dtype[0] == "f" else st.integers(0, 1)
        array = np.array([[draw(numbers) for _ in range(width)] for _ in range(rows)], dtype).reshape(rows, width)
        return Matrix(given_names, np.asfortranarray(array) if draw(st.booleans()) else array)
    columns: list[Any] = []
    for _ in range(width):
        sort = draw(st.sampled_from([floats.map(float), st.integers(0, 255), text]))
        columns.append([draw(sort) for _ in range(rows)])
    if kind == "columns":
        return Columns(given_names, [np.array(c) if draw(st.booleans()) else c for c in columns], rows)
    arrays = [pa.array([None if draw(st.booleans()) else cell for cell in column]) for column in columns]
    if not arrays:
        return Columns((), [], rows)
    return ArrowBlock(pa.record_batch(arrays, names=list(given_names)))


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """A few events; each has as many predictions as items, so that all stand in rows."""
    made = []
    for number in range(draw(st.integers(1, 4))):
        count = draw(st.integers(0, 3))
        items = draw(blocks(count))
        outputs = Rows(("",), [(draw(st.one_of(floats, text)),) for _ in range(count)])
        request = draw(st.one_of(st.none(), mappings))
        made.append(event(items, outputs, request, number=number))
    return made


def plain(value: Any) -> Any:
    """A value as rescued data spells it."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def same(cell: Any, value: Any) -> bool:
    """Whether a cell says this value: as itself, as a list, or as JSON text."""
    if isinstance(value, bool) or isinstance(cell, bool):
        return cell is value or (isinstance(value, np.bool_) and cell == bool(value))
    if isinstance(cell, dt.datetime):
        return bool(cell == value)
    if isinstance(cell, str):
        if isinstance(value, str):
            return cell == value
        return cell == plain(value) if isinstance(value, bytes) else bool(json.loads(cell) == plain(value))
    return bool(plain(cell) == plain(value))


def is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and math.isnan(value)


def names_of(block: Block | None) -> set[str]:
    """The names of a block's columns, those of rows that are not there too."""
    if isinstance(block, Ragged):
        return {name for row in block.rows for name in row}
    return set() if block is None else set(block.batch.schema.names if isinstance(block, ArrowBlock) else block.names)


def expected_rows(given_events: list[Event]) -> list[dict[str, Any]]:
    """What the model saw, row by row: the request's values, over which the items' stand."""
    rows = []
    for one in given_events:
        shared = dict(zip(*next(unfold(one.request)), strict=True)) if one.request is not None else {}
        for keys, given_values in unfold(one.items):
            own = {key: value for key, value in zip(keys, given_values, strict=True) if value is not None}
            rows.append({**shared, **own})
    return rows


def check(row: Mapping[str, Any], expected: Mapping[str, Any], names_seen: set[str]) -> None:
    """Every expected value is in the row's cell of that name, or in its rescued data."""
    kept = json.loads(row["capture_rescued_data"] or "{}")
    for name, value in expected.items():
        if value is None:
            continue
        column = dataset.feature_column(name)
        if column != name:
            name = column if column not in names_seen else f"feature_{column}"
        cell = row.get(column)
        if cell is not None and name not in kept:
            assert same(cell, value), (name, cell, value)
        elif not is_nan(value):
            assert name in kept, (name, value)
            assert kept[name] == plain(value), (name, kept[name], value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(events())
def test_every_value_is_found_again(given_events: list[Event]) -> None:
    made = encode(*given_events)
    found = pq.read_table(io.BytesIO(made.body)).to_pylist()
    expected = expected_rows(given_events)
    names_seen = {key for one in given_events for block in (one.request, one.items) for key in names_of(block)}
    assert len(found) == len(expected) == made.rows
    for row, values in zip(found, expected, strict=True):
        check(row, values, names_seen)
    read_by_others(made, found)


def read_by_others(made: EncodedObject, rows: list[dict[str, Any]]) -> None:
    """DuckDB, Polars and pandas see what PyArrow sees."""
    assert spelled(pl.read_parquet(io.BytesIO(made.body)).to_dicts()) == spelled(rows)
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as connection:
        file.write(made.body)
        file.flush()
        connection.sql("SET TimeZone = 'UTC'")
        assert spelled(connection.sql(f"FROM '{file.name}'").to_arrow_table().to_pylist()) == spelled(rows)
    frame = pd.read_parquet(io.BytesIO(made.body))
    assert len(frame) == len(rows)
    for name in frame.columns:
        for cell, row in zip(frame[name].tolist(), rows, strict=True):
            if row[name] is None or is_nan(row[name]):
                assert cell is None or cell is pd.NaT or is_nan(cell)
            else:
                assert in_pandas(spelled(cell)) == in_pandas(spelled(row[name]))


def spelled(value: Any) -> Any:
    """A value in which NaN equals NaN, and a time another reader's."""
    if isinstance(value, dict):
        return {key: spelled(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [spelled(entry) for entry in value]
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime()
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    return "NaN" if is_nan(value) else value


def in_pandas(cell: Any) -> Any:
    """A cell as pandas gives it, which knows no null among numbers."""
    return ["NaN" if entry is None else entry for entry in cell] if isinstance(cell, list) else cell

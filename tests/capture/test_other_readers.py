"""The lines of docs/dataset.md for other readers work as they stand, also below a folder that looks like a Hive partition."""

from __future__ import annotations

import ast
import datetime as dt
import glob
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

import capture
from capture import dataset
from capture.reading.reader import ReadError
from capture.sinks import open_sink
from tests.capture.samples import HOUR, NOON, event, write_ledger, write_objects

DOCUMENT = Path(__file__).parents[2] / "docs" / "dataset.md"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Two objects of an hour each, with different columns, and a ledger."""
    place = open_sink(f"file://{tmp_path}/team=ml/captured")
    objects = write_objects(
        place, [event({"a": 1.5, "b": "x"}), event({"a": 2.5, "c": True}, number=2, time=NOON + HOUR)]
    )
    write_ledger(place, objects, until=NOON + 2 * HOUR)
    return tmp_path / "team=ml" / "captured"


def documented(library: str) -> str:
    """The expression of the document that reads with a library."""
    (block,) = [
        code for code in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL) if "duckdb.sql" in code
    ]
    texts = [ast.unparse(statement) for statement in ast.parse(block).body if isinstance(statement, ast.Expr)]
    (found,) = [text for text in texts if text.startswith(f"{library}.")]
    return found


READERS: dict[str, Callable[[Any], Any]] = {
    "duckdb": lambda found: found.df(),
    "polars": lambda found: found.collect().to_pandas(),
    "pandas": lambda found: found,
    "pyarrow": lambda found: found.to_table().to_pandas(),
}


@pytest.mark.parametrize("library", READERS)
def test_the_documents_line_for_a_reader_reads_every_row(prefix: Path, library: str) -> None:
    names = {"duckdb": duckdb, "polars": pl, "pandas": pd, "pyarrow": pa, "glob": glob, "prefix": str(prefix)}
    frame = READERS[library](eval(documented(library), names))  # noqa: S307  (the document is ours)
    assert sorted(frame["a"]) == [1.5, 2.5]
    assert "team" not in frame.columns
    if library in ("duckdb", "pandas"):
        assert {"b", "c"} <= set(frame.columns)


def test_capture_read_gives_the_rows_of_a_window_with_the_union_of_their_columns(prefix: Path) -> None:
    rows = capture.read(str(prefix))
    assert rows.table().num_rows == 2
    assert rows.table()["c"].to_pylist() == [None, True]
    assert rows.table().column_names[-1] == dataset.RESCUED_DATA
    assert sorted(rows.to_pandas()["a"]) == [1.5, 2.5]
    assert rows.to_polars()["a"].to_list() == [1.5, 2.5]
    reader = rows.reader()
    assert duckdb.from_arrow(reader).aggregate("sum(a)").fetchall() == [(4.0,)]
    assert pl.DataFrame(rows)["a"].to_list() == [1.5, 2.5]
    noon = dataset.to_datetime(NOON)
    late = capture.read(f"file://{prefix}", start=noon + dt.timedelta(minutes=30), columns=["a", "prediction"])
    assert late.table().to_pydict() == {"a": [2.5], "prediction": [0.5]}
    text = capture.read(str(prefix), start="2026-01-01T11:00", end="2026-01-01T12:30", endpoint="flights")
    assert text.table()["a"].to_pylist() == [1.5]


def test_capture_read_unites_types_and_loses_no_value(tmp_path: Path) -> None:
    place = open_sink(f"file://{tmp_path}")
    write_objects(place, [event({"a": 1.5, "n": 1.0}), event({"a": "far", "n": 2.0}, number=2, time=NOON + HOUR)])
    write_objects(
        place, [event({"a": [1.0, 2.0], "n": 3.0}, number=3, time=NOON + 2 * HOUR)], "batch-2", types={"n": "int64"}
    )
    table = capture.read(str(tmp_path)).table()
    assert table["a"].to_pylist() == ["1.5", "far", "[1.0,2.0]"]
    assert table["n"].to_pylist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_capture_read_takes_both_formats(tmp_path: Path, form: str) -> None:
    write_objects(open_sink(f"file://{tmp_path}"), [event({"a": 1.5})], format=form)
    assert capture.read(str(tmp_path)).table()["a"].to_pylist() == [1.5]


def test_capture_read_reads_nothing_before_it_is_asked(tmp_path: Path) -> None:
    rows = capture.read(str(tmp_path / "absent"))
    with pytest.raises(capture.CaptureError, match="there is no directory"):
        rows.table()


def test_a_time_or_a_column_that_is_none_is_one_line(prefix: Path) -> None:
    with pytest.raises(ReadError, match="'noon' is not a time: give ISO 8601"):
        capture.read(str(prefix), start="noon")
    with pytest.raises(ReadError, match="there is no column 'x' in this window; there are"):
        capture.read(str(prefix), columns=["x"]).table()

"""Files and tables as sources: types stay, only nulls are missing, and times without a zone are UTC and noted."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.baseline.baseline import Baseline
from monitoring.engines.local import LocalEngine
from monitoring.engines.window import count_window
from monitoring.errors import UsageError
from monitoring.source.open import open_rows
from monitoring.source.time_column import UTC_MICROSECONDS, TimeColumn
from monitoring.states.profile import Profile
from monitoring.window import Window


def count(data: Any, window: Window | None = None, **named: Any) -> Profile:
    baseline = Baseline.from_training(data, **named)
    return count_window(open_rows(data, **named), window, baseline, LocalEngine(1))


def test_in_csv_only_the_unquoted_empty_field_is_missing(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text('c,n\nNone,1\nnan,2\n"",3\n,4\nb,\n')
    columns = count(tmp_path / "train.csv").total().columns
    assert (columns["c"].missing, columns["n"].missing) == (1, 1)
    assert columns["c"].distinct == 4


def test_dates_in_csv_stay_texts(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("d,e\n01-09-2018,2018-09-01\n13-09-2018,2018-09-13\n")
    columns = count(tmp_path / "train.csv").total().columns
    assert [columns[name].kinds.tolist() for name in "de"] == [[0, 0, 0, 2, 0, 0]] * 2


def test_a_compressed_csv_and_a_folder_of_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"x\n1\n2\n"))
    (tmp_path / "sub").mkdir()
    pq.write_table(pa.table({"x": [3.5]}), tmp_path / "sub" / "b.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "notes.txt").write_text("not data")
    state = count(tmp_path).total().columns["x"]
    assert (state.rows, state.types) == (3, {"int64": 2, "double": 1})


def test_an_empty_csv_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text("")
    assert count(tmp_path).rows == 1


@pytest.mark.parametrize(
    ("values", "noted"),
    [
        (pa.array(["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"]), False),
        (pa.array(["2026-01-31 12:00:00", "2026-01-31T12:00:00"]), True),
        (pa.array([1_769_860_800_000_000_000] * 2, pa.timestamp("ns")), True),
        (pa.array([dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)] * 2, pa.timestamp("ms", "Europe/Madrid")), False),
    ],
)
def test_times_become_utc_and_a_missing_zone_is_noted(values: pa.Array, noted: bool) -> None:
    column = TimeColumn("t")
    batch = column.convert(pa.RecordBatch.from_pydict({"t": values}))
    assert batch.schema.field("t").type == UTC_MICROSECONDS
    assert [value.as_py() for value in batch["t"]] == [dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)] * 2
    assert bool(column.notes) == noted


def test_dates_the_wrong_way_round_are_refused_with_the_value() -> None:
    with pytest.raises(UsageError, match=r"'31/01/2026'.*write the year first"):
        TimeColumn("t").convert(pa.RecordBatch.from_pydict({"t": ["31/01/2026"]}))
    with pytest.raises(UsageError, match="holds int64"):
        TimeColumn("t").convert(pa.RecordBatch.from_pydict({"t": [1]}))


def test_a_frame_is_cut_to_a_window_by_its_time_column() -> None:
    hours = pd.date_range("2026-10-24T22:00Z", "2026-10-25T23:00Z", freq="h")
    frame = pd.DataFrame({"capture_event_time": hours.repeat(20), "x": range(520)})
    start = dt.datetime.fromisoformat("2026-10-25T00:00+02:00")
    day = Window(start, dt.datetime.fromisoformat("2026-10-26T00:00+01:00"))
    profile = count(frame, day)
    assert profile.rows == 25 * 20
    assert len(profile.total().hours) == 25


def test_a_window_of_a_table_without_times_is_a_usage_error() -> None:
    window = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    with pytest.raises(UsageError, match="no column 'capture_event_time'"):
        count(pa.table({"x": [1.0]}), window)


def test_sampling_percentages_of_a_table_are_weighed() -> None:
    frame = pd.DataFrame(
        {"capture_sampling_percentage": [100.0] * 900 + [10.0] * 100, "origin": ["JFK"] * 900 + ["LGA"] * 100}
    )
    state = count(frame).total().columns["origin"]
    assert state.fine[:2].tolist() in ([900, 1000], [1000, 900])


def test_one_row_group_of_any_size_is_read_in_little_memory(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(8, 600_000))
    table = pa.table({f"x{number}": column for number, column in enumerate(values)})
    pq.write_table(table, tmp_path / "one.parquet", row_group_size=len(table), use_dictionary=False)
    size = (tmp_path / "one.parquet").stat().st_size
    del table
    (group,) = open_rows(tmp_path / "one.parquet").groups(None)
    before, most, rows = pa.total_allocated_bytes(), 0, 0
    for batch in group.parts[0].fetch().batches():
        rows += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    assert rows == 600_000
    assert most < size / 3


def test_a_folder_that_is_called_like_a_file_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "train.parquet"
    folder.mkdir()
    for number in range(2):
        pq.write_table(pa.table({"x": [1.0, 2.0]}), folder / f"part-{number}.snappy.parquet")
    assert count(folder).rows == 4
    assert count(folder / "part-0.snappy.parquet").rows == 2


def test_a_file_with_two_columns_of_one_name_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "good.parquet")
    pq.write_table(pa.table([[1.0], [2.0]], names=["x", "x"]), tmp_path / "twice.parquet")
    profile = count(tmp_path)
    assert profile.unreadable == ("twice.parquet",)
    assert "two columns are called 'x'" in profile.notes[0]


def test_texts_are_told_apart_by_their_letters_alone() -> None:
    words = ["é", "e\u0301", "😀", "<30", "a\nb", "\u202eabc"]
    columns = count(pa.table({"word": words * 40})).total().columns
    assert columns["word"].distinct == 6
    assert columns["word"].fine.tolist() == [40] * 6 + [0, 0]

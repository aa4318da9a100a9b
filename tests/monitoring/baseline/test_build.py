"""Baselines of training data: the bins of every kind of column, the units, and the four files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.sinks import open_sink
from monitoring.baseline.baseline import Baseline
from monitoring.baseline.choose_bins import coarse_of_numbers, numeric_edges
from monitoring.errors import MonitoringError, UsageError
from monitoring.states.binning import FINE_BINS, ColumnKind
from tests.capture.samples import write_objects
from tests.monitoring.engines.test_local import traffic
from tests.monitoring.states.test_kernel import assert_equal


def columns_of(**columns: Any) -> Baseline:
    return Baseline.from_training(pa.table(columns))


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=3000))
def test_edges_are_strict_and_hold_every_value_between_the_outer_bins(values: list[float]) -> None:
    array = np.array(values)
    edges = numeric_edges(array, array.min(), array.max())
    assert (np.diff(edges) > 0).all()
    assert len(edges) + 1 <= FINE_BINS
    counts = np.bincount(np.searchsorted(edges, array, "left"), minlength=len(edges) + 1)
    assert (counts[0], counts[-1]) == (0, 0)
    coarse = coarse_of_numbers(array, edges)
    assert len(coarse) == len(edges) + 2
    assert set(np.diff(coarse)) <= {0, 1}


def test_bins_of_a_continuous_column_hold_a_510th_each() -> None:
    values = np.random.default_rng(1).standard_cauchy(100_000)
    baseline = columns_of(x=values)
    state = baseline.profile.total().columns["x"]
    assert state.fine.max() <= 2 * 100_000 / 510
    coarse = np.bincount(baseline.binning["x"].coarse_of_fine, state.fine)
    assert baseline.binning["x"].coarse == 21
    assert coarse[:-1] == pytest.approx(np.full(20, 5000), abs=300)


def test_values_that_training_never_saw_have_bins_of_their_own() -> None:
    baseline = columns_of(constant=[20] * 400, flag=[True, False] * 200)
    constant, flag = baseline.binning["constant"], baseline.binning["flag"]
    assert (constant.minimum, constant.maximum) == (20, 20)
    low, high = constant.outer
    counts = baseline.profile.total().columns["constant"].fine
    assert counts[low : len(counts) - high].tolist() == [0, 400, 0, 0]
    assert (flag.kind, flag.type_name) == (ColumnKind.NUMERIC, "bool")
    counts = baseline.profile.total().columns["flag"].fine
    low, high = flag.outer
    assert counts[low : len(counts) - high].tolist() == [0, 200, 200, 0, 0]


def test_every_kind_of_column_has_a_binning() -> None:
    baseline = columns_of(
        word=["a", "b", "b", None] * 50,
        empty=pa.nulls(200),
        nulls=pa.nulls(200, pa.float64()),
        nans=[float("nan")] * 200,
        series=[[1.0, 2.0], []] * 100,
        day=pa.array([19_000] * 200, pa.date32()),
        mostly=["1"] * 200,
        long=[f"{'long ' * 2000}{number}" for number in range(200)],
    )
    kinds = {name: binning.kind.value for name, binning in baseline.binning.items()}
    assert kinds == {
        "word": "categorical",
        "empty": "unknown",
        "nulls": "unknown",
        "nans": "unknown",
        "series": "list",
        "day": "unknown",
        "mostly": "categorical",
        "long": "categorical",
    }
    assert baseline.binning["word"].domain == ("b", "a")
    assert all(len(value.encode()) <= 256 for value in baseline.binning["long"].domain)
    assert len(baseline.binning["long"].domain) == 200
    state = baseline.profile.total()
    assert (state.columns["nans"].nans, state.columns["nulls"].missing) == (200, 200)


@pytest.mark.parametrize(
    "name",
    [
        "Phone No.",
        "helpful votes",
        "count",
        "unit",
        "bin",
        "größe",
        "<img src=x>",
        'a"b',
        "x" * 255,
        "capture_event_id2",
    ],
)
def test_any_name_is_a_column(name: str, tmp_path: Path) -> None:
    baseline = columns_of(**{name: [1, 2] * 200})
    baseline.save(str(tmp_path))
    assert list(Baseline.load(str(tmp_path)).binning) == [name]


def test_many_categories_have_a_domain_of_256_and_say_so() -> None:
    generator = np.random.default_rng(1)
    common = ["top"] * 3000
    baseline = columns_of(word=[*common, *(f"v{number}" for number in generator.integers(0, 5000, 7000))])
    binning = baseline.binning["word"]
    assert (len(binning.domain), binning.domain[0], binning.domain_complete, binning.coarse) == (256, "top", False, 3)
    state = baseline.profile.total().columns["word"]
    assert state.unseen == {}
    assert 3400 < state.distinct < 4400


def requests(count: int = 1200) -> pa.Table:
    """Requests of four rows: wind is the same in all rows of one, delay is not."""
    generator = np.random.default_rng(5)
    times = 1_767_268_800_000_000 + np.repeat(np.arange(count), 4) * 600_000_000
    return pa.table(
        {
            "request": np.repeat([f"r{number}" for number in range(count)], 4),
            "at": pa.array(times, pa.timestamp("us", "UTC")),
            "wind": np.repeat(generator.normal(size=count), 4),
            "delay": generator.normal(size=4 * count),
            "constant": np.ones(4 * count),
        }
    )


def test_units_are_requests_in_levels_of_equal_blocks_and_hours() -> None:
    baseline = Baseline.from_training(requests(20_000), id_column="request", time_column="at")
    units = baseline.units
    assert (units.requests, units.rows_are_units) == (20_000, False)
    assert [level.size for level in units.levels] == [1, 8, 64]
    assert [len(level.table) for level in units.levels] == [pytest.approx(2000, abs=150), 1000, 312]
    for level in units.levels:
        assert level.table.size == pytest.approx(level.size, rel=0.1)
        assert level.table.counts["delay"].sum(axis=1).tolist() == level.table.rows.tolist()
        assert level.table.counts["wind"].sum(axis=1).tolist() == level.table.requests.tolist()
    assert len(units.hours) == 20_000 // 6 + 1
    assert units.hours.requests.sum() == 20_000
    assert units.hours.counts["wind"].sum() == 20_000
    assert "request" not in baseline.binning
    assert "at" not in baseline.binning


def test_a_column_that_is_constant_within_requests_is_request_level() -> None:
    baseline = Baseline.from_training(requests(), id_column="request")
    assert {name: binning.request_level for name, binning in baseline.binning.items() if name != "at"} == {
        "wind": True,
        "delay": False,
        "constant": False,
    }
    assert baseline.profile.total().columns["wind"].rows == 1200


def test_rows_without_ids_are_units_and_the_baseline_says_so() -> None:
    baseline = Baseline.from_training(pa.table({"x": np.arange(5000.0)}))
    assert baseline.units.rows_are_units
    assert [level.size for level in baseline.units.levels] == [1, 8, 64]


def test_a_captured_period_makes_a_baseline_with_request_level_columns(tmp_path: Path) -> None:
    place = open_sink(f"file://{tmp_path}")
    for hour in range(3):
        write_objects(place, traffic(hour), batch=f"batch-{hour}")
    baseline = Baseline.from_captured(str(tmp_path))
    assert baseline.binning["wind"].request_level
    assert baseline.predictions == ("prediction",)
    assert (baseline.profile.events, len(baseline.units.hours)) == (120, 3)
    assert not baseline.units.rows_are_units


def test_a_baseline_survives_its_directory(tmp_path: Path) -> None:
    baseline = Baseline.from_training(requests(), id_column="request", time_column="at")
    baseline.save(str(tmp_path / "baseline"))
    assert sorted(path.name for path in (tmp_path / "baseline").iterdir()) == [
        "baseline.arrow",
        "constraints.json",
        "statistics.json",
        "units.arrow",
    ]
    read = Baseline.load(str(tmp_path / "baseline"))
    assert (read.id, read.source, read.notes) == (baseline.id, baseline.source, baseline.notes)
    assert_equal(read.profile.total(), baseline.profile.total())
    assert read.constraints == baseline.constraints
    for ours, theirs in zip(read.units.levels, baseline.units.levels, strict=True):
        assert np.array_equal(ours.table.counts["delay"], theirs.table.counts["delay"])


def test_the_same_data_gives_the_same_id_and_other_data_another() -> None:
    assert columns_of(x=[1.0, 2.0] * 50).id == columns_of(x=[1.0, 2.0] * 50).id
    assert columns_of(x=[1.0, 2.0] * 50).id != columns_of(x=[1.0, 2.5] * 50).id


def test_model_monitors_two_files_are_a_baseline_without_units(tmp_path: Path) -> None:
    Baseline.from_training(requests(), id_column="request").save(str(tmp_path))
    (tmp_path / "baseline.arrow").unlink()
    (tmp_path / "units.arrow").unlink()
    baseline = Baseline.load(str(tmp_path))
    assert baseline.units.levels == ()
    assert baseline.binning["delay"].fine > 400


@pytest.mark.parametrize("form", ["arrow", "pandas", "polars", "parquet", "csv"])
def test_every_form_of_a_table_gives_the_same_bins(form: str, tmp_path: Path) -> None:
    table = pa.table({"x": np.random.default_rng(1).normal(size=600), "word": ["a", "b", None] * 200})
    given_data: Any = table
    if form == "pandas":
        given_data = table.to_pandas()
    elif form == "polars":
        given_data = pl.from_arrow(table)
    elif form == "parquet":
        given_data = tmp_path / "train.parquet"
        pq.write_table(table, given_data)
    elif form == "csv":
        given_data = tmp_path / "train.csv"
        pyarrow.csv.write_csv(table, given_data)
    baseline = Baseline.from_training(given_data)
    state = baseline.profile.total().columns
    assert np.array_equal(baseline.binning["x"].edges, columns_of(x=table["x"]).binning["x"].edges)
    assert (state["word"].missing, baseline.binning["word"].domain) == (200, ("a", "b"))


def test_a_pandas_column_of_mixed_objects_keeps_most_and_counts_the_others_by_kind() -> None:
    frame = pd.DataFrame({"mixed": [1, 2.5, "three", None, True] * 20, "word": ["a"] * 100})
    state = Baseline.from_training(frame).profile.total().columns["mixed"]
    assert (state.rows, state.missing, state.rescued) == (100, 20, 40)
    assert state.kinds.tolist() == [20, 20, 20, 20, 0, 0]


def test_nothing_to_read_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no \.parquet or \.csv file"):
        Baseline.from_training(tmp_path)
    with pytest.raises(MonitoringError, match="no row"):
        columns_of(x=pa.array([], pa.float64()))
    with pytest.raises(MonitoringError, match=r"neither baseline\.arrow nor statistics\.json"):
        Baseline.load(str(tmp_path))
    with pytest.raises(UsageError, match="list is not data"):
        Baseline.from_training([1, 2])
    with pytest.raises(UsageError, match="two columns are called 'a'"):
        Baseline.from_training(pa.table([[1], [2]], names=["a", "a"]))

"""Model Monitor's two files alone are a baseline: its own training data is ordinary, and what moved is found."""

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest

from monitoring.baseline.baseline import Baseline
from monitoring.monitor import Monitor
from monitoring.result import Outcome, Status


def table(rows=600, shift=0.0, seed=3):
    rng = np.random.default_rng(seed)
    values = rng.normal(shift, 1, rows)
    return pa.table(
        {
            "x": values,
            "gust": pa.array([None if number % 3 else float(number % 11) for number in range(rows)], pa.float64()),
            "count": rng.poisson(4, rows),
            "flag": rng.random(rows) < 0.3,
            "zero": [0.0] * rows,
            "empty": pa.nulls(rows, pa.float64()),
            "kind": rng.choice(["a", "b", "<30", "é", ""], rows),
            "id": [f"id-{number}" for number in range(rows)],
            "long": rng.choice(["x" * 9000, "y" * 9000], rows),
            "day": [dt.date(2026, 1, 1 + number % 28) for number in range(rows)],
            "price": [decimal.Decimal(number % 50) / 4 for number in range(rows)],
            "vector": [[0.5, 1.5]] * rows,
            'größe "q" <b>': values > 0,
        }
    )


@pytest.fixture(scope="module")
def service_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baseline")
    Baseline.from_training(table()).save(str(folder))
    for name in ("baseline.arrow", "units.arrow"):
        (folder / name).unlink()
    return str(folder)


def test_every_column_comes_back_under_its_name_in_its_order(service_files):
    baseline = Baseline.load(service_files)
    assert list(baseline.binning) == table().column_names
    assert baseline.profile.rows == 600
    assert baseline.constraints.names == tuple(table().column_names)


def test_the_training_data_itself_is_ordinary(service_files):
    report = Monitor(service_files).run(table())
    assert (report.violations, report.drifted, report.outcome) == ((), (), Outcome.OK)


def test_other_rows_of_the_same_world_are_ordinary(service_files):
    report = Monitor(service_files).run(table(500, seed=4))
    assert [violation for violation in report.violations if violation.feature_name != "id"] == []


def test_a_column_that_moved_is_found_and_the_missing_columns_are_named(service_files):
    window = table(500, shift=2.0, seed=5).drop_columns(["kind"])
    report = Monitor(service_files).run(window)
    assert "x" in report.drifted
    assert ("kind", "missing_column_check") in {(v.feature_name, v.constraint_check_type) for v in report.violations}
    assert {column.name for column in report.result.columns if column.status is Status.DRIFT} <= {"x", 'größe "q" <b>'}


def test_the_index_that_pandas_writes_is_no_column(tmp_path):
    frame = table(200).select(["x", "kind"]).to_pandas()
    frame[frame.x > -9].iloc[::2].to_parquet(tmp_path / "train.parquet")
    baseline = Baseline.from_training(str(tmp_path / "train.parquet"))
    assert list(baseline.binning) == ["x", "kind"]
    assert Monitor(baseline).run(table(90).select(["x", "kind"])).violations == ()

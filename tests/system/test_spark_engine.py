"""Spark and threads give equal states: counts exactly, sums of floats to 1e-12 relative."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture.sinks import open_sink
from examples.flights import data
from monitoring.baseline.baseline import Baseline
from monitoring.engines.local import LocalEngine
from monitoring.engines.spark import SparkEngine, end_session
from monitoring.engines.window import count_groups, count_window
from monitoring.errors import UsageError
from monitoring.source.captured import CapturedSource
from monitoring.source.managed_source import baseline_columns, summed
from monitoring.source.open import open_rows
from tests.capture.samples import write_objects
from tests.monitoring.engines.test_local import TRAINING, traffic
from tests.monitoring.source.managed_lines_of import body, line
from tests.monitoring.states.test_kernel import assert_equal


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    pyspark = pytest.importorskip("pyspark.sql")
    work = tmp_path_factory.mktemp("spark")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = pyspark.SparkSession.builder.master("local[2]").appName("monitoring tests")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(work / "local"),
        "spark.sql.warehouse.dir": str(work / "warehouse"),
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    with SparkEngine(session=session) as engine:
        yield engine
    end_session(session)
    shutil.rmtree(work, ignore_errors=True)


def hostile(seed: int, rows: int = 3000) -> pa.Table:
    """Rows with nulls, NaN, infinities, an empty column, and a column whose type depends on the seed."""
    generator = np.random.default_rng(seed)
    heavy = generator.standard_cauchy(rows)
    heavy[:30], heavy[30:60], heavy[60:70] = np.nan, np.inf, -np.inf
    shifting = generator.integers(0, 9, rows)
    types = [pa.int64(), pa.float64(), pa.string(), pa.bool_()]
    return pa.table(
        {
            "request": [f"{seed}-{number // 7}" for number in range(rows)],
            "heavy": pa.array(heavy, mask=generator.random(rows) < 0.1),
            "word": generator.choice(["a", "b", "c", "d"], rows),
            "many": [f"v{number}" for number in generator.integers(0, 5000, rows)],
            "empty": pa.nulls(rows, pa.float64()),
            "shifting": pa.array(shifting).cast(types[seed % 4]),
            "series": pa.array([[1.0] * (number % 4) for number in range(rows)]),
        }
    )


def with_request(flights: pd.DataFrame) -> pd.DataFrame:
    """Returns the features with the request of each flight: its airport and hour."""
    requests = (flights["origin"].astype(str) + flights["hour_key"].astype(str)).to_numpy()
    return data.featured(flights).assign(request=requests)


def test_generated_rows_of_changing_types_give_equal_states(spark: SparkEngine, tmp_path: Path) -> None:
    for seed in range(8):
        pq.write_table(hostile(seed), tmp_path / f"{seed}.parquet", row_group_size=700)
    baseline = Baseline.from_training(hostile(100), id_column="request")
    source = open_rows(tmp_path, id_column="request")
    ours, theirs = (count_window(source, None, baseline, engine) for engine in (LocalEngine(2), spark))
    assert_equal(ours.total(), theirs.total())
    assert set(ours.total().columns["shifting"].types) == {"int64", "double", "string", "bool"}


def test_the_flights_give_equal_states(spark: SparkEngine, tmp_path: Path) -> None:
    flights = data.flights()
    july, training = (
        with_request(flights[flights["date"].str.startswith("2013-07")]),
        with_request(data.training_rows()),
    )
    for number in range(5):
        july[july["weekday"] % 5 == number].to_parquet(tmp_path / f"{number}.parquet")
    baseline = Baseline.from_training(training, id_column="request")
    source = open_rows(tmp_path, id_column="request")
    ours, theirs = (count_window(source, None, baseline, engine) for engine in (LocalEngine(1), spark))
    assert ours.rows > 25_000
    assert_equal(ours.total(), theirs.total())


def test_captured_hours_are_counted_one_by_one_and_duplicates_once(spark: SparkEngine, tmp_path: Path) -> None:
    place = open_sink(f"file://{tmp_path}")
    for hour in range(3):
        for number in range(10):
            write_objects(place, traffic(hour)[number::10], batch=f"batch-{hour}-{number:02d}")
    write_objects(place, traffic(1)[3:9], batch="synced-again")
    baseline = Baseline.from_training(TRAINING)
    source = CapturedSource(str(tmp_path))
    ours = list(count_groups(source, None, baseline, LocalEngine(2)))
    theirs = list(count_groups(source, None, baseline, spark))
    assert [entry.profile.duplicates for entry in theirs] == [0, 12, 0]
    for our, their in zip(ours, theirs, strict=True):
        assert our.group.hour == their.group.hour
        assert_equal(our.profile.total(), their.profile.total())
    assert_equal(
        count_window(source, None, baseline, spark).total(),
        count_window(source, None, baseline, LocalEngine(1)).total(),
    )


def test_what_the_managed_service_captured_is_counted_alike(spark: SparkEngine, tmp_path: Path) -> None:
    baseline = Baseline.from_training(pa.table({"a": [float(n % 7) for n in range(200)], "kind": ["x", "y"] * 100}))
    for number in range(3):
        hour = tmp_path / "endpoint" / "AllTraffic" / "2026" / "01" / "01" / f"{number:02d}"
        hour.mkdir(parents=True)
        lines = [line(f"{n % 5},{'xyz'[n % 3]}", "0.5", f"{number}-{n}", None) for n in range(50)]
        (hour / "05-12-345-one.jsonl").write_bytes(body(*lines))
    source = open_rows(str(tmp_path), columns=baseline_columns(baseline.binning))
    ours, theirs = (count_window(source, None, baseline, engine) for engine in (LocalEngine(1), spark))
    assert ours.rows == 150
    assert_equal(ours.total(), theirs.total())
    assert summed(ours) == summed(theirs) == ("150 of 150 events have no time: the hour of their object serves",)


def test_what_spark_cannot_count_is_one_line(spark: SparkEngine) -> None:
    baseline = Baseline.from_training(TRAINING)
    with pytest.raises(UsageError, match="table in memory"):
        count_window(open_rows(TRAINING), None, baseline, spark)

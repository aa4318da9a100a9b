"""Spark reads what the shipper writes, in the types that DESIGN section 5 says, and as one table over several objects.

Spark needs a Java with modules that the trimmed one from PyPI lacks, so this test stands with those that install what
they need.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from capture import CaptureBuffer, CaptureConfig, Features, Lookup, new_event_id
from monitoring.engines.spark import end_session

ROWS = 40
TIME = dt.datetime(2026, 11, 24, 15, 59, 59, 250_000, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def _nanoseconds(time: dt.datetime) -> int:
    return int(time.timestamp() * 1e6) * 1000


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    work = tmp_path_factory.mktemp("spark")
    builder = SparkSession.builder.master("local[1]").appName("captured data")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(work / "local"),
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    end_session(session)
    shutil.rmtree(work, ignore_errors=True)


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of two hours, so two objects: the second has a column more, which the first must not miss."""
    root = tmp_path_factory.mktemp("captured")
    types = {"seats": "int64", "delay": "double"}
    config = CaptureConfig(destination=f"file://{root}/out", spool_dir=root / "spool", types=types)
    buffer = CaptureBuffer(config)
    for number in range(ROWS // 2):
        later = number % 2 == 1
        time = TIME + (HOUR if later else 0 * HOUR) + number * dt.timedelta(milliseconds=1)
        items: list[dict[str, Any]] = [{"seats": number, "tail": f"N{number}", "delay": None} for _ in range(2)]
        if later:
            items[0]["extra"] = True
        assert buffer.append(
            Features(request={"airport": "JFK"}, items=items),
            [0.25, 0.75],
            event_id=new_event_id(partial(_nanoseconds, time)),
            lookups={"weather": Lookup(time.timestamp() - 60, 1)},
        )
    assert buffer.close(timeout=60)
    return root / "out"


def test_spark_reads_every_row_and_every_type(spark: SparkSession, captured: Path) -> None:
    objects = sorted(str(path) for path in captured.glob("local/**/*.parquet"))
    assert len(objects) == 2
    table = spark.read.option("mergeSchema", "true").parquet(*objects)
    types = dict(table.dtypes)
    assert table.count() == ROWS
    assert types["capture_event_time"] == "timestamp"
    assert types["capture_item_index"] == "int"
    assert types["capture_endpoint_name"] == "string"
    assert types["seats"] == "bigint"
    assert types["delay"] == "double"
    assert types["tail"] == "string"
    assert types["airport"] == "string"
    assert types["extra"] == "boolean"
    assert types["prediction"] == "double"
    assert types["capture_age_weather"] == "double"
    assert types["capture_missing_weather"] == "int"


def test_spark_finds_the_values_that_were_appended(spark: SparkSession, captured: Path) -> None:
    objects = sorted(str(path) for path in captured.glob("local/**/*.parquet"))
    table = spark.read.option("mergeSchema", "true").parquet(*objects)
    rows = table.where("seats = 3").orderBy("capture_item_index").collect()
    expected = (TIME + HOUR + dt.timedelta(milliseconds=3)).replace(tzinfo=None)
    assert [row.capture_event_time for row in rows] == [expected, expected]
    assert [row.prediction for row in rows] == [0.25, 0.75]
    assert [row.extra for row in rows] == [True, None]
    assert [row.tail for row in rows] == ["N3", "N3"]
    assert rows[0].capture_age_weather == pytest.approx(60.0)
    assert rows[0].capture_missing_weather == 1

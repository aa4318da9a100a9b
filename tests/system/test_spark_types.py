"""Spark reads every type of a captured object by its own reader, in a process of its own."""

import datetime as dt
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from capture.encoding import EncodedObject
from capture.record import Rows
from tests.capture.samples import encode, event

PROGRAM = """
import json, sys
from pyspark.sql import SparkSession
session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
frame = session.read.parquet(sys.argv[1])
rows = [row.asDict() for row in frame.drop("capture_event_time").orderBy("capture_event_id", "capture_item_index").collect()]
print(json.dumps({"types": dict(frame.dtypes), "rows": rows}, default=str))
"""


def read_by_spark(made: EncodedObject, directory: Path) -> Any:
    """Spark's types by column, and its rows by event and item."""
    (directory / "captured.parquet").write_bytes(made.body)
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(directory)}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(directory / "captured.parquet")]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_spark_reads_every_row_in_its_types(tmp_path: Path) -> None:
    names = ("x", "f", "n", "s", "flag", "l")
    item_rows = [
        (1.5, np.float32(0.5), np.int64(3), "a", True, [1.0, 2.0]),
        (2.5, np.float32(0.25), np.int64(4), None, False, []),
    ]
    made = encode(*[event(Rows(names, item_rows), request={"city": f"c{n}"}, number=n) for n in range(5)])
    found = read_by_spark(made, tmp_path)
    assert {name: found["types"][name] for name in (*names, "city", "capture_event_time", "capture_item_index")} == {
        "x": "double", "f": "float", "n": "bigint", "s": "string", "flag": "boolean", "l": "array<double>", "city": "string",
        "capture_event_time": "timestamp", "capture_item_index": "int",
    }  # fmt: skip
    assert len(found["rows"]) == 10
    for number, row in enumerate(found["rows"]):
        x, f, n, s, flag, numbers = item_rows[number % 2]
        assert [row[name] for name in (*names, "city")] == [x, float(f), int(n), s, flag, numbers, f"c{number // 2}"]


def test_spark_reads_numbers_and_days_from_dictionaries(tmp_path: Path) -> None:
    names = ("whole", "small", "large", "real", "single", "day")
    item_rows = [
        (np.int64(2**63 - 1), np.int8(-2), np.uint64(2**64 - 1), 0.1, np.float32(0.5), dt.date(1969, 12, 31)),
        (np.int64(-(2**63)), np.int8(3), np.uint64(0), -2.5, np.float32(0.1), dt.date(2013, 7, 1)),
        (None, None, None, None, None, None),
    ]
    requests = [{"humid": float(number % 7) / 3} for number in range(200)]
    events = [event(Rows(names, item_rows), request=request, number=1000 + n) for n, request in enumerate(requests)]
    made = encode(*events)
    group = pq.ParquetFile(io.BytesIO(made.body)).metadata.row_group(0)
    chunks = [group.column(position) for position in range(group.num_columns)]
    assert {*names, "humid"} <= {chunk.path_in_schema for chunk in chunks if "RLE_DICTIONARY" in chunk.encodings}
    found = read_by_spark(made, tmp_path)
    assert {name: found["types"][name] for name in (*names, "humid")} == {
        "whole": "bigint", "small": "tinyint", "large": "decimal(20,0)", "real": "double", "single": "float", "day": "date",
        "humid": "double",
    }  # fmt: skip
    assert len(found["rows"]) == 600
    for number, row in enumerate(found["rows"]):
        whole, small, large, real, single, day = item_rows[number % 3]
        texts = [None if value is None else str(value) for value in (large, day)]
        assert [row[name] for name in ("whole", "small", "real")] == [whole, small, real]
        assert [row[name] for name in ("large", "day")] == texts
        assert row["single"] == (None if single is None else float(single))
        assert row["humid"] == requests[number // 3]["humid"]

"""Spark reads every type of a captured object by its own reader, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from capture.record import Rows
from tests.capture.samples import encode, event

PROGRAM = """
import json, sys
from pyspark.sql import SparkSession
session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
frame = session.read.parquet(sys.argv[1])
rows = [row.asDict() for row in frame.drop("capture_event_time").orderBy("capture_event_id", "capture_item_index").collect()]
print(json.dumps({"types": dict(frame.dtypes), "rows": rows}))
"""


def test_spark_reads_every_row_in_its_types(tmp_path: Path) -> None:
    names = ("x", "f", "n", "s", "flag", "l")
    item_rows = [
        (1.5, np.float32(0.5), np.int64(3), "a", True, [1.0, 2.0]),
        (2.5, np.float32(0.25), np.int64(4), None, False, []),
    ]
    made = encode(*[event(Rows(names, item_rows), request={"city": f"c{n}"}, number=n) for n in range(5)])
    (tmp_path / "captured.parquet").write_bytes(made.body)
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path / "captured.parquet")]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {name: found["types"][name] for name in (*names, "city", "capture_event_time", "capture_item_index")} == {
        "x": "double", "f": "float", "n": "bigint", "s": "string", "flag": "boolean", "l": "array<double>", "city": "string",
        "capture_event_time": "timestamp", "capture_item_index": "int",
    }  # fmt: skip
    assert len(found["rows"]) == 10
    for number, row in enumerate(found["rows"]):
        x, f, n, s, flag, numbers = item_rows[number % 2]
        assert [row[name] for name in (*names, "city")] == [x, float(f), int(n), s, flag, numbers, f"c{number // 2}"]

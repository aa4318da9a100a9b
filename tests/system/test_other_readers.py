"""The lines of docs/dataset.md for Spark and awswrangler read every row, also below a folder that looks like a Hive partition.

Each has an environment that the other tests do not: Spark needs a whole Java, awswrangler an older pyarrow (`make test-system`
installs both). The lines for the other readers are tested in `tests/capture/test_other_readers.py`.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from capture.sinks import open_sink
from monitoring.engines.spark import end_session
from tests.capture.samples import HOUR, NOON, event, write_ledger, write_objects
from tests.s3_server import S3Server

ROOT = Path(__file__).resolve().parents[2]
AWSWRANGLER = ROOT / ".venv-awswrangler" / "bin" / "python"


def write_captured(uri: str) -> None:
    """Writes two objects of an hour each, with different columns, and a ledger."""
    place = open_sink(uri)
    objects = write_objects(
        place, [event({"a": 1.5, "b": "x"}), event({"a": 2.5, "c": True}, number=2, time=NOON + HOUR)]
    )
    write_ledger(place, objects, until=NOON + 2 * HOUR)


def documented(library: str) -> str:
    """Returns the expression of the document that reads with a library."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/dataset.md").read_text(), re.DOTALL)
    [block] = [code for code in blocks if "duckdb.sql" in code]
    texts = [ast.unparse(statement) for statement in ast.parse(block).body if isinstance(statement, ast.Expr)]
    [found] = [text for text in texts if text.startswith(f"{library}.")]
    return found


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[SparkSession]:
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", str(tmp_path / "local"))
        .getOrCreate()
    )
    yield session
    end_session(session)


def test_the_documents_line_for_spark_reads_every_row(spark: SparkSession, tmp_path: Path) -> None:
    prefix = tmp_path / "team=ml" / "captured"
    write_captured(prefix.as_uri())
    table = eval(documented("spark"), {"spark": spark, "prefix": str(prefix)})  # noqa: S307  (the document is ours)
    assert [(row.a, row.b, row.c) for row in table.orderBy("a").collect()] == [(1.5, "x", None), (2.5, None, True)]
    assert "team" not in table.columns


def test_the_documents_line_for_awswrangler_reads_every_row(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AWSWRANGLER.exists(), "run `make test-system`, which installs it"
    prefix = f"s3://{s3_server.new_bucket()}/team=ml/captured"
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    write_captured(prefix)
    program = (
        f"import awswrangler\nprefix = {prefix!r}\nframe = {documented('awswrangler')}\n"
        "frame['capture_event_time'] = frame['capture_event_time'].astype(str)\n"
        "print(frame.sort_values('a')[['a', 'b', 'c']].to_json(orient='values'), 'team' in frame)"
    )
    environment = {**os.environ, "AWS_ENDPOINT_URL": s3_server.endpoint}
    ended = subprocess.run([AWSWRANGLER, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    rows, partitioned = ended.stdout.rsplit(maxsplit=1)
    assert json.loads(rows) == [[1.5, "x", None], [2.5, None, True]]
    assert partitioned == "False"

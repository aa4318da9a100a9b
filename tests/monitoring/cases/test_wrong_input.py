"""Wrong input: one line that says what to do, the right exit code, and what can be computed is computed and marked."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring import Monitor
from monitoring.__main__ import main
from monitoring.errors import UsageError
from tests.s3_server import S3Server

NAIVE = dt.datetime(2026, 7, 1)  # noqa: DTZ001 - a time without a zone is what is tried


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Training data, and a window of two files that is like it."""
    (tmp_path / "window").mkdir()
    _write(tmp_path / "train.parquet", 900)
    _write(tmp_path / "window/a.parquet", 200)
    _write(tmp_path / "window/c.parquet", 200)
    return tmp_path


def _write(path: Path, rows: int, **more: Any) -> None:
    rng = np.random.default_rng(crc32(path.name.encode()))
    times = [NAIVE + dt.timedelta(seconds=20 * number) for number in range(rows)]
    columns = {"price": rng.normal(10, 2, rows), "shop": rng.choice(["a", "b"], rows), "at": times} | more
    pq.write_table(pa.table(columns), path)


class Ran:
    """What a command gave: exit code, output, and its one line on stderr."""

    def __init__(self, code: int, output: str, errors: str) -> None:
        assert len(errors.splitlines()) <= 1
        self.code, self.output, self.error = code, " ".join(output.split()), errors


@pytest.fixture
def run(data: Path, capsys):
    def command(*flags: str, captured: str = "window", baseline: str = "train.parquet") -> Ran:
        where = {"--captured": captured, "--baseline": baseline}
        given = [part for flag, name in where.items() for part in (flag, name if "://" in name else str(data / name))]
        code = main(["run", *given, "--ignore", "at", *flags])
        return Ran(code, *capsys.readouterr())

    return command


def test_a_corrupt_file_among_good_ones_is_named_and_the_rest_is_judged(data: Path, run) -> None:
    whole = (data / "window/a.parquet").read_bytes()
    (data / "window/b.parquet").write_bytes(whole[: len(whole) // 2])
    (data / "window/empty.parquet").write_bytes(b"")
    found = run()
    assert (found.code, found.error) == (0, "")
    assert "400 rows" in found.output
    assert "cannot read" in found.output
    assert "b.parquet" in found.output
    assert "empty.parquet" in found.output


def test_a_window_of_corrupt_files_only_is_not_judged_and_names_them(data: Path, run) -> None:
    (data / "bad").mkdir()
    (data / "bad/b.parquet").write_bytes(b"PAR1 this is not Parquet PAR1")
    found = run(captured="bad")
    assert found.code == 4
    assert "No data: nothing readable arrived" in found.output
    assert "bad/b.parquet" in found.output


def test_a_baseline_of_another_schema_gives_missing_and_extra_columns(data: Path, run) -> None:
    pq.write_table(
        pa.table({"city": ["x", "y", "z"] * 200, "size": [float(number % 7) for number in range(600)]}),
        data / "other.parquet",
    )
    found = run("--json", baseline="other.parquet")
    checks = {(v["feature_name"], v["constraint_check_type"]) for v in json.loads(found.output)["violations"]}
    assert found.code == 3
    assert {("city", "missing_column_check"), ("size", "missing_column_check")} <= checks
    assert {("price", "extra_column_check"), ("shop", "extra_column_check")} <= checks


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"version"', "is not JSON"),
        ('{"version": 0, "features": [{"nam": 1}]}', "features[0] has no `name`"),
        (None, "there is no baseline in"),
    ],
)
def test_a_broken_baseline_is_one_line_and_exit_code_1(data: Path, run, content: str | None, words: str) -> None:
    (data / "broken").mkdir()
    if content is not None:
        (data / "broken/statistics.json").write_text(content)
    found = run(baseline="broken")
    assert found.code == 1
    assert words in found.error


def test_a_column_of_another_type_is_a_violation_and_the_others_are_judged(data: Path, run) -> None:
    _write(data / "window/b.parquet", 200, price=["cheap"] * 200)
    found = run("--json")
    result = json.loads(found.output)
    assert found.code == 3
    [typed] = [v for v in result["violations"] if v["constraint_check_type"] == "data_type_check"]
    assert (typed["feature_name"], "200 strings" in typed["sentence"]) == ("price", True)
    assert {c["name"]: c["status"] for c in result["columns"]}["shop"] == "no drift"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--start", "2026-07-02", "--end", "2026-07-01"], "its end must lie after its start"),
        (["--start", "2026-07-01T01:00", "--end", "2026-07-01T01:00"], "its end must lie after its start"),
    ],
)
def test_dates_the_wrong_way_round_are_wrong_usage(run, flags: list[str], words: str) -> None:
    found = run("--time-column", "at", *flags)
    assert found.code == 2
    assert words in found.error


def test_dates_without_a_zone_are_utc_and_the_report_says_so(run) -> None:
    found = run("--time-column", "at", "--start", "2026-07-01T00:30", "--end", "2026-07-01T01:00")
    assert found.code == 0
    assert "Jul 1 00:30 to 01:00 UTC" in found.output
    assert "180 rows" in found.output
    assert "The times in at have no zone: they are taken as UTC." in found.output


def test_a_time_without_a_zone_is_refused_in_python() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0] * 50})
    with pytest.raises(UsageError, match=r"start has no zone: .* write 2026-07-01T00:00:00\+00:00 for UTC"):
        Monitor(table).run(table, start=NAIVE, end=NAIVE + dt.timedelta(days=1))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--id-column", "order"], "it has no column 'order'"),
        (["--time-column", "when"], "it has no column 'when'"),
        (["--start", "2026-07-01"], "name the column of the times with --time-column"),
    ],
)
def test_a_named_column_that_no_file_has_is_never_passed_over(run, flags: list[str], words: str) -> None:
    found = run(*flags)
    assert found.code == 4
    assert words in found.output


def test_a_wrong_key_for_the_bucket_is_one_line_and_exit_code_1(
    s3_server: S3Server, s3_bucket: str, data: Path, run, monkeypatch
) -> None:
    s3_server.client().upload_file(str(data / "window/a.parquet"), s3_bucket, "window/a.parquet")
    assert run(captured=f"s3://{s3_bucket}/window").code == 0
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    found = run(captured=f"s3://{s3_bucket}/window")
    assert found.code == 1
    assert s3_bucket in found.error
    found = run(baseline=f"s3://{s3_bucket}/baseline")
    assert found.code == 1
    assert s3_bucket in found.error


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b[0m",
    "é" * 127 + "x",
    "a`b|c",
    "capture_model_version",
    "=1+1",
]


def test_hostile_names_and_values_are_shown_and_never_acted_on(data: Path, capsys) -> None:
    before = {name: ["ok", "\x1b[2J", "<script>alert(2)</script>"] * 200 for name in HOSTILE}
    after = {name: ["ok", "\x1b]0;title\x07", "</script><script>alert(3)</script>"] * 100 for name in HOSTILE}
    pq.write_table(pa.table(before), data / "before.parquet")
    pq.write_table(pa.table(after), data / "after.parquet")
    given = ["--baseline", str(data / "before.parquet"), "--captured", str(data / "after.parquet")]
    assert main(["run", *given, "--output", str(data / "out"), "--all"]) == 3
    output, errors = capsys.readouterr()
    page = (data / "out/report.html").read_text()
    assert errors == ""
    for text in (output, page):
        assert not {"\x1b", "\x07", "\x9b"} & set(text)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    result = json.loads((data / "out/result.json").read_text())
    assert {column["name"] for column in result["columns"]} == set(HOSTILE) - {"capture_model_version"}

"""`capture stats`, the lines in CloudWatch's embedded metric format, and the page that explains every counter."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import CaptureBuffer
from capture.__main__ import main
from capture.journal.counters import REFUSALS, WriterCounters
from capture.shipping import emf
from capture.shipping.stats import Stats, read_stats
from tests.capture.spools import settings

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
LOST = ("spool_limit", "corrupt", "missing", "unknown", "unencodable")
"""What the shipper counts as lost, in `capture/shipping`; `REFUSALS` are what `append` turns away."""


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Path]:
    """Of 20 records some wait and some are sampled out; 40 cannot be captured, of which sampling leaves out some."""
    opened = CaptureBuffer(settings(tmp_path, sampling_percentage=50.0), start_shipper=False)
    for number in range(20):
        assert opened.append({"n": number}, 0.5, inference_id=f"call-{number}")
    for _ in range(40):
        opened.append({"bad": object()}, 0.5)
    yield tmp_path / "spool"
    opened.close(0)


def stats_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["stats", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_a_program_gets_every_counter_and_they_add_up(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(stats_of(capsys, "--spool", spool, "--json"))
    assert set(found) == set(Stats.__struct_fields__)
    assert found["appended"] == 60
    assert found["waiting"] > 0
    assert found["sampled_out"] > 0
    assert found["dropped"]["unencodable"] > 0
    total = found["shipped"] + found["waiting"] + sum(found["dropped"].values()) + found["sampled_out"]
    assert found["appended"] == total
    assert 0 < found["append_mean_us"] <= found["append_max_us"]
    assert found["append_count"] == 60


def test_a_person_gets_the_same_in_words(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stats = read_stats(spool)
    said = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in stats_of(capsys, "--spool", spool).splitlines())
    assert said["appended"] == "60"
    assert said["waiting"].startswith(f"{stats.waiting} ({stats.backlog_bytes:,} bytes")
    assert said["dropped"] == f"unencodable {stats.dropped['unencodable']}"
    assert said["sampled out"] == str(stats.sampled_out)
    assert said["append"].endswith("over 60 calls")


def test_the_spool_of_the_settings_is_the_one_that_is_meant(
    spool: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTURE_DESTINATION", f"file://{spool.parent}/captured")
    monkeypatch.setenv("CAPTURE_SPOOL_DIR", str(spool))
    assert json.loads(stats_of(capsys, "--json"))["appended"] == 60


def test_no_spool_is_one_line_and_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--spool", str(tmp_path / "none")]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"there is no spool at {tmp_path}/none" in err


# --- the embedded metric format ---------------------------------------------------------------------------------------


def assert_embedded_metrics(line: str) -> dict[str, Any]:
    """Asserts what CloudWatch's specification of the format asks of a document, with its own model's units."""
    document: dict[str, Any] = json.loads(line)
    about = document["_aws"]
    assert isinstance(about["Timestamp"], int)
    assert 1_600_000_000_000 < about["Timestamp"] < 4_000_000_000_000, "milliseconds since 1970"
    model = botocore.session.get_session().get_service_model("cloudwatch")
    units = set(model.shape_for("StandardUnit").metadata["enum"])
    (directive,) = about["CloudWatchMetrics"]
    assert re.fullmatch(r"[^:\s][^:]{0,254}", directive["Namespace"])
    assert 0 < len(directive["Metrics"]) <= 100
    for metric in directive["Metrics"]:
        assert set(metric) <= {"Name", "Unit", "StorageResolution"}
        assert metric["Unit"] in units
        value = document[metric["Name"]]
        assert isinstance(value, int | float)
        assert not isinstance(value, bool)
    for dimensions in directive["Dimensions"]:
        assert len(dimensions) <= 30
        assert all(isinstance(document[name], str) and document[name] for name in dimensions)
    return document


def line_of(stats: Stats, before: emf.EmittedTotals | None = None) -> str:
    return emf.line(stats, before or emf.EmittedTotals(), "flights", "AllTraffic", "machine-1", 1_790_000_000_000)


def test_a_line_is_of_the_embedded_metric_format_and_says_what_stats_say(spool: Path) -> None:
    stats = read_stats(spool)
    line = line_of(stats)
    assert "\n" not in line
    found = assert_embedded_metrics(line)
    assert (found["Endpoint"], found["Variant"], found["Instance"]) == ("flights", "AllTraffic", "machine-1")
    parts = found["Shipped"] + found["Waiting"] + found["Dropped"] + found["SampledOut"]
    assert found["Appended"] == stats.appended == parts
    assert (found["BacklogBytes"], found["SpoolBytes"]) == (stats.backlog_bytes, stats.spool_bytes)
    assert found["DroppedBy"] == stats.dropped
    assert found["AppendMean"] == pytest.approx(stats.append_mean_us, abs=0.001)
    assert (found["AppendP99"], found["AppendMax"]) == (stats.append_p99_us, stats.append_max_us)


def test_counters_of_a_line_are_differences_to_the_line_before(spool: Path) -> None:
    stats = read_stats(spool)
    before = emf.EmittedTotals.of(stats)
    grown = msgspec.structs.replace(
        stats,
        appended=stats.appended + 5,
        shipped=stats.shipped + 3,
        dropped={**stats.dropped, "corrupt": 2},
        append_count=stats.append_count + 5,
        append_mean_us=(stats.append_count * stats.append_mean_us + 5 * 7.0) / (stats.append_count + 5),
    )
    found = assert_embedded_metrics(line_of(grown, before))
    assert (found["Appended"], found["Shipped"], found["Dropped"], found["SampledOut"]) == (5, 3, 2, 0)
    assert found["DroppedBy"] == {"corrupt": 2}
    assert found["AppendMean"] == pytest.approx(7.0, abs=0.01)
    quiet = assert_embedded_metrics(line_of(stats, before))
    assert (quiet["Appended"], quiet["Dropped"], quiet["DroppedBy"], quiet["AppendMean"]) == (0, 0, {}, 0.0)


def test_a_shipper_that_is_started_again_counts_no_record_twice(spool: Path, tmp_path: Path) -> None:
    lines = []
    for damaged in (None, None, b"{"):
        out = io.StringIO()
        if damaged:
            (spool / "metrics.json").write_bytes(damaged)
        metrics = emf.MetricLines(out, spool, settings(tmp_path), "machine-1", lambda: 1_790_000_000 * 10**9)
        metrics.write()
        metrics.write()
        lines.append([assert_embedded_metrics(line)["Appended"] for line in out.getvalue().splitlines()])
    assert lines == [[60, 0], [0, 0], [60, 0]]
    assert (spool / "metrics.json").stat().st_mode & 0o077 == 0


def test_a_stream_that_is_closed_fails_no_shipper(spool: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", closefd=False) as broken:
        metrics = emf.MetricLines(broken, spool, settings(tmp_path))
        metrics.write()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
    os.close(writing)


def test_a_shipper_writes_such_lines_to_standard_output_and_nothing_else(tmp_path: Path) -> None:
    config = settings(tmp_path)
    writer = CaptureBuffer(config, start_shipper=False)
    for number in range(7):
        assert writer.append({"n": number}, 0.5)
    writer.close(timeout=0)
    command = [sys.executable, "-m", "capture", "ship", "--until-idle"]
    ended = subprocess.run(
        command, env=os.environ | config.to_env(), capture_output=True, text=True, timeout=60, check=True
    )
    documents = [assert_embedded_metrics(line) for line in ended.stdout.splitlines()]
    sums = [sum(document[name] for document in documents) for name in ("Appended", "Shipped")]
    assert [*sums, documents[-1]["Waiting"]] == [7, 7, 0]
    assert not (tmp_path / "spool").exists(), "the file of the last line goes with the spool"


@given(nanoseconds=st.lists(st.integers(0, 2**40), max_size=50))
def test_the_histogram_of_append_counts_each_call_below_its_bound(nanoseconds: list[int]) -> None:
    words = memoryview(bytearray(4096)).cast("Q")
    counters = WriterCounters(words)
    for value in nanoseconds:
        counters.measured(value)
    histogram = counters.reading().latency.histogram()
    total = 0
    for bound, calls in histogram.items():
        total += calls
        assert total == sum(value < round(float(bound) * 1e9) if bound != "+Inf" else True for value in nanoseconds)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_operations_page_explains_every_counter_and_every_reason() -> None:
    page = OPERATIONS.read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(Stats.__struct_fields__) - named == set(), "a counter of `capture stats --json` is not explained"
    assert {*REFUSALS, *LOST} - named == set(), "a reason is not explained"
    document = msgspec.json.decode(line_of(Stats()))
    metrics = {metric["Name"] for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert metrics - explained == set(), "a metric is not explained"


def test_the_reasons_of_this_file_are_the_shippers() -> None:
    code = "".join(path.read_text() for path in (OPERATIONS.parents[1] / "capture" / "shipping").glob("*.py"))
    assert all(f'"{reason}"' in code for reason in LOST)

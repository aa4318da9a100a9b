"""A monitor over windows: what moved is found, what did not is not, and an empty window is never "no violations"."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring import Baseline, Monitor, Report
from monitoring.__main__ import main
from monitoring.errors import MonitoringError, UsageError
from monitoring.result import Outcome, Status
from tests.monitoring.samples import START, captured, training

HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def baseline():
    return Baseline.from_training(training(), id_column="request")


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    return captured(tmp_path_factory.mktemp("moved"), shift=3.0)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    return captured(tmp_path_factory.mktemp("ordinary"))


def test_what_moved_is_found_and_nothing_else(baseline, moved):
    report = Monitor(baseline).run(moved, start=START, end=START + HOUR)
    assert report.drifted == ("wind",)
    assert report.outcome is Outcome.VIOLATIONS
    assert [v.constraint_check_type for v in report.violations if v.feature_name == "wind"] == ["baseline_drift_check"]
    assert report.result.events == 400
    assert report.result.rows == 1200
    assert report.columns["temp"].request_level


def test_ordinary_traffic_is_no_violation(baseline, ordinary):
    report = Monitor(baseline).run(ordinary, start=START, end=START + HOUR)
    assert (report.outcome, report.drifted, report.violations) == (Outcome.OK, (), ())


def test_an_empty_window_is_not_judged(baseline, ordinary):
    report = Monitor(baseline).run(ordinary, start=START + 24 * HOUR, end=START + 25 * HOUR)
    assert report.outcome is Outcome.NOT_JUDGED
    assert report.verdict.startswith("No data")


@pytest.mark.parametrize("make", [lambda t: t, pa.Table.to_pandas, pl.from_arrow], ids=["arrow", "pandas", "polars"])
def test_any_table_in_memory_is_judged_in_five_lines(make):
    rng = np.random.default_rng(3)
    train = make(pa.table({"price": rng.normal(10, 2, 4000), "shop": rng.choice(["a", "b"], 4000)}))
    live = make(pa.table({"price": rng.normal(12, 2, 1000), "shop": rng.choice(["a", "b"], 1000)}))
    assert Monitor(train).run(live).drifted == ("price",)


def test_a_report_is_a_table_a_page_and_json(baseline, moved, tmp_path):
    report = Monitor(baseline).run(moved)
    frame = report.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.set_index("column").loc["wind", "status"] == "drift"
    assert "<html" in report.save(tmp_path / "report.html").read_text()
    again = Report.from_json(report.save(tmp_path / "report.json").read_text())
    assert again.result == report.result
    assert "wind" in str(report)
    with pytest.raises(UsageError, match=r"neither \.html nor \.json"):
        report.save(tmp_path / "report.pdf")


def test_settings_of_a_column_are_obeyed(baseline, moved):
    quiet = Monitor(baseline, columns={"wind": {"ignore": True}}).run(moved)
    assert "wind" not in quiet.columns
    lax = Monitor(baseline, columns={"wind": {"floor": 0.99}}).run(moved)
    assert lax.columns["wind"].status is Status.NO_DRIFT


def test_the_same_window_gives_the_same_result(baseline, moved):
    now = lambda: START  # noqa: E731
    first, second = (Monitor(baseline, now=now).run(moved).result for _ in range(2))
    assert first == second


@pytest.fixture
def described(baseline, moved, tmp_path):
    baseline.save(str(tmp_path / "baseline"))
    path = tmp_path / "monitor.toml"
    path.write_text(f'captured = "{moved}"\nbaseline = "{tmp_path}/baseline"\noutput = "{tmp_path}/out"\n')
    return path


def test_the_command_writes_every_file_and_tells_by_its_exit_code(described, tmp_path, capsys):
    assert main(["run", "--config", str(described)]) == 3
    assert "Exit code 3: violations" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")}
    assert names == {
        "states", "statistics.json", "constraint_violations.json", "metrics.json", "result.json", "report.html",
    }  # fmt: skip
    metrics = {entry["name"]: entry for entry in json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]}
    assert metrics["feature_baseline_drift_wind"]["feature"] == "wind"
    assert metrics["monitor_features_drifted"]["value"] == 1
    [violation] = json.loads((tmp_path / "out" / "constraint_violations.json").read_text())["violations"]
    assert violation["feature_name"] == "wind"
    assert violation["description"].startswith("Baseline drift distance: ")


def test_a_monitor_is_described_in_a_file_and_a_keyword_wins(described):
    monitor = Monitor.from_file(described, level=0.01)
    assert monitor.settings.level == 0.01
    assert monitor.run().drifted == ("wind",)


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["--start", "2026-07-02", "--end", "2026-07-01"], 2, "its end must lie after its start"),
        (["--baseline", "/nowhere"], 1, "there is no baseline in"),
        (["--captured", "/nowhere"], 2, "/nowhere"),
        (["--level", "2"], 2, "level"),
        (["--config", "/nowhere.toml"], 2, "cannot read"),
    ],
)
def test_wrong_input_is_one_line_that_says_what_to_do(described, capsys, arguments, code, named):
    assert main(["run", "--config", str(described), *arguments]) == code
    errors = capsys.readouterr().err
    assert named in errors
    assert len(errors.strip().splitlines()) == 1


def test_a_corrupt_object_among_good_ones_is_named_and_the_rest_is_judged(baseline, tmp_path):
    uri = captured(tmp_path, shift=3.0)
    [good] = (tmp_path / "captured" / "flights").rglob("*.parquet")
    good.with_name("corrupt.parquet").write_bytes(b"PAR1 is not enough PAR1")
    report = Monitor(baseline).run(uri)
    assert report.drifted == ("wind",)
    assert any("corrupt.parquet" in note for note in report.result.notes)


def test_training_data_itself_is_a_baseline(tmp_path, moved):
    pq.write_table(training().drop_columns(["request"]), tmp_path / "train.parquet")
    report = Monitor(str(tmp_path / "train.parquet")).run(moved)
    assert "wind" in report.drifted
    assert report.result.method is not None
    assert report.result.method.one_sample


def test_data_that_is_no_data_is_an_error():
    with pytest.raises(MonitoringError, match="int is not data"):
        Monitor(training()).run(3)

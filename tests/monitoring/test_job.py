"""The image as Model Monitor's job: its environment in, files, metrics and an exit message out, exit code 0 unless it fails."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.__main__ import main
from monitoring.baseline.baseline import Baseline
from monitoring.commands.job import run_job
from monitoring.errors import MonitoringError, UsageError
from monitoring.processing_job import JobPaths
from tests.monitoring.source.managed_lines_of import body, line

HOUR = "my-endpoint/AllTraffic/2026/01/01/03"


@pytest.fixture
def folder(tmp_path):
    table = pa.table({"a": [n % 7 + 0.5 for n in range(400)], "kind": ["x", "y"] * 200})
    Baseline.from_training(table).save(str(tmp_path / "made"))
    (tmp_path / "baseline").mkdir()
    for name in ("statistics.json", "constraints.json"):
        (tmp_path / "baseline" / name).write_bytes((tmp_path / "made" / name).read_bytes())
    return tmp_path


@pytest.fixture
def paths(folder):
    return JobPaths(folder / "config" / "processingjobconfig.json", folder / "output" / "message", folder / "metrics")


def environment(folder, **more):
    return {
        "dataset_format": '{"sagemakerCaptureJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}',
        "dataset_source": str(folder / "input"),
        "output_path": str(folder / "result"),
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_endpoint_name": "my-endpoint",
        "sagemaker_monitoring_schedule_name": "hourly",
        "start_time": "2026-01-01T03: 00: 00Z",
        "end_time": "2026-01-01T04: 00: 00Z",
        "baseline_constraints": str(folder / "baseline" / "constraints.json"),
        "baseline_statistics": str(folder / "baseline" / "statistics.json"),
        **more,
    }


def capture(folder, kind="x,y", shift=0.0):
    kinds = kind.split(",")
    lines = [
        line(f"{n % 7 + 0.5 + shift},{kinds[n % len(kinds)]}", "0.5", f"e{n}", "2026-01-01T03:05:00Z")
        for n in range(210)
    ]
    path = folder / "input" / HOUR / "05-00-000-x.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(body(*lines))


def test_an_ordinary_hour_completes_without_violations(folder, paths):
    capture(folder)
    result = run_job(environment(folder), paths)
    assert result.subject.endpoint == "my-endpoint"
    assert paths.message.read_text().startswith("Completed: Job completed successfully with no violations.")
    written = {path.name for path in (folder / "result").rglob("*") if path.is_file()}
    assert {"statistics.json", "constraint_violations.json", "report.html"} <= written


def test_violations_stand_in_the_message_the_files_and_the_metrics(folder, paths):
    capture(folder, kind="x,z", shift=4.0)
    result = run_job(environment(folder), paths)
    found = json.loads((folder / "result" / "constraint_violations.json").read_bytes())["violations"]
    checks = {(entry["feature_name"], entry["constraint_check_type"]) for entry in found}
    assert {("a", "baseline_drift_check"), ("kind", "categorical_values_check")} <= checks
    assert paths.message.read_text().startswith(
        f"CompletedWithViolations: Job completed successfully with {len(result.violations)} violations."
    )
    metrics = {}
    for text in (paths.metrics / "monitoring.jsonl").read_text().splitlines():
        metric = json.loads(text)
        metrics[metric["MetricName"]] = metric
    assert metrics["feature_non_null_kind"]["Value"] == 210
    assert metrics["feature_baseline_drift_a"]["Value"] > 0.3
    assert metrics["feature_data_a"]["StatisticValues"]["Minimum"] == 4.5
    assert metrics["feature_data_a"]["Timestamp"] == "2026-01-01T04:00:00Z"
    assert metrics["monitor_heartbeat"]["Timestamp"] > "2026-01-01T04:00:00Z"


def test_metrics_are_left_out_where_they_are_disabled(folder, paths):
    capture(folder)
    run_job(environment(folder, publish_cloudwatch_metrics="Disabled"), paths)
    assert not paths.metrics.exists()


def test_our_own_baseline_beside_the_statistics_is_taken_whole(folder, paths):
    capture(folder)
    made = {
        "baseline_statistics": str(folder / "made" / "statistics.json"),
        "baseline_constraints": str(folder / "made" / "constraints.json"),
    }
    result = run_job(environment(folder, **made), paths)
    assert result.method is not None
    assert not result.method.one_sample


def test_a_window_without_data_completes_and_says_so(folder, paths):
    (folder / "input").mkdir()
    run_job(environment(folder), paths)
    assert paths.message.read_text().startswith("Completed: Job completed successfully; nothing was judged.")


def test_batch_data_of_parquet_is_judged_as_files(folder, paths):
    (folder / "input").mkdir()
    pq.write_table(
        pa.table({"a": [n % 7 + 0.5 for n in range(210)], "kind": ["x", "y"] * 105}), folder / "input" / "b.parquet"
    )
    given = environment(folder, dataset_format='{"parquet":{}}', start_time="", end_time="")
    assert run_job(given, paths).rows == 210


def test_scripts_before_and_after_are_run(folder, paths):
    capture(folder)
    (folder / "pre.py").write_text("def preprocess_handler(r):\n    return {'a': 1.5, 'kind': 'x'}\n")
    (folder / "post.py").write_text(f"def postprocess_handler():\n    open({str(folder / 'ran')!r}, 'w').close()\n")
    scripts = {
        "record_preprocessor_script": str(folder / "pre.py"),
        "post_analytics_processor_script": str(folder / "post.py"),
    }
    result = run_job(environment(folder, **scripts), paths)
    assert {column.name: column.window.mean for column in result.columns if column.window}["a"] == 1.5
    assert (folder / "ran").exists()
    (folder / "post.py").write_text("def postprocess_handler():\n    raise KeyError('x')\n")
    with pytest.raises(MonitoringError, match="postprocess_handler fails: KeyError"):
        run_job(environment(folder, **scripts), paths)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"analysis_type": "MODEL_QUALITY"}, "arguments of `quality`"),
        ({"baseline_statistics": ""}, "baseline_statistics is not set"),
        ({"dataset_format": '{"json":{"line":true}}'}, "CSV or Parquet"),
    ],
)
def test_what_the_job_cannot_do_is_wrong_usage(folder, paths, more, words):
    with pytest.raises(UsageError, match=words):
        run_job(environment(folder, **more), paths)


def test_a_job_without_arguments_runs_and_a_failure_stands_in_its_message(folder, paths, capsys):
    paths.config.parent.mkdir()
    paths.config.write_text(
        json.dumps({"Environment": environment(folder, baseline_statistics=str(folder / "none.json"))})
    )
    assert main([], paths) == 1
    assert paths.message.read_text().startswith("monitoring job: cannot read ")
    assert capsys.readouterr().err.startswith("monitoring job: cannot read ")


def test_inside_a_job_violations_of_a_plain_command_are_exit_code_0(folder, paths, capsys):
    paths.config.parent.mkdir()
    paths.config.write_text("{}")
    pq.write_table(pa.table({"a": [99.5] * 300, "kind": ["x", "y"] * 150}), folder / "window.parquet")
    flags = ["run", "--captured", str(folder / "window.parquet"), "--baseline", str(folder / "baseline")]
    assert main(flags, paths) == 0
    assert paths.message.read_text().startswith("CompletedWithViolations: ")
    assert main(flags, JobPaths(folder / "no-job.json")) == 3
    assert main(["run"], paths) == 2
    assert "--captured is missing" in paths.message.read_text()


def test_without_arguments_and_outside_a_job_a_command_is_asked_for(folder, capsys):
    assert main([], JobPaths(folder / "no-job.json")) == 2
    assert "migrate" in capsys.readouterr().err

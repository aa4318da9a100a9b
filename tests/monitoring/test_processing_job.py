"""The container keeps Model Monitor's contract: what it is given, what it writes, and with which words it ends."""

import datetime as dt
import json
from pathlib import Path

import pytest

from monitoring.errors import UsageError
from monitoring.processing_job import (
    JobMetric,
    captured_root,
    cloudwatch_lines,
    exit_message,
    is_processing_job,
    job_from_environment,
    parse_job_time,
    read_config,
    write_exit_message,
    write_metrics,
)
from monitoring.result import Outcome, RunResult, Subject, Violation, WindowCompleteness

ENVIRONMENT = {
    "dataset_format": '{"sagemakerCaptureJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}',
    "dataset_source": "/opt/ml/processing/endpointdata",
    "output_path": "/opt/ml/processing/resultdata",
    "publish_cloudwatch_metrics": "Enabled",
    "sagemaker_endpoint_name": "endpoint-name",
    "sagemaker_monitoring_schedule_name": "schedule-name",
    "sagemaker_endpoint_datacapture_prefix": "datacapture",
    "start_time": "2019-12-01T16: 20: 00Z",
    "end_time": "2019-12-01T17: 20: 00Z",
    "baseline_constraints": "/opt/ml/processing/baseline/constraints/constraints.json",
    "baseline_statistics": "/opt/ml/processing/baseline/stats/statistics.json",
    "record_preprocessor_script": "/opt/ml/processing/code/preprocess.py",
    "problem_type": "BinaryClassification",
}
AT = dt.datetime(2026, 1, 1, 3, tzinfo=dt.UTC)


def result(outcome=Outcome.OK, violations=()):
    subject = Subject("e", "v", "m", None, "monitor")
    return RunResult(
        subject, AT, AT + dt.timedelta(hours=1), AT, outcome, "Nothing drifted.", "", WindowCompleteness(True, 1, 1), 1, 1, (),
        violations, (), (),
    )  # fmt: skip


def test_the_documented_environment_is_understood():
    job = job_from_environment(ENVIRONMENT)
    assert (job.source, job.output) == (Path("/opt/ml/processing/endpointdata"), Path("/opt/ml/processing/resultdata"))
    assert (job.format, job.capture_index_names) == ("capture", ("endpointInput", "endpointOutput"))
    assert (job.endpoint, job.schedule, job.publish_metrics) == ("endpoint-name", "schedule-name", True)
    assert job.start == dt.datetime(2019, 12, 1, 16, 20, tzinfo=dt.UTC)
    assert job.end == dt.datetime(2019, 12, 1, 17, 20, tzinfo=dt.UTC)
    assert job.statistics == Path("/opt/ml/processing/baseline/stats/statistics.json")
    assert job.preprocess == Path("/opt/ml/processing/code/preprocess.py")
    assert job.given is not None
    assert job.given["problem_type"] == "BinaryClassification"


def test_the_configuration_says_the_same_and_the_environment_wins():
    config = {
        "Environment": {**ENVIRONMENT, "sagemaker_endpoint_name": "other"},
        "ProcessingInputs": [
            {"InputName": "constraints", "S3Input": {"LocalPath": "/c"}},
            {"InputName": "endpoint_input_1", "EndpointInput": {"LocalPath": "/opt/ml/processing/input/endpoint"}},
        ],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "result", "S3Output": {"LocalPath": "/out"}}]},
    }
    assert job_from_environment({}, config).endpoint == "other"
    assert job_from_environment(ENVIRONMENT, config).endpoint == "endpoint-name"
    del config["Environment"]
    job = job_from_environment({}, config)
    assert (job.source, job.output) == (Path("/opt/ml/processing/input/endpoint"), Path("/out"))


def test_a_job_without_anything_has_the_sdks_paths_and_reads_captured_data():
    job = job_from_environment({})
    assert (str(job.source), str(job.output)) == ("/opt/ml/processing/input/endpoint", "/opt/ml/processing/output")
    assert (job.format, job.start, job.publish_metrics) == ("capture", None, False)


def test_a_shell_is_no_processing_job():
    assert not is_processing_job({"PATH": "/bin", "start_time": "x"})
    assert is_processing_job(ENVIRONMENT)
    assert is_processing_job({}, {"Environment": {"dataset_source": "/x"}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-12-01T16: 20: 00Z", "2019-12-01T16:20:00+00:00"),
        (" 2019-12-01T16:20:00Z ", "2019-12-01T16:20:00+00:00"),
        ("2019-12-01 16:20:00+02:00", "2019-12-01T14:20:00+00:00"),
        ("2019-12-01T16:20:00.250", "2019-12-01T16:20:00.250000+00:00"),
    ],
)
def test_times_are_read_as_documented(text, expected):
    assert parse_job_time(text).isoformat() == expected


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"start_time": "yesterday"}, "start_time is 'yesterday'"),
        ({"start_time": "2026-01-02T00:00Z", "end_time": "2026-01-01T00:00Z"}, "does not lie before end_time"),
        ({"dataset_format": "csv"}, "dataset_format is 'csv'"),
        ({"dataset_format": '{"orc": {}}'}, "one of sagemakerCaptureJson, csv, json, parquet"),
        ({"publish_cloudwatch_metrics": "yes"}, "Enabled or Disabled"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(variables, words):
    with pytest.raises(UsageError, match=words):
        job_from_environment(variables)


@pytest.mark.parametrize(("text", "expected"), [('{"csv": {"header": true}}', "csv"), ('{"parquet": {}}', "parquet")])
def test_batch_formats_are_understood(text, expected):
    assert job_from_environment({"dataset_format": text}).format == expected


def test_the_configuration_file_is_read_and_may_be_missing(tmp_path):
    path = tmp_path / "processingjobconfig.json"
    assert read_config(path) == {}
    path.write_text('{"Environment": {"dataset_source": "/x"}}')
    assert job_from_environment({}, read_config(path)).source == Path("/x")
    path.write_text("{")
    with pytest.raises(UsageError, match="cannot read the job's configuration"):
        read_config(path)


@pytest.mark.parametrize("above", ["", "datacapture", "prefix/datacapture"])
def test_the_captured_root_is_found_at_whatever_depth(tmp_path, above):
    (tmp_path / above / "my-endpoint" / "AllTraffic" / "2026" / "01" / "02" / "03").mkdir(parents=True)
    assert captured_root(tmp_path) == tmp_path / above


def test_the_root_of_a_source_that_is_the_variants_own_folder_is_above_it(tmp_path):
    hour = tmp_path / "my-endpoint" / "AllTraffic" / "2026" / "01" / "02" / "03"
    hour.mkdir(parents=True)
    assert captured_root(tmp_path / "my-endpoint" / "AllTraffic") == tmp_path
    assert captured_root(tmp_path / "none") == tmp_path / "none"


def test_the_exit_message_begins_with_the_services_words():
    assert exit_message(result()).startswith("Completed: Job completed successfully with no violations.")
    found = exit_message(result(Outcome.VIOLATIONS, (Violation("a", "c", "d", "s"),) * 60))
    assert found.startswith("CompletedWithViolations: Job completed successfully with 60 violations.")
    assert exit_message(result(Outcome.NOT_JUDGED)).startswith(
        "Completed: Job completed successfully; nothing was judged."
    )


def test_the_exit_message_is_at_most_a_kilobyte_of_whole_characters(tmp_path):
    path = tmp_path / "output" / "message"
    write_exit_message("Completed: " + "é" * 1000, path)
    written = path.read_bytes()
    assert len(written) <= 1024
    assert written.decode().startswith("Completed: éé")
    write_exit_message("bad \ud800 surrogate", path)
    assert path.read_text().startswith("bad ")


def test_metrics_are_lines_that_the_platform_reads(tmp_path):
    metrics = [
        JobMetric("feature_baseline_drift_temp", 0.25),
        JobMetric("feature_data_temp", statistics=(2.0, 3.0, 1.0, 2.0)),
        JobMetric("feature_data_r", statistics=(2.0, float("inf"), 1.0, 2.0)),
        JobMetric("feature_baseline_drift_x", float("nan")),
        JobMetric("feature_baseline_drift_y"),
    ]
    lines = cloudwatch_lines(metrics, time=AT, endpoint="e", schedule="s")
    assert [json.loads(line) for line in lines.splitlines()] == [
        {
            "MetricName": "feature_baseline_drift_temp",
            "Timestamp": "2026-01-01T03:00:00Z",
            "Dimensions": [{"Name": "Endpoint", "Value": "e"}, {"Name": "MonitoringSchedule", "Value": "s"}],
            "Unit": "None",
            "Value": 0.25,
        },
        {
            "MetricName": "feature_data_temp",
            "Timestamp": "2026-01-01T03:00:00Z",
            "Dimensions": [{"Name": "Endpoint", "Value": "e"}, {"Name": "MonitoringSchedule", "Value": "s"}],
            "Unit": "None",
            "StatisticValues": {"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0},
        },
    ]
    write_metrics(lines, tmp_path / "metrics")
    assert (tmp_path / "metrics" / "monitoring.jsonl").read_bytes() == lines

"""The monitoring image, started without arguments as a SageMaker processing job starts it, keeps Model Monitor's contract."""

import json
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from monitoring.baseline.baseline import Baseline
from tests.monitoring.source.managed_lines_of import body, line
from tests.system.engine import Engine, Mount

LIMIT = 300.0


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder that is mounted as /opt/ml, as the platform makes it."""
    given = tmp_path / "ml" / "processing"
    table = pa.table({"a": [n % 7 + 0.5 for n in range(400)], "kind": ["x", "y"] * 200})
    Baseline.from_training(table).save(str(given / "baseline"))
    hour = given / "input" / "endpoint" / "my-endpoint" / "AllTraffic" / "2026" / "01" / "01" / "03"
    hour.mkdir(parents=True)
    lines = [line(f"{n % 7 + 9.5},{'xz'[n % 2]}", "0.5", f"e{n}", "2026-01-01T03:05:00Z") for n in range(210)]
    (hour / "05-00-000-x.jsonl").write_bytes(body(*lines))
    environment = {
        "dataset_format": '{"sagemakerCaptureJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}',
        "dataset_source": "/opt/ml/processing/input/endpoint",
        "output_path": "/opt/ml/processing/output",
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_endpoint_name": "my-endpoint",
        "sagemaker_monitoring_schedule_name": "hourly",
        "start_time": "2026-01-01T03: 00: 00Z",
        "end_time": "2026-01-01T04: 00: 00Z",
        "baseline_constraints": "/opt/ml/processing/baseline/constraints.json",
        "baseline_statistics": "/opt/ml/processing/baseline/statistics.json",
    }
    (tmp_path / "ml" / "config").mkdir()
    (tmp_path / "ml" / "config" / "processingjobconfig.json").write_text(json.dumps({"Environment": environment}))
    return tmp_path / "ml"


def start(engine: Engine, image: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    mount = Mount(folder, "/opt/ml").option
    if engine.docker:
        words = [*engine.run_words, *mount, image]
    else:
        words = [*engine.run_words, image, *mount, "--", "python", "-m", "monitoring"]
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)


def test_a_job_with_violations_ends_with_0_its_message_its_files_and_its_metrics(
    engine: Engine, monitoring_image: str, job: Path
) -> None:
    ended = start(engine, monitoring_image, job)
    assert ended.returncode == 0, ended.stderr
    assert (
        (job / "output" / "message").read_text().startswith("CompletedWithViolations: Job completed successfully with")
    )
    found = json.loads((job / "processing" / "output" / "constraint_violations.json").read_bytes())["violations"]
    assert {"a", "kind"} <= {entry["feature_name"] for entry in found}
    assert "feature_baseline_drift_a" in (job / "output" / "metrics" / "cloudwatch" / "monitoring.jsonl").read_text()


def test_a_job_that_fails_ends_with_1_and_its_reason_in_the_message(
    engine: Engine, monitoring_image: str, job: Path
) -> None:
    (job / "processing" / "baseline" / "baseline.arrow").unlink()
    (job / "processing" / "baseline" / "statistics.json").write_text("{")
    ended = start(engine, monitoring_image, job)
    assert ended.returncode == 1
    assert (job / "output" / "message").read_text().startswith("monitoring job: ")
    assert "Traceback" not in ended.stderr

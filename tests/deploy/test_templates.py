"""What is deployed follows from the metric table and the code: generated files, a clean template, rights that suffice."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import validate_parameters

from monitoring.publish.table import TABLE

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "deploy/cloudformation/endpoint-monitor.yaml"
PARAMETERS = {
    "EndpointName": "flights",
    "ServingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/endpoint-capture@sha256:" + "0" * 64,
    "ModelDataUrl": "s3://models/flights/model.tar.gz",
    "CaptureBucket": "captured",
    "MonitoringImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/endpoint-capture-monitoring@sha256:" + "0" * 64,
    "MonitorBucket": "monitor",
    "NotifierBucket": "code",
    "NotifierSecretArns": "arn:aws:secretsmanager:us-east-1:123456789012:secret:pd",
}


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads CloudFormation's short forms as what they stand for."""


def _short(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short)


def template() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506
    return found


def generated() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("deploy_generate", ROOT / "deploy/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files: dict[str, str] = module.files()
    return files


def test_dashboards_rules_and_the_table_of_metrics_follow_from_the_code():
    changed = [name for name, text in generated().items() if (ROOT / name).read_text() != text]
    assert changed == [], "run: python deploy/generate.py"


def test_dashboards_and_rules_name_only_metrics_of_the_table():
    families = {spec.prometheus for spec in TABLE}
    for name in ("deploy/grafana/endpoint-monitor.json", "deploy/prometheus/endpoint-monitor.rules.yml"):
        named = set(re.findall(r"endpoint_monitor_[a-z_]+", (ROOT / name).read_text()))
        assert named
        assert named <= families
    body = json.loads((ROOT / "deploy/cloudwatch/dashboard.json").read_text())
    assert len(body["widgets"]) == 8
    assert {spec.cloudwatch for spec in TABLE} >= {
        metric[1]
        for widget in body["widgets"]
        for metric in widget["properties"]["metrics"]
        if isinstance(metric[0], str)
    }


def test_the_template_is_clean_and_holds_the_generated_dashboard():
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(TEMPLATE)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stdout + ended.stderr == ""
    assert ended.returncode == 0
    body = template()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert json.loads(body) == json.loads((ROOT / "deploy/cloudwatch/dashboard.json").read_text())


def test_the_silent_monitors_alarm_watches_the_heartbeat_and_rings_where_it_is_missing():
    alarm = template()["Resources"]["SilentMonitor"]["Properties"]
    assert alarm["MetricName"] == next(spec.cloudwatch for spec in TABLE if spec.key == "heartbeat")
    assert alarm["TreatMissingData"] == "breaching"
    assert [entry["Name"] for entry in alarm["Dimensions"]] == ["Endpoint", "MonitoringSchedule"]
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 604_800


def test_the_queue_waits_for_six_times_the_functions_time():
    resources = template()["Resources"]
    assert resources["Queue"]["Properties"]["VisibilityTimeout"] >= 6 * resources["Notifier"]["Properties"]["Timeout"]


def actions(role: str) -> set[str]:
    """The actions that a role's inline policies allow."""
    found: set[str] = set()
    for policy in template()["Resources"][role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            statement = statement["Fn::If"][1] if "Fn::If" in statement else statement
            allowed = statement["Action"]
            found |= {allowed} if isinstance(allowed, str) else set(allowed)
    return found


@pytest.mark.parametrize(
    ("role", "needed"),
    [
        (
            "NotifierRole",
            {
                "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "s3:GetObject", "s3:PutObject",
                "s3:ListBucket", "secretsmanager:GetSecretValue",
            },
        ),
        (
            "MonitorRole",
            {
                "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "sns:Publish", "cloudwatch:PutMetricData",
                "sagemaker:StartPipelineExecution", "sagemaker:ListPipelineExecutions", "sagemaker:DescribePipeline",
            },
        ),
    ],
)  # fmt: skip
def test_a_role_has_the_rights_that_the_code_uses_and_no_star(role, needed):
    found = actions(role)
    assert needed <= found
    assert not any("*" in action for action in found)


def test_the_schedules_input_is_a_processing_job_that_sagemakers_model_takes():
    entry = template()["Resources"]["Schedule"]["Properties"]["Target"]["Input"]["Fn::Sub"]
    text = entry[0].replace("${Network}", "").replace("<aws.scheduler.execution-id>", "0" * 36)
    text = re.sub(r"\$\{MonitorRole.Arn\}", "arn:aws:iam::123456789012:role/monitor", text)
    text = re.sub(r"\$\{ProcessingInstanceType\}", "ml.m5.large", re.sub(r"\$\{(Monitor\w+)\}", "monitor", text))
    asked = json.loads(text)
    model = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateProcessingJob")
    assert model.input_shape is not None
    validate_parameters(asked, model.input_shape)
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", asked["ProcessingJobName"])


def empty_zip() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("placeholder.py", "")
    return body.getvalue()


def test_the_notifiers_package_is_monitoring_alone_without_numpy_or_arrow():
    script = (
        "import sys; import monitoring.notify.lambda_handler, monitoring.notify.wiring;"
        "print(sorted({'capture', 'numpy', 'pyarrow', 'duckdb', 'scipy', 'pandas'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"

"""Pipelines, events and commands: what is passed on, what is found again, what is refused by name."""

import dataclasses
import json
import re
import sys
import time

import botocore.session
import pytest

from monitoring.errors import MonitoringError
from monitoring.retraining.command import CommandStarter
from monitoring.retraining.event import EventStarter
from monitoring.retraining.pipeline import PipelineStarter, display_name
from monitoring.retraining.settings import Rule
from monitoring.retraining.starter import StartRefused, StartRequest
from tests.monitoring.alarms.examples import START

RULE = Rule(name="risk", causes=("*",), pipeline="flights-train", parameters={"Trees": "200"})
REQUEST = StartRequest(
    key="retraining/flights/AllTraffic/quality-auc-1.json",
    token="0123456789abcdef" * 4,
    rule="risk",
    cause="quality:auc",
    episode=1,
    attempt=1,
    endpoint="flights",
    variant="AllTraffic",
    cause_uri="s3://bucket/retraining/flights/AllTraffic/quality-auc-1.json",
    manifest_uri="s3://bucket/manifests/1.json",
)


def create_pipeline(aws, names=("CauseUri", "ManifestUri", "Trees")):
    definition = {"Version": "2020-12-01", "Parameters": [{"Name": n, "Type": "String"} for n in names], "Steps": []}
    aws.client("sagemaker").create_pipeline(
        PipelineName="flights-train",
        PipelineDefinition=json.dumps(definition),
        ClientRequestToken="a" * 32,
        RoleArn="arn:aws:iam::123456789012:role/pipeline",
    )


def test_a_pipeline_starts_with_the_uris_and_is_found_by_its_name(aws):
    create_pipeline(aws)
    starter = PipelineStarter(RULE)
    assert starter.find(REQUEST, START) is None
    arn = starter.start(REQUEST)
    assert starter.find(REQUEST, START) == arn
    client = aws.client("sagemaker")
    given = client.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    assert {entry["Name"]: entry["Value"] for entry in given} == {
        "CauseUri": REQUEST.cause_uri,
        "ManifestUri": REQUEST.manifest_uri,
        "Trees": "200",
    }


def test_a_pipeline_without_our_parameters_is_refused_with_those_it_has(aws):
    create_pipeline(aws, ("Trees",))
    with pytest.raises(StartRefused, match=r"no parameter CauseUri, ManifestUri; it has Trees\. Add it"):
        PipelineStarter(RULE).start(REQUEST)
    assert PipelineStarter(RULE).find(REQUEST, START) is None


def test_a_pipeline_that_does_not_exist_is_named(aws):
    with pytest.raises(MonitoringError, match="flights-train"):
        PipelineStarter(RULE).start(REQUEST)


def test_a_value_that_is_too_long_is_refused_before_the_call(aws):
    create_pipeline(aws)
    rule = Rule(name="risk", causes=("*",), pipeline="flights-train", parameters={"Trees": "x" * 1_025})
    with pytest.raises(StartRefused, match=r"Trees .* has 1025 characters"):
        PipelineStarter(rule).start(REQUEST)


@pytest.mark.parametrize("cause", ["quality:auc", "drift:größe/<x>" * 30, "😀", "-"])
def test_a_display_name_and_a_token_fit_sagemakers_patterns(cause):
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape_of_input = model.operation_model("StartPipelineExecution").input_shape
    assert shape_of_input is not None
    members = shape_of_input.members
    request = dataclasses.replace(REQUEST, cause=cause)
    shape = members["PipelineExecutionDisplayName"].metadata
    assert re.fullmatch(shape["pattern"], display_name(request))
    assert len(display_name(request)) <= shape["max"]
    token = members["ClientRequestToken"].metadata
    assert token["min"] <= len(request.token) <= token["max"]


def test_an_event_reaches_a_queue_with_an_id_that_recognizes_its_repeat(aws):
    events, sqs = aws.client("events"), aws.client("sqs")
    queue = sqs.create_queue(QueueName="asked")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="asked", EventPattern='{"source": ["endpoint-monitor"]}')
    events.put_targets(Rule="asked", Targets=[{"Id": "1", "Arn": arn}])
    starter = EventStarter(Rule(name="risk", causes=("*",), event_bus="default"))
    first, second = starter.start(REQUEST), starter.start(REQUEST)
    assert first != second
    bodies = [json.loads(m["Body"]) for m in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]]
    assert [body["detail-type"] for body in bodies] == ["Retraining Requested"] * 2
    assert {body["detail"]["id"] for body in bodies} == {REQUEST.token}
    assert bodies[0]["detail"]["manifestUri"] == REQUEST.manifest_uri


def test_an_event_that_eventbridge_refuses_inside_an_answer_of_200_is_an_error():
    class Refusing:
        """EventBridge answers 200 and counts the entry as failed; moto cannot be made to."""

        def put_events(self, **arguments):
            return {
                "FailedEntryCount": 1,
                "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}],
            }

    starter = EventStarter(Rule(name="risk", causes=("*",), event_bus="default"), Refusing)
    with pytest.raises(MonitoringError, match="ThrottlingException: slow down"):
        starter.start(REQUEST)


def wait_for(path):
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"no {path} after 30 s"
        time.sleep(0.02)
    return path.read_text()


def test_a_command_runs_once_however_often_it_is_started(tmp_path):
    script = (
        "import os; print('ran', os.environ['RETRAINING_CAUSE'], os.environ['RETRAINING_MANIFEST_URI'], flush=True)"
    )
    rule = Rule(name="risk", causes=("*",), command=(sys.executable, "-c", script))
    starter = CommandStarter(rule, tmp_path / "runs")
    assert starter.find(REQUEST, START) is None
    references = {starter.start(REQUEST) for _ in range(3)}
    [marker] = references
    assert starter.find(REQUEST, START) == marker
    folder = tmp_path / "runs"
    name = REQUEST.token[:32]
    assert wait_for(folder / f"{name}.exit") == "0\n"
    assert (folder / f"{name}.log").read_text() == f"ran quality:auc {REQUEST.manifest_uri}\n"


def test_a_command_that_fails_leaves_its_exit_code(tmp_path):
    rule = Rule(name="risk", causes=("*",), command=("/nowhere/train",))
    CommandStarter(rule, tmp_path).start(REQUEST)
    assert wait_for(tmp_path / f"{REQUEST.token[:32]}.exit") == "127\n"

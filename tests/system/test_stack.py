"""The CloudFormation stack on ministack, whole but for SageMaker: an alarm and a run's message reach people through it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitoring.alarms.composer import context_of
from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.alarms.sns import TopicPublisher
from monitoring.notify.consumer import QueueConsumer
from monitoring.notify.deliverer import Deliverer
from monitoring.notify.secrets import Secrets
from monitoring.notify.settings import NotifySettings, PagerDuty, Slack
from monitoring.publish.cloudwatch import CloudWatchPublisher
from monitoring.publish.samples import of_run
from monitoring.storage.directory import DirectoryStorage
from tests.deploy.test_templates import PARAMETERS, TEMPLATE, empty_zip, template
from tests.monitoring.alarms.examples import cause
from tests.monitoring.alarms.results import result
from tests.monitoring.notify.services import PagerDutyAccount, SlackWorkspace
from tests.system.ministack import client, running_ministack

LIMIT = 60.0
SETTINGS = NotifySettings(pagerduty={"oncall": PagerDuty("env:KEY")}, slack={"alerts": Slack(webhook="env:HOOK")})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_ministack(tmp_path_factory.mktemp("ministack")) as found:
        s3 = client(found, "s3")
        s3.create_bucket(Bucket="code")
        s3.put_object(Bucket="code", Key="notifier.zip", Body=empty_zip())
        yield found


@pytest.fixture(scope="module")
def outputs(address: str) -> dict[str, str]:
    """The stack without its endpoint: ministack has no SageMaker."""
    cloudformation = client(address, "cloudformation")
    given = {**PARAMETERS, "CreateEndpoint": "false"}
    cloudformation.create_stack(
        StackName="flights",
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    stack = {}

    def ended() -> bool:
        [found] = cloudformation.describe_stacks(StackName="flights")["Stacks"]
        stack.update(found)
        return str(found["StackStatus"]) != "CREATE_IN_PROGRESS"

    wait_for(ended, "stack")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    functions = client(address, "lambda")  # the notifier's code is empty here, and would take the messages away
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
    return {entry["OutputKey"]: entry["OutputValue"] for entry in stack["Outputs"]}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"no {what} after {LIMIT} s"
        time.sleep(0.2)


def test_the_stack_holds_all_that_the_template_names(address: str, outputs: dict[str, str]) -> None:
    listed = client(address, "cloudformation").list_stack_resources(StackName="flights")["StackResourceSummaries"]
    made = {entry["LogicalResourceId"] for entry in listed}
    optional = ("WithEndpoint", "WithVpc", "WithEmail")
    wanted = {name for name, resource in template()["Resources"].items() if resource.get("Condition") not in optional}
    assert wanted <= made


def test_a_run_reaches_people_through_topic_and_queue(address: str, outputs: dict[str, str], tmp_path: Path) -> None:
    account, workspace = PagerDutyAccount(), SlackWorkspace()
    storage = DirectoryStorage(tmp_path)
    secrets = Secrets({"KEY": "k" * 32, "HOOK": "https://hooks.example/x"})
    deliverer = Deliverer(storage, SETTINGS, secrets, account, workspace)
    publisher = TopicPublisher(outputs["TopicArn"], storage, lambda: client(address, "sns"))
    register = AlarmRegister(storage, Policy(), publisher)
    seen = result(0, cause())
    register.record(seen)
    assert context_of(seen).verdict
    queue = outputs["QueueUrl"].replace("localhost", "127.0.0.1")
    consumer = QueueConsumer(queue, deliverer, client=lambda: client(address, "sqs"), wait_seconds=1)
    deadline = time.monotonic() + LIMIT
    consumer.run(lambda: consumer.counts["delivered"] >= 1 or time.monotonic() > deadline)
    assert [entry.is_open for entry in account.incidents] == [True]
    assert len(workspace.posts) == 1


def test_a_silent_monitor_rings_and_its_next_run_ends_it(address: str, outputs: dict[str, str], tmp_path: Path) -> None:
    """ministack evaluates an alarm when a metric arrives: a heartbeat of 0 stands for the hour without one."""
    account, workspace = PagerDutyAccount(), SlackWorkspace()
    secrets = Secrets({"KEY": "k" * 32, "HOOK": "https://hooks.example/x"})
    deliverer = Deliverer(DirectoryStorage(tmp_path), SETTINGS, secrets, account, workspace)
    queue = outputs["QueueUrl"].replace("localhost", "127.0.0.1")
    consumer = QueueConsumer(queue, deliverer, client=lambda: client(address, "sqs"), wait_seconds=1)
    cloudwatch = client(address, "cloudwatch")
    now = dt.datetime.now(dt.UTC)
    namespace, [heartbeat, *_] = next(iter(CloudWatchPublisher().requests(of_run(result(0, created=now)))))
    assert heartbeat["MetricName"] == "monitor_heartbeat"
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{**heartbeat, "Value": 0.0}])
    deadline = time.monotonic() + LIMIT
    consumer.run(lambda: bool(account.incidents) or time.monotonic() > deadline)
    assert [entry.event["payload"]["class"] for entry in account.incidents] == ["cloudwatch"]

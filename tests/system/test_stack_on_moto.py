"""The CloudFormation stack on moto, with its endpoint, what moto says it made and did not, and the schedule by its API."""

from __future__ import annotations

import json

import pytest

from tests.deploy.test_templates import PARAMETERS, TEMPLATE, empty_zip, template
from tests.moto_server import Aws

SKIPPED_BY_MOTO = {
    "AWS::CloudWatch::Alarm",
    "AWS::SNS::Subscription",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
}
"""ministack makes these: `test_stack.py`."""


@pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")  # moto's server runs in this process
def test_moto_creates_the_stack_but_for_what_it_skips(aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="notifier.zip", Body=empty_zip())
    client = aws.client("cloudformation")
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()]
    client.create_stack(
        StackName="flights", TemplateBody=TEMPLATE.read_text(), Parameters=given, Capabilities=["CAPABILITY_IAM"]
    )
    [stack] = client.describe_stacks(StackName="flights")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    listed = client.list_stack_resources(StackName="flights")["StackResourceSummaries"]
    made = {entry["ResourceType"] for entry in listed}
    resources = template()["Resources"].values()
    wanted = {resource["Type"] for resource in resources if resource.get("Condition") not in ("WithVpc", "WithEmail")}
    assert wanted - made == SKIPPED_BY_MOTO
    assert len(aws.client("sagemaker").list_endpoints()["Endpoints"]) == 1


def test_the_scheduler_takes_the_templates_schedule(aws: Aws) -> None:
    """moto's CloudFormation skips schedules; its Scheduler takes one, after botocore checked it. It never fires."""
    asked = template()["Resources"]["Schedule"]["Properties"]
    target = asked["Target"]
    scheduler = aws.client("scheduler")
    scheduler.create_schedule(
        Name="flights",
        ScheduleExpression=template()["Parameters"]["ScheduleExpression"]["Default"],
        ScheduleExpressionTimezone=asked["ScheduleExpressionTimezone"],
        FlexibleTimeWindow=asked["FlexibleTimeWindow"],
        Target={
            "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:createProcessingJob",
            "RoleArn": "arn:aws:iam::123456789012:role/scheduler",
            "RetryPolicy": target["RetryPolicy"],
            "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:dead-letters"},
            "Input": target["Input"]["Fn::Sub"][0].replace("${Network}", ""),
        },
    )
    made = scheduler.get_schedule(Name="flights")
    assert made["Target"]["Arn"].endswith("sagemaker:createProcessingJob")
    assert json.loads(made["Target"]["Input"])["ProcessingJobName"] == "monitor-<aws.scheduler.execution-id>"

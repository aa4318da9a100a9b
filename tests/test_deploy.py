"""`docs/deploy.md` deploys as it stands, and the policies of `deploy/iam` hold the rights that the code uses, and no more.

Against moto, which also enforces policies: what a role may not do is refused there.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from capture import CaptureBuffer, CaptureConfig
from capture.journal.spool import Spool
from capture.shipping.shipper import Shipper
from capture.sinks import SinkError
from capture.sinks.s3 import Bucket
from container.shared.settings import Settings
from tests.container.endpoint import wait_for
from tests.test_documents import blocks

ROOT = Path(__file__).resolve().parent.parent
POLICIES = {path.stem: path.read_text() for path in sorted((ROOT / "deploy/iam").glob("*.json"))}
DOCUMENT = (ROOT / "docs/deploy.md").read_text()

CALLS = {
    ("s3", "put_object"): ("capture", "s3:PutObject"),
    ("s3", "get_object"): ("reader", "s3:GetObject"),
    ("s3", "head_object"): ("reader", "s3:GetObject"),
    ("s3", "list_objects_v2"): ("reader", "s3:ListBucket"),
    ("secretsmanager", "get_secret_value"): ("hash-key", "secretsmanager:GetSecretValue"),
    ("sagemaker", "describe_feature_group"): ("feature-store", "sagemaker:DescribeFeatureGroup"),
    ("sagemaker-featurestore-runtime", "batch_get_record"): ("feature-store", "sagemaker:BatchGetRecord"),
    ("codeartifact", "get_authorization_token"): ("requirements", "codeartifact:GetAuthorizationToken"),
    ("codeartifact", "get_repository_endpoint"): ("requirements", "codeartifact:GetRepositoryEndpoint"),
}
"""What the code calls, the policy in which the right for it belongs, and the right."""
VPC = {
    f"ec2:{verb}{what}" for verb in ("Create", "Delete") for what in ("NetworkInterface", "NetworkInterfacePermission")
} | {f"ec2:Describe{what}" for what in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")}
"""What SageMaker asks of the role of a model with `VpcConfig`, on every resource."""
WITHOUT_A_RIGHT = {("s3", "head_bucket")}
"""Preflight asks whether the bucket is there; that it may not know is as good an answer."""
FOR_OTHERS = {
    "capture-kms": {"kms:GenerateDataKey"},  # S3, for an upload
    "reader": {"kms:Decrypt"},  # S3, for a download
    "requirements": {"codeartifact:ReadFromRepository", "sts:GetServiceBearerToken"},  # pip, with the token
}
"""Rights that others use on our behalf."""


def statements(name: str) -> list[dict[str, Any]]:
    document = json.loads(POLICIES[name])
    assert set(document) == {"Version", "Statement"}
    assert document["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = document["Statement"]
    return found


def several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def actions(name: str) -> set[str]:
    return {action for statement in statements(name) for action in several(statement["Action"])}


def called() -> Iterator[tuple[str, str]]:
    """Service and operation of every name in the two rooms that is an operation of a service its file has a client of."""
    for path in sorted([*(ROOT / "capture").rglob("*.py"), *(ROOT / "container").rglob("*.py")]):
        tree = ast.parse(path.read_text())
        clients = [
            call.args[0].value
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "client"
            and call.args
            and isinstance(call.args[0], ast.Constant)
        ]
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        for service in clients:
            model = botocore.session.get_session().get_service_model(str(service))
            yield from ((str(service), name) for name in map(xform_name, model.operation_names) if name in names)


def test_the_policies_hold_the_rights_for_what_the_code_calls_and_no_others() -> None:
    found = set(called())
    assert found == CALLS.keys() | WITHOUT_A_RIGHT
    for name in {policy for policy, _ in CALLS.values()} | FOR_OTHERS.keys():
        own = {action for policy, action in CALLS.values() if policy == name}
        assert actions(name) == own | FOR_OTHERS.get(name, set()), name


def test_the_deployer_may_do_what_the_document_calls_and_update() -> None:
    code = "\n".join(blocks(DOCUMENT, "python"))
    wanted = {
        f"sagemaker:{name}" for name in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint", "DescribeEndpoint")
    }
    made = {
        f"sagemaker:{''.join(map(str.capitalize, name.split('_')))}"
        for name in re.findall(r"sagemaker\.(create_\w+)", code)
    }
    assert made | {"sagemaker:DescribeEndpoint"} == wanted  # the waiter describes
    assert actions("deployer") == wanted | {"sagemaker:UpdateEndpoint", "iam:PassRole"}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_allows_named_actions_on_named_resources(name: str) -> None:
    anywhere_only = {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData", "sts:GetServiceBearerToken"} | VPC
    for statement in statements(name):
        assert statement["Effect"] == "Allow"
        assert statement["Sid"].isalnum()
        wanted = several(statement["Action"])
        assert not [action for action in wanted if "*" in action]
        if "Principal" not in statement and "*" in several(statement["Resource"]):
            assert set(wanted) <= anywhere_only, "this action can be narrowed to a resource"


def test_the_role_joins_a_vpc_with_what_sagemaker_asks_for_and_so_does_the_stack() -> None:
    assert actions("vpc") == VPC
    template = (ROOT / "deploy/cloudformation/endpoint-monitor.yaml").read_text()
    assert {word for word in re.findall(r"ec2:\w+", template) if word != "ec2:Vpc"} == VPC


def test_the_log_group_is_that_of_the_endpoint_alone() -> None:
    [log] = [statement for statement in statements("serving") if statement["Sid"] == "WriteTheLog"]
    group = "arn:aws:logs:<region>:<account>:log-group:/aws/sagemaker/Endpoints/<endpoint>"
    assert log["Resource"] == [group, f"{group}:*"], "`<endpoint>*` would be that of flights-2 as well"
    assert not re.search(r"log-group:\S+[\w}]\*", (ROOT / "deploy/cloudformation/endpoint-monitor.yaml").read_text())


@pytest.mark.parametrize(("call", "policies"), [
    (lambda bucket: bucket.put("key", b"", "text/plain"), ("capture", "capture-kms")),
    (lambda bucket: bucket.get("key"), ("reader",)),
    (lambda bucket: bucket.exists("key"), ("reader",)),
    (lambda bucket: list(bucket.list()), ("reader",)),
])  # fmt: skip
def test_what_a_denied_call_advises_is_what_the_policies_allow(call: Any, policies: tuple[str, ...]) -> None:
    def try_it() -> None:
        with pytest.raises(SinkError, match="access is denied") as refused:
            call(Bucket("bucket", "captured"))
        advised = set(re.findall(r"\b(?:s3|kms):\w+", str(refused.value)))
        assert advised
        assert advised <= {action for name in policies for action in actions(name)}

    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="bucket")
        role = boto3.client("iam").create_role(RoleName="none", AssumeRolePolicyDocument=POLICIES["trust"])["Role"][
            "Arn"
        ]
        key = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="none")["Credentials"]
        names = {
            "AWS_ACCESS_KEY_ID": "AccessKeyId",
            "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
            "AWS_SESSION_TOKEN": "SessionToken",
        }
        with pytest.MonkeyPatch.context() as patched:
            for variable, name in names.items():
                patched.setenv(variable, key[name])
            set_initial_no_auth_action_count(0)(try_it)()


def test_the_document_names_every_policy() -> None:
    table = set(re.findall(r"^\| `([\w-]+)\.json` \|", DOCUMENT, re.MULTILINE))
    assert table == set(POLICIES)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The document's examples, run in order; their variables."""
    monkeypatch.chdir(ROOT)
    variables: dict[str, Any] = {}
    with mock_aws():
        for block in blocks(DOCUMENT, "python"):
            exec(compile(block, "docs/deploy.md", "exec"), variables)  # noqa: S102
        yield variables


def test_the_document_deploys_an_endpoint_in_at_most_twenty_lines(deployed: dict[str, Any]) -> None:
    client = boto3.client("sagemaker", region_name="eu-central-1")
    endpoint = client.describe_endpoint(EndpointName="flights")
    assert endpoint["EndpointStatus"] == "InService"
    config = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    [variant] = config["ProductionVariants"]
    model = client.describe_model(ModelName=variant["ModelName"])
    assert model["ExecutionRoleArn"] == deployed["role"]
    assert "@sha256:" in model["PrimaryContainer"]["Image"]
    assert len(blocks(DOCUMENT, "python")[1].strip().splitlines()) <= 20


def test_the_environment_of_the_document_is_one_that_the_endpoint_takes(deployed: dict[str, Any]) -> None:
    environment = deployed["environment"]
    config = CaptureConfig.from_env(environment)
    names = deployed["names"]
    assert config.destination == f"s3://{names['capture_bucket']}/{names['capture_prefix']}"
    assert config.endpoint_name == names["endpoint"]
    assert Settings.from_env(environment).protobuf is not None


def test_the_role_of_the_document_may_ship_and_nothing_else(
    deployed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record goes through the real shipper with the role's credentials, and policies are enforced."""
    bucket = deployed["names"]["capture_bucket"]
    owner = boto3.client("s3")
    owner.create_bucket(Bucket=bucket)
    answer = boto3.client("sts").assume_role(RoleArn=deployed["role"], RoleSessionName="endpoint")["Credentials"]
    for name, value in (
        ("AWS_ACCESS_KEY_ID", answer["AccessKeyId"]),
        ("AWS_SECRET_ACCESS_KEY", answer["SecretAccessKey"]),
        ("AWS_SESSION_TOKEN", answer["SessionToken"]),
        *deployed["environment"].items(),
        ("CAPTURE_SPOOL_DIR", str(tmp_path / "spool")),
    ):
        monkeypatch.setenv(name, value)

    with_policies = set_initial_no_auth_action_count(0)

    def ship() -> None:
        config = CaptureConfig.from_env()
        buffer = CaptureBuffer(config, start_shipper=False)
        assert buffer.append({"seats": 180}, 0.25)
        buffer.close(timeout=0)
        shipper = Shipper(Spool(tmp_path / "spool", config.spool().max_bytes), config)
        shipper.drain()
        wait_for(lambda: (shipper.step(), shipper.wait(0.1), not shipper.waiting())[-1])
        shipper.stop()

    def try_all() -> None:
        role = boto3.Session().client("s3")  # with the credentials that are set now
        [written] = [key for key in keys if "/_ledger/" not in key]
        for refused in (
            lambda: role.get_object(Bucket=bucket, Key=written),
            lambda: role.list_objects_v2(Bucket=bucket, Prefix="captured/"),
            lambda: role.delete_object(Bucket=bucket, Key=written),
            lambda: role.put_object(Bucket=bucket, Key="captured/another-endpoint/x", Body=b""),
            lambda: role.put_object(Bucket=bucket, Key="captured/_ledger/another-endpoint/x", Body=b""),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                refused()

    with_policies(ship)()
    keys = [entry["Key"] for entry in owner.list_objects_v2(Bucket=bucket)["Contents"]]
    assert {key.split("/")[1] for key in keys} == {"flights", "_ledger"}
    with_policies(try_all)()

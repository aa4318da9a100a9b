"""Where what is captured cannot leave, one line at start says so, and requests are served."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from container.supervisor import destination_check
from tests.container.artefacts import TINY
from tests.container.endpoint import free_port, running, wait_for
from tests.s3_server import S3Server

NO_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "",
    "AWS_SECRET_ACCESS_KEY": "",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_CONFIG_FILE": "/dev/null",
}


@pytest.fixture
def settings_of_the_server(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 finds the server, with credentials that another test's session has not read before."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (NO_CREDENTIALS, "no AWS credentials"),
        ({"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{free_port()}"}, "S3 cannot be reached"),
    ],
    ids=["no credentials", "no network"],
)
def test_an_isolated_endpoint_says_so_once_serves_and_keeps_the_records(
    tmp_path: Path, settings: dict[str, str], words: str
):
    env = {
        "CAPTURE_DESTINATION": "s3://some-bucket/captured",
        "CAPTURE_ENDPOINT_NAME": "isolated",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        **settings,
    }
    with running(tmp_path, TINY, env) as endpoint:
        assert endpoint.invoke({"a": 1}).event_id is not None
        line = wait_for(lambda: endpoint.log_with(source="preflight"))
        assert line["level"] == "WARNING"
        assert words in line["message"]
        assert "CAPTURE_DESTINATION=s3://some-bucket/captured" in line["message"]
        assert endpoint.metric("capture_records_waiting") == {"capture_records_waiting": 1}


@pytest.mark.usefixtures("settings_of_the_server")
def test_a_bucket_that_is_there_is_no_obstacle_and_one_that_is_not_is_named(s3_server: S3Server):
    assert destination_check.obstacle(f"s3://{s3_server.new_bucket()}/prefix") is None
    assert destination_check.obstacle("s3://absent-bucket/prefix") == "there is no bucket absent-bucket"


@pytest.mark.usefixtures("settings_of_the_server")
def test_a_role_that_may_not_list_the_bucket_is_as_it_should_be(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch):
    bucket = s3_server.new_bucket()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert destination_check.obstacle(f"s3://{bucket}/prefix") is None

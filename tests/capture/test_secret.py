"""A key that lies in Secrets Manager is read from there; one that cannot be read stops the start with one line."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from capture import CaptureConfig, ConfigError
from capture.secret import with_secrets

ABSENT = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:absent-AbCdEf"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def test_an_arn_becomes_the_text_of_its_secret() -> None:
    with mock_aws():
        made = boto3.client("secretsmanager", "eu-central-1").create_secret(
            Name="hash", SecretString="pepper of 16 bytes"
        )
        config = with_secrets(CaptureConfig(hash=("user",), hash_key=made["ARN"]))
    assert config.hash_key == "pepper of 16 bytes"


def test_a_secret_that_is_not_there_names_the_setting_and_the_arn() -> None:
    with mock_aws(), pytest.raises(ConfigError, match=r"CAPTURE_HASH_KEY='arn:aws:secretsmanager:.*absent"):
        with_secrets(CaptureConfig(hash=("user",), hash_key=ABSENT))


def test_a_plain_key_is_left_as_it_is_and_asks_nobody() -> None:
    config = CaptureConfig(hash=("user",), hash_key="pepper of 16 bytes")
    assert with_secrets(config) is config

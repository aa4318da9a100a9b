"""Secrets: a setting may be the ARN of a Secrets Manager secret, and this is where it becomes the secret's text.

Each buffer asks AWS once, when it is made, so each worker of our container does at its start, and imports boto3 for it. The
text stays in that process's memory: handed on through the environment, it would stand in `/proc` and in every child's.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from capture.config_checks import SECRET_ARN
from capture.errors import ConfigError

if TYPE_CHECKING:
    from capture.config import CaptureConfig

_TIMEOUT = 5


def with_secrets(config: CaptureConfig) -> CaptureConfig:
    """The same settings with the text of a secret in place of its ARN; raises ConfigError where it cannot be had."""
    if config.hash_key is None or (found := SECRET_ARN.fullmatch(config.hash_key)) is None:
        return config
    return dataclasses.replace(config, hash_key=_fetch(config.hash_key, found.group(1)))


def _fetch(arn: str, region: str) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bounded = Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"max_attempts": 2})
    try:
        answer = boto3.client("secretsmanager", region_name=region, config=bounded).get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f"CAPTURE_HASH_KEY={arn!r} cannot be read: {error}") from error
    text = answer.get("SecretString")
    if not text:
        raise ConfigError(f"CAPTURE_HASH_KEY={arn!r} has no text: store the key as SecretString")
    return str(text)

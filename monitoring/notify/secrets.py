"""References to secrets, and their values: `env:NAME`, or a Secrets Manager ARN, with `#key` for one key of a JSON secret.

A value is held in memory only. A record holds the reference and a fingerprint, so that an incident is closed with the key
that opened it. `redact` takes every value that was read out of a text before it is logged.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from monitoring.errors import MonitoringError, UsageError

_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[^#]+(#.+)?")
_MIN_REDACTED = 6


class SecretError(MonitoringError):
    """A secret cannot be read."""


def check_reference(reference: str, where: str) -> None:
    """Raises UsageError, without the text, where `reference` is not a reference: a secret may stand there by mistake."""
    if not reference.startswith("env:") and not _ARN.fullmatch(reference):
        raise UsageError(f"{where} holds no reference: give env:NAME or a Secrets Manager ARN, never the secret itself")


def fingerprint(value: str) -> str:
    """Returns a short digest that recognizes a secret and does not reveal it."""
    return hashlib.sha256(f"endpoint-monitor:{value}".encode()).hexdigest()[:16]


class Secrets:
    """Reads secrets once each, and again after `forget`."""

    def __init__(self, environ: Mapping[str, str] = os.environ, client: Callable[[], Any] | None = None) -> None:
        self._environ = environ
        self._client = _secrets_client if client is None else client
        self._values: dict[str, str] = {}
        self._read: set[str] = set()

    def value(self, reference: str) -> str:
        """Returns the secret. Raises SecretError where it cannot be read; the message never holds a secret."""
        if reference not in self._values:
            found = self._from_environment(reference) if reference.startswith("env:") else self._from_manager(reference)
            self._values[reference] = found
            self._read.add(found)
        return self._values[reference]

    def forget(self, reference: str) -> None:
        """Makes the next `value` read the secret again: it may have been rotated."""
        self._values.pop(reference, None)

    def redact(self, text: str) -> str:
        """Returns `text` without the values that were read."""
        for value in sorted(self._read, key=len, reverse=True):
            if len(value) >= _MIN_REDACTED:
                text = text.replace(value, "***")
        return text

    def _from_environment(self, reference: str) -> str:
        name = reference.removeprefix("env:")
        value = self._environ.get(name, "").strip()
        if not value:
            raise SecretError(f"the variable {name} is not set: it must hold the secret that monitor.toml names")
        return value

    def _from_manager(self, reference: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        arn, _, key = reference.partition("#")
        try:
            text = self._client().get_secret_value(SecretId=arn)["SecretString"]
        except (BotoCoreError, ClientError, KeyError) as error:
            code = (
                error.response.get("Error", {}).get("Code", "")
                if isinstance(error, ClientError)
                else type(error).__name__
            )
            raise SecretError(
                f"cannot read {arn}: {code}. The role needs secretsmanager:GetSecretValue there"
            ) from None
        if not key:
            return str(text).strip()
        try:
            return str(msgspec.json.decode(text, type=dict[str, Any])[key]).strip()
        except (msgspec.DecodeError, KeyError):
            raise SecretError(f"{arn} is not a JSON object with the key {key!r}") from None


def _secrets_client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})
    return boto3.Session().client("secretsmanager", config=config)

"""Where pip installs from: its own settings, or a CodeArtifact repository."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from container.shared.settings import SettingError
from container.supervisor import requirements

ARN = "arn:aws:codeartifact:eu-west-1:123456789012:repository/my-domain/my-repository"


def test_without_a_repository_pip_s_own_settings_hold():
    assert requirements.environment({"PIP_INDEX_URL": "x"}) == {"PIP_INDEX_URL": "x"}
    assert requirements.command(Path("/r.txt"))[-2:] == ["-r", "/r.txt"]


def test_codeartifact_is_asked_for_a_token_and_no_command_line_shows_it(monkeypatch: pytest.MonkeyPatch):
    client: Any = boto3.client("codeartifact", region_name="eu-west-1")
    domain = {"domain": "my-domain", "domainOwner": "123456789012"}
    with Stubber(client) as service:
        service.add_response(
            "get_authorization_token",
            {"authorizationToken": "token", "expiration": datetime(2030, 1, 1, tzinfo=UTC)},
            domain,
        )
        service.add_response(
            "get_repository_endpoint",
            {"repositoryEndpoint": "https://my-domain.example/pypi/my-repository/"},
            {**domain, "repository": "my-repository", "format": "pypi"},
        )
        monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
        env = requirements.environment({"CA_REPOSITORY_ARN": ARN})
        service.assert_no_pending_responses()
    assert env["PIP_INDEX_URL"] == "https://aws:token@my-domain.example/pypi/my-repository/simple/"
    assert "token" not in " ".join(requirements.command(Path("/r.txt")))


def test_what_is_no_repository_is_refused():
    with pytest.raises(SettingError, match="CA_REPOSITORY_ARN=my-repository"):
        requirements.environment({"CA_REPOSITORY_ARN": "my-repository"})

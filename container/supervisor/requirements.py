"""The artefact's `requirements.txt`, installed with pip at start, as the toolkit does.

`CA_REPOSITORY_ARN` names a CodeArtifact repository to install from; else pip's own settings decide.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from container.shared.settings import SettingError

_REPOSITORY = re.compile(
    r"arn:(?P<partition>[^:]+):codeartifact:(?P<region>[^:]+):(?P<owner>[0-9]+):repository/(?P<domain>[^/]+)/(?P<name>.+)"
)


def command(requirements: Path) -> list[str]:
    """The command that installs them into the interpreter that runs the workers."""
    pip = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    return [*pip, "--root-user-action", "ignore", "-r", str(requirements)]


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """pip's environment; the repository's address holds a token, which no command line should show.

    Raises:
        SettingError: `CA_REPOSITORY_ARN` is no ARN of a repository.
        botocore.exceptions.ClientError, BotoCoreError: AWS refuses, or cannot be reached.
    """
    arn = env.get("CA_REPOSITORY_ARN")
    if not arn:
        return dict(env)
    match = _REPOSITORY.fullmatch(arn)
    if match is None:
        raise SettingError("CA_REPOSITORY_ARN", arn, "arn:aws:codeartifact:REGION:ACCOUNT:repository/DOMAIN/NAME")
    return {**env, "PIP_INDEX_URL": _index(match["region"], match["owner"], match["domain"], match["name"])}


def _index(region: str, owner: str, domain: str, name: str) -> str:
    import boto3

    client = boto3.client("codeartifact", region_name=region)
    token = client.get_authorization_token(domain=domain, domainOwner=owner)["authorizationToken"]
    endpoint = client.get_repository_endpoint(domain=domain, domainOwner=owner, repository=name, format="pypi")
    address = str(endpoint["repositoryEndpoint"]).rstrip("/")
    return address.replace("https://", f"https://aws:{token}@", 1) + "/simple/"

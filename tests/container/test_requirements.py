"""Where pip installs from: its own settings, or a CodeArtifact repository."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from container.shared.settings import SettingError
from container.supervisor import capture_trial, requirements
from tests.container.artefacts import TINY
from tests.container.endpoint import ROOT, Endpoint, write_artefact

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


def test_what_is_installed_here_can_ship_a_record(tmp_path: Path):
    reason = tmp_path / "reason"
    assert subprocess.run(capture_trial.command(reason), cwd=ROOT, check=False).returncode == 0
    assert not reason.exists()


@pytest.mark.parametrize("module", ["pyarrow", "numpy"])
def test_a_package_that_the_shipper_cannot_work_with_is_named(tmp_path: Path, module: str):
    (tmp_path / f"{module}.py").write_text("raise ImportError('built for another release of NumPy')\n")
    reason = tmp_path / "reason"
    run = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import runpy; runpy.run_module({capture_trial.MODULE!r}, run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", run, str(reason)], cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert "built for another release of NumPy" in reason.read_text()


def test_an_endpoint_whose_requirements_break_capture_does_not_start(tmp_path: Path):
    # An installed package of the model's that breaks pyarrow, as numpy==1.26.4 does for one built for NumPy 2.
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pyarrow.py").write_text("raise ImportError('built for another release of NumPy')\n")
    env = {
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        "PYTHONPATH": str(broken),
    }
    write_artefact(tmp_path / "model", TINY, requirements__txt="# nothing\n")
    endpoint = Endpoint(tmp_path, env)
    try:
        assert endpoint.start().wait() == 1
        assert "captured records cannot be shipped with the packages that are installed" in endpoint.stderr
        assert "built for another release of NumPy" in endpoint.stderr
    finally:
        endpoint.remove()

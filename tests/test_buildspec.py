"""What CodeBuild would do with buildspec.yml, with stand-ins for `aws`, `docker` and `make` that write down their calls."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SPEC = yaml.safe_load((ROOT / "buildspec.yml").read_text())
PHASES = ("install", "pre_build", "build", "post_build")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/endpoints"
STAND_INS = {
    "make": "",
    "aws": 'case "$1" in sts) echo 123456789012;; ecr) echo secret;; esac',
    "docker": f'[ "$1" = inspect ] && printf "elsewhere/x@sha256:0\\n{REPOSITORY}@sha256:abc\\n"; [ "$1" = login ] && cat; true',
}


def commands(phases: tuple[str, ...] = PHASES) -> str:
    """The commands as one script: CodeBuild's version 0.2 runs all of a build in one shell."""
    return "\n".join(command for phase in phases for command in SPEC["phases"][phase]["commands"])


def run(tmp_path: Path, phases: tuple[str, ...], **environment: str) -> tuple[int, list[str]]:
    """Exit code and the calls made."""
    calls = tmp_path / "calls"
    calls.touch()
    for name, does in STAND_INS.items():
        (tmp_path / name).write_text(f'#!/bin/bash\necho "{name} $*" >> {calls}\n{does}\n')
        (tmp_path / name).chmod(0o755)
    variables = {
        **SPEC["env"]["variables"],
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT,
        "ECR_REPOSITORY": "endpoints",
        **environment,
    }
    shell = ["bash", "-euo", "pipefail", "-c", commands(phases)]
    result = subprocess.run(shell, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    return result.returncode, calls.read_text().splitlines()


def test_the_phases_are_codebuilds_and_come_in_its_order() -> None:
    assert SPEC["version"] == 0.2
    assert tuple(SPEC["phases"]) == PHASES


@pytest.mark.parametrize("phase", PHASES)
def test_every_command_is_text_and_parses_as_bash(phase: str) -> None:
    for command in SPEC["phases"][phase]["commands"]:
        assert isinstance(command, str)
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_what_was_tested_is_pushed_by_commit_and_handed_on_by_digest(tmp_path: Path) -> None:
    code, calls = run(tmp_path, PHASES)
    assert code == 0
    pushed = calls.index(f"docker push {REPOSITORY}:{COMMIT}")
    assert max(calls.index("make lint types test"), calls.index("make test-system")) < pushed
    assert json.loads((tmp_path / "image.json").read_text()) == {"commit": COMMIT, "image": f"{REPOSITORY}@sha256:abc"}


def test_nothing_is_pushed_when_the_build_failed(tmp_path: Path) -> None:
    code, calls = run(tmp_path, ("pre_build", "post_build"), CODEBUILD_BUILD_SUCCEEDING="0")
    assert code != 0
    assert not [call for call in calls if call.startswith("docker push")]


def test_a_missing_repository_name_is_said(tmp_path: Path) -> None:
    code, calls = run(tmp_path, ("pre_build",), ECR_REPOSITORY="")
    assert code != 0
    assert not [call for call in calls if call.startswith("docker")]

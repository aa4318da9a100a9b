"""What `conftest.py` promises: no setting and no credential of the machine reaches a test, nor what lives for a session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OURS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip


def of_interest() -> dict[str, str]:
    """What may not be the machine's; by `AWS_CA_BUNDLE` it says whom to trust, which tests need."""
    names = [name for name in os.environ if name.startswith(("AWS_", "CAPTURE_", "SAGEMAKER_"))]
    return {name: os.environ[name] for name in names if name != "AWS_CA_BUNDLE"}


@pytest.fixture(scope="session")
def seen_by_the_session() -> dict[str, str]:
    return of_interest()


def test_nothing_of_the_machine_is_seen(seen_by_the_session: dict[str, str]) -> None:
    assert seen_by_the_session == of_interest() == OURS


def test_nothing_of_the_machine_is_seen_where_there_is_something() -> None:
    there = {"CAPTURE_DESTINATION": "file:///of/the/machine", "AWS_PROFILE": "machine", "SAGEMAKER_BIND_TO_PORT": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{__file__}::{test_nothing_of_the_machine_is_seen.__name__}"]  # fmt: skip
    ran = subprocess.run(
        command,
        cwd=Path(__file__).resolve().parents[1],
        env=os.environ | there,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout

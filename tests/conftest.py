"""What holds for every test: no setting and no credential of the machine reaches it, and no limit is a timing."""

import os
import resource
from collections.abc import Iterator

import pytest
from hypothesis import settings

OF_THE_MACHINE = ("AWS_", "CAPTURE_", "FEATURE_STORE_", "PROTOBUF_", "SAGEMAKER_", "SM_")
STAYS = {"AWS_CA_BUNDLE"}

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


# A segment keeps a file open as long as it is mapped, and a machine may allow a process 1,024 of them.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, the region that the tests assume, and no setting of ours."""
    for name in os.environ:
        if name.startswith(OF_THE_MACHINE) and name not in STAYS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session", autouse=True)
def clean_session() -> Iterator[None]:
    """For what a session or a module shares: an endpoint that they start inherits the environment."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        clean(monkeypatch)
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each test anew: another may have left something."""
    clean(monkeypatch)

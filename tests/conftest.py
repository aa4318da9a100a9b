"""What holds for every test: no setting and no credential of the machine reaches it, and no limit is a timing.

Files of tests stand in memory. A worker of pytest-xdist has one S3 server and one AWS server, started when first used.
"""

import os
import resource
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.memory_directory import memory_directory
from tests.moto_server import aws, moto_address
from tests.s3_server import s3_bucket, s3_server

__all__ = ["aws", "moto_address", "s3_bucket", "s3_server"]

OF_THE_MACHINE = ("AWS_", "CAPTURE_", "FEATURE_STORE_", "PROTOBUF_", "SAGEMAKER_", "SM_")
STAYS = {"AWS_CA_BUNDLE"}

if memory := memory_directory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))

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

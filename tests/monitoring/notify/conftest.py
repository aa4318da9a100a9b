import pytest

from tests.memory_directory import tmp_path
from tests.monitoring.notify.https_servers import https_servers
from tests.moto_server import aws, moto_address

__all__ = ["aws", "moto_address", "tmp_path"]


@pytest.fixture
def servers():
    with https_servers() as running:
        yield running

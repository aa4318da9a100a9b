from tests.memory_directory import tmp_path

__all__ = ["tmp_path"]

import pytest

from tests.monitoring.notify.https_servers import https_servers


@pytest.fixture
def servers():
    with https_servers() as running:
        yield running

import pytest

from tests.monitoring.notify.https_servers import https_servers


@pytest.fixture
def servers():
    with https_servers() as running:
        yield running

"""A real HTTP server that answers as AWS does (moto), for tests of what crosses a network.

from tests.monitoring.moto_server import aws
__all__ = ["aws"]
"""

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="session")
def aws_server() -> Iterator[str]:
    """The address of a server for the whole session."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server, with the environment set so that boto3 finds it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server)
    return aws_server

"""AWS for tests: moto as a server on a free port of 127.0.0.1, with nothing in it at the start of each test.

`aws` sets the environment so that boto3 uses the server, and makes clients. moto accepts what AWS refuses (see
`monitoring.publish` and its checker); what it does not evaluate at all is said by the tests that need it.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

REGION = "us-east-1"


@dataclass(frozen=True)
class Aws:
    """An account that is empty at first."""

    address: str

    def client(self, service: str) -> Any:
        """A client of this account."""
        session: Any = boto3.Session("testing", "testing", region_name=REGION)
        return session.client(service, endpoint_url=self.address)

    def topic_and_queue(self, raw: bool = True, receives: int = 3) -> tuple[str, str, str]:
        """Makes a topic, a queue subscribed to it, and a queue of dead letters; returns the ARN and the two URLs."""
        sns, sqs = self.client("sns"), self.client("sqs")
        topic = sns.create_topic(Name="monitor")["TopicArn"]
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": {receives}}}'
        queue = sqs.create_queue(QueueName="monitor", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes = {"RawMessageDelivery": "true"} if raw else {}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return topic, queue, dead


@pytest.fixture(scope="session")
def moto_address() -> Iterator[str]:
    """A server for the whole session."""
    from moto.server import ThreadedMotoServer  # a second that most test files need not spend

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def aws(moto_address: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The server with nothing in it, and the environment that leads to it."""
    request = urllib.request.Request(f"{moto_address}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=30):
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_address)
    return Aws(moto_address)

"""An endpoint of the real chain in directories of its own, capturing into a bucket of the real S3 server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.flights.build import Artefact
from tests.container.endpoint import Endpoint
from tests.integration.captured import CapturedObject, captured_objects
from tests.integration.models import RECORDINGS
from tests.s3_server import S3Server

NAME = "chain"
PREFIX = "captured/here"


@dataclass(frozen=True)
class Chain:
    """Where a model lies, where it captures to, and the endpoint that serves it."""

    base: Path
    server: S3Server
    bucket: str
    endpoint: Endpoint

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{PREFIX}"

    @property
    def port(self) -> int:
        return self.endpoint.port

    @property
    def recordings(self) -> Path:
        return self.base / "recordings"

    @property
    def spool(self) -> Path:
        return self.base / "spool"

    def objects(self) -> list[CapturedObject]:
        """What has been captured so far."""
        return captured_objects(self.server, self.bucket)

    def stop(self) -> int:
        """Stop it as SageMaker does; the exit code."""
        return self.endpoint.terminate()


def settings_of(artefact: Artefact) -> dict[str, str]:
    """What the environment must say to serve a copy of an artefact."""
    return {name: value for name, value in artefact.environment.items() if name != "SAGEMAKER_BASE_DIR"}


@contextmanager
def chain(base: Path, server: S3Server, settings: Mapping[str, str] | None = None) -> Iterator[Chain]:
    """Starts an endpoint that serves `base/model`; it is ready when it is handed over, and gone afterwards.

    A setting of `settings` that is empty counts as unset.
    """
    bucket = server.new_bucket()
    env = {
        "CAPTURE_DESTINATION": f"s3://{bucket}/{PREFIX}",
        "CAPTURE_ENDPOINT_NAME": NAME,
        "CAPTURE_SPOOL_DIR": str(base / "spool"),
        RECORDINGS: str(base / "recordings"),
        **server.environment,
        **(settings or {}),
    }
    (base / "recordings").mkdir()
    endpoint = Endpoint(base, env)
    try:
        yield Chain(base, server, bucket, endpoint.start().wait_until_ready())
    finally:
        endpoint.remove()

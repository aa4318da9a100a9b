"""The real S3 server, and the flights artefact that several chains serve."""

import pytest

from examples.flights.build import Artefact, build_artefact
from tests.s3_server import s3_bucket, s3_server

__all__ = ["s3_bucket", "s3_server"]


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return build_artefact(tmp_path_factory.mktemp("flights"), training_rows=5000, trees=20)

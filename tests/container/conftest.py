"""One endpoint that many tests ask, started once a session (a test that stops or breaks one starts its own)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.artefacts import OBEDIENT
from tests.container.endpoint import Endpoint, running


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Serves OBEDIENT, and captures into the directory `captured` beside its model."""
    directory: Path = tmp_path_factory.mktemp("shared")
    env = {
        "CAPTURE_DESTINATION": f"file://{directory}/captured",
        "CAPTURE_SPOOL_DIR": str(directory / "spool"),
        "CAPTURE_MAX_AGE_SECONDS": "0.5",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
    }
    with running(directory, OBEDIENT, env) as started:
        yield started

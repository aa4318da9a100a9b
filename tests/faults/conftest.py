"""A spool in memory, and processes to kill."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.processes import Nursery
from tests.s3_server import S3Server


@pytest.fixture
def chance() -> random.Random:
    """Random moments; the seed is printed where the test fails, and taken from `FAULTS_SEED` where that is set."""
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"FAULTS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def make_nursery(tmp_path: Path, s3_server: S3Server, s3_bucket: str) -> Iterator[Callable[..., Nursery]]:
    """Makes nurseries whose children capture into the bucket."""
    made: list[Nursery] = []

    def make(**settings: str) -> Nursery:
        environment = s3_server.environment | {
            "CAPTURE_DESTINATION": f"s3://{s3_bucket}/captured",
            "CAPTURE_ENDPOINT_NAME": "flights",
            "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
            "CAPTURE_SPOOL_MAX_BYTES": str(256 << 20),
            "CAPTURE_MAX_RECORDS": "300",
            "CAPTURE_MAX_AGE_SECONDS": "0.5",
            **settings,
        }
        made.append(Nursery(tmp_path / "traces", environment))
        return made[-1]

    yield make
    for nursery in made:
        nursery.close()

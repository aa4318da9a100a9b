"""For the tests of this folder: the real S3 server, and a buffer whose spool nobody ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from capture import CaptureBuffer
from tests.capture.spools import buffer
from tests.s3_server import s3_bucket, s3_server

__all__ = ["s3_bucket", "s3_server"]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[CaptureBuffer]:
    with buffer(tmp_path) as made:
        yield made

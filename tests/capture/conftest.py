"""For the tests of this folder: a buffer whose spool no process ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from capture import CaptureBuffer
from tests.capture.spools import buffer


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[CaptureBuffer]:
    with buffer(tmp_path) as made:
        yield made

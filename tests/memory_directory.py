"""`tmp_path` in memory where there is a tmpfs: tests that wait for a disk at each step take minutes on a busy one.

A folder's `conftest.py` takes the fixture over:

    from tests.memory_directory import tmp_path
    __all__ = ["tmp_path"]
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory of the test's own, gone after it."""
    base = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="capture-test-", dir=base, ignore_cleanup_errors=True) as name:
        yield Path(name)

"""Where tests keep their files: in memory, where there is room. On a busy disk each step of a spool waits."""

from __future__ import annotations

import shutil
from pathlib import Path

NEEDED = 6 << 30  # what the whole suite has at one time, several times over


def memory_directory() -> Path | None:
    """Returns a directory in memory; None where there is none with room for the suite."""
    directory = Path("/dev/shm")
    return directory if directory.is_dir() and shutil.disk_usage(directory).free > NEEDED else None

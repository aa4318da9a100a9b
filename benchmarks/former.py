"""The packages of an earlier commit with the benchmarks of now: what a change cost or saved, measured in one run.

A process that is started in `tree(commit)` imports `capture`, `container` and the others as they were, and `benchmarks` as it is
here. A benchmark that is to run there uses public names alone.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def tree(commit: str) -> Iterator[Path]:
    """Makes a folder with the packages of `commit`, a name that Git knows; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="former-") as name:
        folder = Path(name)
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "--extract", "--exclude=benchmarks"], cwd=folder, input=archive.stdout, check=True)
        (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
        yield folder

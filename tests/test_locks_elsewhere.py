"""The locks of the images hold wheels for arm64, and for every Python that the images take. Asks the package index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FROM_SOURCE = ("future", "retrying", "sagemaker-inference")
"""Releases of pure Python that may come as source, built by `requirements/build.txt` on every machine."""


@pytest.mark.long
@pytest.mark.parametrize("platform", ["aarch64-manylinux_2_28", "x86_64-manylinux_2_28"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("lock", ["build", "serving", "monitoring"])
def test_a_lock_installs_from_wheels_on_each_platform_and_python(
    lock: str, python: str, platform: str, tmp_path: Path
) -> None:
    command = [
        str(Path(sys.executable).parent / "uv"), "pip", "install", "--dry-run", "--quiet", "--target", str(tmp_path),
        "--python-platform", platform, "--python-version", python, "--require-hashes", "--only-binary", ":all:",
        *(word for name in FROM_SOURCE for word in ("--no-binary", name)),
        "-r", str(ROOT / "requirements" / f"{lock}.txt"),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr

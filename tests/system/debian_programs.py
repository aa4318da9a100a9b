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
    written = folder / f"{Path(command[0]).name}.log"
    with written.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + LIMIT
        while True:
            assert process.poll() is None, f"{command[0]} ended:\n{written.read_text()[-1000:]}"
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


@contextmanager
def templates_of_alertmanager(programs: Path) -> Iterator[None]:
    """Links the templates to where Debian's Alertmanager looks for them, which is compiled in; takes the link away again."""
    place = Path("/usr/share/prometheus")
    if (place / "alertmanager").exists():
        yield
        return
    made = not place.exists()
    place.mkdir(exist_ok=True)
    link = place / "alertmanager"
    link.symlink_to(programs.parents[1] / "usr/share/prometheus/alertmanager")
    try:
        yield
    finally:
        link.unlink()
        if made:
            place.rmdir()

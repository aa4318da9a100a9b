"""ministack as a server: SNS, SQS, CloudWatch alarms, Scheduler and CloudFormation that act. It has no SageMaker."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from tests.s3_server import free_ports

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0


@contextmanager
def running_ministack(folder: Path) -> Iterator[str]:
    """Starts a server on a free port of 127.0.0.1 and stops it; yields its address."""
    [port] = free_ports(1)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "EDGE_PORT": str(port),
        "PORT": str(port),
    }
    program = ROOT / ".venv-ministack/bin/ministack"
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen([program], cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process, folder / "ministack.log")
        yield address
    finally:
        process.kill()
        process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.HTTPError as answered:
            answered.close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"ministack does not answer at {address}:\n{log.read_text()[-2000:]}")


def client(address: str, service: str) -> Any:
    """Returns a client of the server."""
    session: Any = boto3.Session("testing", "testing", region_name="us-east-1")
    return session.client(service, endpoint_url=address)

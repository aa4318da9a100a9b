"""A real S3 server for tests: SeaweedFS, with credentials of its own, on free ports of 127.0.0.1.

`s3_server` runs for the session (one for each worker of pytest-xdist); `s3_bucket` is the name of a new bucket, with
the environment set so that boto3 finds the server and may use it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ACCESS_KEY = "capture-tests"
SECRET_KEY = "not-a-secret"
START_LIMIT = 90.0


@dataclass(frozen=True)
class S3Server:
    """A server that runs: where it is and who may use it."""

    endpoint: str
    port: int
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which boto3, in this process or another, uses this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """A client of this server, whatever the environment says."""
        return boto3.Session(self.access_key, self.secret_key, region_name="us-east-1").client(
            "s3",
            endpoint_url=self.endpoint,
            config=Config(retries={"total_max_attempts": 4, "mode": "standard"}, read_timeout=20, connect_timeout=5),
        )

    def new_bucket(self) -> str:
        """Makes a bucket of its own name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str) -> list[str]:
        """All keys of a bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on just now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def running_server(folder: Path) -> Iterator[S3Server]:
    """Starts a server that keeps everything in `folder`, waits until it stores an object, and stops it."""
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    parts = ("master", "volume", "filer", "s3")
    ports = free_ports(2 * len(parts))
    public, internal = dict(zip(parts, ports, strict=False)), dict(zip(reversed(parts), reversed(ports), strict=False))
    listen = [f"-{part}.port={public[part]}" for part in parts] + [
        f"-{part}.port.grpc={internal[part]}" for part in parts
    ]
    command = [
        str(Path(sys.executable).with_name("weed")), "-logtostderr=true", "-v=0", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-dir={data}", *listen, "-s3", f"-s3.config={folder / 's3.json'}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
        f"-s3.localSocket={folder / 's3.sock'}", f"-filer.localSocket={folder / 'filer.sock'}", "-volume.max=0",
        "-master.volumeSizeLimitMB=64", "-volume.preStopSeconds=0", "-master.telemetry=false",
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        server = S3Server(f"http://127.0.0.1:{public['s3']}", public["s3"])
        _wait_until_it_stores(server, process, folder / "weed.log")
        yield server
    finally:
        process.kill()  # an orderly stop takes 15 s, and nothing of it is kept
        process.wait()
        for part, port in internal.items():  # sockets for which it takes no other place
            Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)


def _wait_until_it_stores(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while process.poll() is None:
        try:
            client = server.client()
            client.create_bucket(Bucket="first-bucket")
            client.put_object(Bucket="first-bucket", Key="object", Body=b"stored")
            return
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"no S3 server after {START_LIMIT:.0f} s: {error}\n{log.read_text()[-2000:]}"
                ) from error
            time.sleep(0.2)
    raise RuntimeError(f"the S3 server ended with {process.returncode}:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server for the whole session."""
    with running_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, and the environment that opens it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.new_bucket()

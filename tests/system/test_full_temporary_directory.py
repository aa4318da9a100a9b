"""A full TMPDIR fails no request. It needs root: the temporary directory is a small tmpfs in a mount namespace."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.endpoint import Endpoint, wait_for, write_artefact

CODE = """
import os, tempfile
import prometheus_client

SEEN = prometheus_client.Counter("users_seen", "Requests seen.")

def model_fn(model_dir):
    return None

def predict_fn(features, model, context):
    SEEN.inc()
    if "fill" in features:
        with open(os.path.join(tempfile.gettempdir(), "full"), "wb") as file:
            try:
                while True:
                    file.write(bytes(65536))
                    file.flush()
            except OSError:
                pass
    if "status" in features:
        context.set_response_status(features["status"], "", 0)
    return [1.0]
"""
SIZE = 24 * 1024 * 1024


class SmallDisk(Endpoint):
    """An endpoint whose temporary directory is a file system of `SIZE` bytes."""

    def launcher(self) -> list[str]:
        mount = f'mount -t tmpfs -o size={SIZE} tmpfs "$TMPDIR" && exec "$@"'
        return [*super().launcher(), "unshare", "--mount", "sh", "-c", mount, "sh"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Endpoint]:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    write_artefact(tmp_path / "model", CODE)
    env = {
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        "CAPTURE_MAX_AGE_SECONDS": "0.5",
    }
    endpoint = SmallDisk(tmp_path, env)
    try:
        yield endpoint.start().wait_until_ready()
    finally:
        endpoint.remove()


def test_a_full_temporary_directory_fails_no_request(small: Endpoint):
    workers = small.workers
    assert small.invoke({"fill": True}).status == 200
    # A status that was never counted before needs a new series; the first requests of both workers need several.
    statuses = [small.invoke({"status": status, "a": 1}).status for status in (200, 201, 202, 203, 400, 418) * 10]
    assert statuses == [200, 201, 202, 203, 400, 418] * 10
    assert small.workers == workers
    counted = {"200": 11, "201": 10, "202": 10, "203": 10, "400": 10, "418": 10}
    metric = small.metric("endpoint_requests_total")
    assert {name.split(chr(34))[1]: count for name, count in metric.items() if count} == counted
    assert small.metric("users_seen_total") == {"users_seen_total": 61.0}
    wait_for(lambda: small.metric("capture_records_shipped_total").get("capture_records_shipped_total") == 41)
    with contextlib.suppress(OSError):
        assert small.terminate() == 0

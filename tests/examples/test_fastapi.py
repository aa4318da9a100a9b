"""A server of one's own: uvicorn with two workers, and all that it answered is in S3 after its SIGTERM, once."""

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import examples.fastapi
from examples.flights import traffic
from examples.flights.endpoint import free_port

LIMIT = 60.0


@pytest.fixture
def server(artefact, s3_bucket, tmp_path):
    """The port and the process of the server, which captures into the bucket."""
    port = free_port()
    settings = {
        "FLIGHTS_MODEL": str(artefact.model_dir),
        "CAPTURE_DESTINATION": f"s3://{s3_bucket}/captured",
        "CAPTURE_ENDPOINT_NAME": "flights",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
    }
    command = [sys.executable, "-m", "uvicorn", "examples.fastapi.app:app", "--workers", "2", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)
    try:
        wait_ready(process, port, tmp_path / "log")
        yield port, process
    finally:
        process.terminate()
        process.wait(LIMIT)


def wait_ready(process, port, log):
    deadline = time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            assert post(port, {}) == (400, None)
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the server is not ready:\n{log.read_text()}")


def post(port, payload):
    """Status, and the event id and risks where it is 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request("POST", "/invocations", json.dumps(payload), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = json.loads(response.read())
        if response.status != 200:
            return response.status, None
        return 200, (response.getheader("X-Event-Id"), [prediction["risk"] for prediction in body])
    finally:
        connection.close()


def test_rows_of_both_workers_reach_s3_through_a_sigterm_in_mid_traffic(server, s3_server, s3_bucket, tmp_path):
    port, process = server
    answers = []
    many = threading.Event()

    def caller(requests):
        for request in requests:
            try:
                status, answer = post(port, request.payload)
            except (OSError, http.client.HTTPException):
                return  # it stopped
            assert status == 200
            answers.append(answer)
            if len(answers) >= 100:
                many.set()

    requests = traffic.july_requests()
    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(caller, requests[start::4]) for start in range(4)]
        assert many.wait(LIMIT)
        process.send_signal(signal.SIGTERM)
        for call in calls:
            call.result(LIMIT)
    assert process.wait(LIMIT) == 0

    objects = {
        key: s3_server.client().get_object(Bucket=s3_bucket, Key=key)["Body"].read()
        for key in s3_server.keys(s3_bucket)
    }
    captured = Counter(row for key, body in objects.items() if key.endswith(".parquet") for row in rows(body))
    served = Counter((event, item, risk) for event, risks in answers for item, risk in enumerate(risks))
    writers = [
        writer
        for key, body in objects.items()
        if key.startswith("captured/_ledger/")
        for writer in json.loads(body)["writers"].values()
    ]
    assert served - captured == Counter()
    assert max(captured.values()) == 1
    assert len([writer for writer in writers if writer["shipped"]]) == 2
    assert len(answers) < len(requests)
    wait_until_the_shipper_has_gone(tmp_path / "spool")


def wait_until_the_shipper_has_gone(spool):
    deadline = time.monotonic() + LIMIT
    while spool.exists():
        assert time.monotonic() < deadline, f"{spool} is still there"
        time.sleep(0.05)


def rows(body):
    columns = ["capture_event_id", "capture_item_index", "prediction_risk"]
    return [tuple(row.values()) for row in pq.read_table(io.BytesIO(body), columns=columns).to_pylist()]


def test_capture_takes_ten_lines_of_the_server():
    code = Path(examples.fastapi.__file__).with_name("app.py").read_text().rpartition('"""\n\nfrom __future__')[2]
    lines = [line for line in code.splitlines() if any(word in line.lower() for word in ("capture", "buffer", "event"))]

    assert 0 < len(lines) <= 10

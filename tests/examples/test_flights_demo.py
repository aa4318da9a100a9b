"""The commands of the example, run for real: endpoint, HTTP, shipper and all."""

import contextlib
import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.dataset as ds
import pytest

from examples.flights.endpoint import Endpoint, EndpointError

LIMIT = 120.0


def command(*arguments):
    return [sys.executable, "-m", "examples.flights", *arguments]


def processes_of(directory):
    """Commands of the running processes whose environment names the directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(entry.name) != os.getpid() and os.fsencode(directory) in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def test_the_demo_captures_every_prediction_it_served_and_leaves_nothing_behind(tmp_path):
    out = tmp_path / "out"
    result = subprocess.run(
        command("demo", "--requests", "40", "--directory", str(out)), capture_output=True, text=True, timeout=LIMIT
    )

    assert result.returncode == 0, result.stderr
    [flights] = re.findall(r"Replayed 40 requests of July 2013 with (\d+) flights", result.stdout)
    assert f"Checked {flights} rows captured = {flights} predictions served" in result.stdout
    assert "capture_missing_planes" in result.stdout
    made = [Path(line.split()[-1]) for line in result.stdout.partition("\nMade\n")[2].splitlines()]
    assert len(made) == 5
    assert made[0].name == "report.html"
    assert re.search(r"large\s+temp\s", result.stdout), "July's temperatures are unlike those of January to March"
    assert all(path.exists() for path in made)
    assert processes_of(out) == []
    assert not (out / "spool").exists()


@pytest.fixture
def served(tmp_path):
    """`serve`, ready, and the lines that it printed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    process = subprocess.Popen(
        command("serve", "--port", port, "--directory", str(tmp_path / "out")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        yield process, lines
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=LIMIT)


def test_the_printed_curl_lines_work_and_ctrl_c_ships_what_was_captured(served, tmp_path):
    process, lines = served
    curls = [shlex.split(line) for line in lines if line.startswith("curl -s --data-binary")]
    answers = [answer_of(curl) for curl in curls]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT)

    assert len(answers) == 2
    assert answers[0] == answers[1]
    assert sorted(prediction["rank"] for prediction in answers[0]) == [1, 2, 3, 4]
    assert process.returncode == 0
    captured = tmp_path / "out" / "captured" / "flights"
    assert ds.dataset([str(path) for path in captured.rglob("*.parquet")]).count_rows() == 8
    assert processes_of(tmp_path / "out") == []


def answer_of(curl):
    """What curl would print, without needing curl."""
    url = urlsplit(curl[-1])
    headers = dict(curl[place + 1].split(": ", 1) for place, word in enumerate(curl) if word == "-H")
    body = Path(curl[curl.index("--data-binary") + 1].removeprefix("@")).read_bytes()
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=LIMIT)
    try:
        connection.request("POST", url.path, body, headers)
        response = connection.getresponse()
        assert response.status == 200
        return json.loads(response.read())
    finally:
        connection.close()


def test_a_stop_from_outside_stops_the_endpoint_too(served, tmp_path):
    process, _ = served
    running = processes_of(tmp_path / "out")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)

    assert any("container serve" in command for command in running)
    assert processes_of(tmp_path / "out") == []


def test_a_port_that_is_taken_is_said_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EndpointError, match=f"somebody listens on port {port} already"):
            Endpoint({}, tmp_path / "log", port)


def test_an_endpoint_that_cannot_start_says_why(artefact, tmp_path):
    settings = artefact.environment | {
        "CAPTURE_DESTINATION": (tmp_path / "captured").as_uri(),
        "CAPTURE_MAX_AGE_SECONDS": "soon",
    }
    with Endpoint(settings, tmp_path / "log") as endpoint, pytest.raises(EndpointError) as caught:
        endpoint.wait_ready()

    assert re.search(r"ended with exit code [1-9]\d* before it was ready", str(caught.value))
    assert "CAPTURE_MAX_AGE_SECONDS" in str(caught.value).splitlines()[-1]
    assert "soon" in str(caught.value).splitlines()[-1]

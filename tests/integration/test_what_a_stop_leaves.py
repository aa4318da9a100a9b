"""After the stop nothing of ours is left, also where no setting names a place for what is temporary.

The endpoint runs as in a container: `/tmp`, `/dev/shm` and its home are its own and empty, so that whatever lies there
afterwards is its. A mount namespace gives it these; a machine that allows none cannot run this test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from examples.flights.build import Artefact
from tests.container.endpoint import ROOT, Endpoint
from tests.integration.conversation import converse
from tests.integration.flights_requests import flights_requests
from tests.integration.models import RECORDINGS, record_flights
from tests.integration.serving import settings_of

SANDBOX = """
set -e
mount -t tmpfs none /mnt
mkdir /mnt/code /mnt/python /mnt/base
mount --rbind "$CODE" /mnt/code
mount --rbind "$PYTHON" /mnt/python
mount --rbind "$BASE" /mnt/base
mount -t tmpfs none /tmp
mount -t tmpfs none /dev/shm
mkdir -p "$CODE" "$PYTHON" "$BASE"
mount --rbind /mnt/code "$CODE"
mount --rbind /mnt/python "$PYTHON"
mount --rbind /mnt/base "$BASE"
cd "$CODE"
look() { find /tmp /dev/shm -xdev; find "$BASE" | grep -v "^$BASE/\\(captured\\|recordings\\|before\\|after\\)"; }
look > "$BASE/before"
set +e
"$PYTHON/bin/python" -m container serve --host 127.0.0.1 &
endpoint=$!
trap 'kill -TERM $endpoint' TERM
wait $endpoint
code=$?
if [ $code -gt 128 ]; then wait $endpoint; code=$?; fi
look > "$BASE/after"
exit $code
"""
"""An empty `/tmp` hides what may lie under it and is needed: the code, the interpreter, and the test's own directory."""


@dataclass
class Sandboxed(Endpoint):
    """An endpoint with `/tmp` and `/dev/shm` of its own, and no other place set for what is temporary."""

    def start(self) -> Sandboxed:
        place = {"CODE": str(ROOT), "PYTHON": sys.prefix, "BASE": str(self.directory)}
        given = {
            **{name: value for name, value in os.environ.items() if name != "TMPDIR"},
            **place,
            "HOME": str(self.directory / "home"),
            "SAGEMAKER_BASE_DIR": str(self.directory),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "TEST_ENDPOINT": self.mark,
            **self.env,
        }
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            command = ["unshare", "-rm", "sh", "-c", SANDBOX]
            self.process = subprocess.Popen(
                command, env=given, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
            )
        return self


def allowed() -> bool:
    unshare = shutil.which("unshare")
    return (
        unshare is not None
        and not subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not allowed(), reason="this machine allows no mount namespace")
def test_no_process_is_left_and_no_file_but_what_was_captured(tmp_path: Path, flights: Artefact):
    record_flights(flights, tmp_path)
    for name in ("recordings", "home"):
        (tmp_path / name).mkdir()
    captured = tmp_path / "captured"
    settings = {"CAPTURE_DESTINATION": captured.as_uri(), RECORDINGS: str(tmp_path / "recordings")}
    endpoint = Sandboxed(tmp_path, settings_of(flights) | settings)
    try:
        endpoint.start().wait_until_ready()
        answers = converse(endpoint.port, flights_requests([1, 40, 7, 7]))
        code = endpoint.terminate()
        processes = endpoint.processes()
    finally:
        endpoint.remove()

    assert [answer.status for answer in answers] == [200] * 4
    assert ds.dataset(sorted(captured.rglob("*.parquet"))).count_rows() == 55
    assert (code, processes) == (0, {})
    left = (tmp_path / "after").read_text().splitlines()
    assert sorted(left) == sorted((tmp_path / "before").read_text().splitlines())

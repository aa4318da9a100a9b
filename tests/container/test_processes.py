"""The supervisor as the parent of everything: orphans are reaped, and it may be process 1, as in a container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.container.artefacts import OBEDIENT
from tests.container.endpoint import Endpoint, wait_for, write_artefact

NAMESPACE = ["unshare", "-rmpf", "--mount-proc"]


def allowed() -> bool:
    return shutil.which("unshare") is not None and not subprocess.run([*NAMESPACE, "true"], check=False).returncode


@dataclass
class First(Endpoint):
    """An endpoint that is process 1 of a namespace of its own."""

    def launcher(self) -> list[str]:
        return NAMESPACE

    @property
    def pid(self) -> int:
        """Of the supervisor, as it is called outside its namespace."""
        (pid,) = [pid for pid in self.pids("-m container serve") if "unshare" not in self.processes()[pid]]
        return pid


def state_and_parent(pid: int) -> tuple[str, int] | None:
    """None: it is gone, and reaped."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except FileNotFoundError:
        return None
    return state, int(parent)


@pytest.mark.parametrize(
    "kind",
    [Endpoint, pytest.param(First, marks=pytest.mark.skipif(not allowed(), reason="no process namespaces here"))],
    ids=["below another process", "as process 1"],
)
def test_an_orphan_comes_to_the_supervisor_and_is_reaped_and_a_stop_is_orderly(tmp_path: Path, kind: type[Endpoint]):
    write_artefact(tmp_path / "model", OBEDIENT)
    env = {"CAPTURE_DESTINATION": f"file://{tmp_path}/captured", "CAPTURE_SPOOL_DIR": str(tmp_path / "spool")}
    endpoint = kind(tmp_path, env)
    try:
        endpoint.start().wait_until_ready()
        supervisor = endpoint.pid
        # The shell ends, so its child is an orphan, which its worker's end does not end.
        assert endpoint.invoke({"run": "setsid sh -c 'exec sleep 602 >/dev/null 2>&1' &"}).status == 200
        (orphan,) = wait_for(lambda: endpoint.pids("sleep 602"))
        wait_for(lambda: (state_and_parent(orphan) or ("", 0))[1] == supervisor)
        os.kill(orphan, signal.SIGKILL)
        wait_for(lambda: state_and_parent(orphan) is None)
        os.kill(supervisor, signal.SIGTERM)
        assert endpoint.wait(30) == 0
        assert not endpoint.processes()
        assert list((tmp_path / "captured").rglob("*.parquet"))
    finally:
        endpoint.remove()

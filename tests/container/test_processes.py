"""The supervisor as the parent of everything: orphans are reaped, and it may be process 1, as in a container."""

from __future__ import annotations

import hmac
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pyarrow.dataset
import pytest

from tests.container.artefacts import OBEDIENT, TINY
from tests.container.endpoint import Endpoint, running, wait_for, write_artefact

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


def test_the_key_of_hashed_features_is_in_no_environment_below_the_supervisor(tmp_path: Path):
    key = "a key that is nowhere to be seen"
    env = {
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        "CAPTURE_MAX_AGE_SECONDS": "0.5",
        "CAPTURE_HASH": "name",
        "CAPTURE_HASH_KEY": key,
        "MY_PASSWORD": "for the handler",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }
    code = TINY.replace("return [1.0]", "import os; return [os.environ['MY_PASSWORD']]")
    with running(tmp_path, code, env) as endpoint:
        assert endpoint.invoke({"name": "secret"}).json == ["for the handler"]
        wait_for(lambda: list((tmp_path / "captured").rglob("*.parquet")))
        below = {pid: command for pid, command in endpoint.processes().items() if "container serve" not in command}
        assert {part for part in ("haproxy", "java", "collector", "shipper_entry ship", "worker.process") if any(part in command for command in below.values())} == {"haproxy", "java", "collector", "shipper_entry ship", "worker.process"}  # fmt: skip
        for pid, command in below.items():
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert key.encode() not in environment, command
            if "haproxy" in command or "collector" in command:
                assert b"MY_PASSWORD" not in environment
        (secrets,) = endpoint.temporary.glob("endpoint-*/secrets")
        assert secrets.stat().st_mode & 0o777 == 0o600
    (row,) = (
        pyarrow.dataset.dataset([str(path) for path in (tmp_path / "captured").rglob("*.parquet")])
        .to_table()
        .to_pylist()
    )
    assert row["name"] == hmac.new(key.encode(), b'"secret"', "sha256").hexdigest()

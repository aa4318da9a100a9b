"""The command `capture ship` around the shipper: how it ends, what it says, what it leaves, and what it costs."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture import CaptureBuffer, CaptureConfig
from capture.shipping.daemon_executor import DaemonExecutor
from tests.faults.processes import last_line, until


class Command:
    """`python -m capture ship` over a spool of its own."""

    def __init__(self, directory: Path) -> None:
        self.spool, self.out = directory / "spool", directory / "out"
        self.log = directory / "log"
        self._started: list[subprocess.Popen[bytes]] = []

    def writer(self) -> CaptureBuffer:
        config = CaptureConfig(destination=f"file://{self.out}", spool_dir=self.spool, spool_max_bytes=64 << 20)
        return CaptureBuffer(config, start_shipper=False)

    def start(self, *options: str, **env: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "CAPTURE_DESTINATION": f"file://{self.out}", "CAPTURE_SPOOL_DIR": str(self.spool),
            "CAPTURE_SPOOL_MAX_BYTES": str(64 << 20), **env,
        }  # fmt: skip
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "capture", "ship", *options], env=environment, stdout=log, stderr=log
            )
        self._started.append(process)
        until(lambda: (self.spool / "shipper.lock").exists() or process.poll() is not None, "it holds the spool")
        return process

    @property
    def said(self) -> str:
        return self.log.read_text()

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    made = Command(tmp_path)
    yield made
    made.close()


def test_until_idle_it_ships_says_so_and_leaves_nothing(command: Command) -> None:
    writer = command.writer()
    for number in range(100):
        assert writer.append({"n": number}, 0.5)
    assert not writer.close(timeout=0)
    process = command.start("--until-idle")
    assert process.wait(60) == 0
    assert last_line(command.said).shipped == 100
    assert "the spool was empty and is removed" in command.said
    assert not command.spool.exists()
    (ledger,) = command.out.glob("_ledger/**/*.json")
    assert '"closed": true' in ledger.read_text()


def test_sigterm_ships_what_an_open_segment_holds(command: Command) -> None:
    writer = command.writer()
    writer.append({"n": 1}, 0.5)
    process = command.start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert last_line(command.said).shipped == 1
    assert command.spool.exists(), "its writer is alive"
    writer.close(timeout=0)


def test_a_spool_that_is_removed_under_it_is_one_clear_line(command: Command) -> None:
    import shutil

    writer = command.writer()
    writer.append({"n": 1}, 0.5)
    process = command.start()
    until(lambda: list(command.out.rglob("*.json")), "its first ledger is written")
    shutil.rmtree(command.spool)
    assert process.wait(60) == 1
    writer.close(timeout=0)
    assert "was removed under the shipper" in command.said
    assert "Traceback" not in command.said


def test_a_spool_that_is_no_directory_is_one_clear_line(command: Command) -> None:
    command.spool.write_text("a file")
    process = command.start()
    assert process.wait(60) == 1
    assert "Traceback" not in command.said
    assert str(command.spool) in command.said


def test_an_idle_shipper_costs_next_to_nothing(command: Command) -> None:
    """Eight idle writers; the CPU's time over fifteen looks, between which it sleeps: three seconds."""
    writers = [command.writer() for _ in range(8)]
    for writer in writers:
        writer.append({"n": 1}, 0.5)
    process = command.start()
    about = Path(f"/proc/{process.pid}")

    def cpu() -> float:
        fields = (about / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sleeps() -> int:
        [count] = re.findall(r"(?m)^voluntary_ctxt_switches:\s+(\d+)$", (about / "status").read_text())
        return int(count)

    until(lambda: "_ledger" in str(list(command.out.rglob("*.json"))), "its first ledger is written")
    before, begun, slept = cpu(), time.monotonic(), sleeps()
    until(lambda: sleeps() >= slept + 15, "it looks fifteen times")
    share = (cpu() - before) / (time.monotonic() - begun)
    assert share < 0.1, f"{share:.1%} of a core"
    for writer in writers:
        writer.close(timeout=0)


def test_a_job_thread_does_not_keep_its_process_alive() -> None:
    program = (
        "import threading, time\n"
        "from capture.shipping.daemon_executor import DaemonExecutor\n"
        "DaemonExecutor('stuck').submit(time.sleep, 600)\n"
        "print('ends')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "ends\n"


def test_a_job_thread_hands_on_what_its_job_raises() -> None:
    thread = DaemonExecutor("raises", calm=True)

    def fail() -> None:
        raise KeyboardInterrupt

    future = thread.submit(fail)
    assert isinstance(future.exception(timeout=60), KeyboardInterrupt)
    assert thread.submit(lambda: 7).result(timeout=60) == 7
    thread.close()


def test_the_shipper_may_open_as_many_files_as_the_machine_lets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool of 8 GiB has 2,048 segments, and a soft limit is 1,024 often."""
    from capture.shipping import process

    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 500_000))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: asked.append(limits))
    process._allow_open_files()
    assert asked == [(65_536, 500_000)]


def test_a_probe_ends_with_the_shipper_that_started_it(tmp_path: Path) -> None:
    """Or a shipper that is killed again and again would leave a crowd."""
    program = (
        "import os, subprocess, sys, threading\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import os, sys, time; from capture.shipping import trial_encoding;'\n"
        "    'trial_encoding._end_with(int(sys.argv[1])); print(os.getpid(), flush=True); time.sleep(600)', str(os.getpid())])\n"
        "child.wait()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    until(lambda: not Path(f"/proc/{child}").exists(), "the probe is gone")


def test_a_probe_whose_shipper_is_dead_already_does_not_begin(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "capture.shipping.trial_encoding", str(tmp_path), "no-batch", "1"]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0

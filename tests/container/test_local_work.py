"""What helps a person who works on a model: a readable log, a start after each change, versions, a missing extra that is named."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import capture
from container.__main__ import main
from container.logs.text_lines import as_text
from container.shared.extra import PACKAGES
from container.supervisor.reload import snapshot
from tests.container.artefacts import TINY
from tests.container.endpoint import Endpoint, wait_for, write_artefact

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import sys
from importlib import util
real, absent = util.find_spec, {packages}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(name)
util.find_spec = lambda name, package=None: None if name in absent else real(name, package)
sys.meta_path.insert(0, Absent())
from container.__main__ import main
sys.exit(main({arguments}))
"""
"""A process in which these packages are not installed."""


def test_the_endpoint_says_its_version(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"endpoint-capture {capture.__version__}\n"


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_without_the_extra_a_command_is_one_line_that_says_what_to_install(command: str):
    program = WITHOUT.format(packages=sorted(PACKAGES), arguments=[command])
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith("endpoint: multi-model-server, prometheus-client, sagemaker-inference not installed")
    assert "pip install '.[serving]'" in line


def test_a_log_line_becomes_text_with_its_event_its_fields_and_its_traceback():
    entry = {"time": "2026-03-01T12:34:05.123Z", "level": "ERROR", "source": "worker", "pid": 7, "event_id": "e1",
             "logger": "endpoint", "message": "ValueError: x", "stage": "predict", "traceback": "Traceback\n  File a\n"}  # fmt: skip
    assert as_text(json.dumps(entry).encode() + b"\n").decode() == (
        "12:34:05.123 ERROR worker 7 event=e1 stage=predict  ValueError: x\n    Traceback\n      File a\n"
    )


def test_text_shows_a_clients_terminal_escapes_as_text_and_leaves_metrics_out():
    shown = as_text(json.dumps({"message": "\x1b[2Jgone\nsecond\u202e"}).encode())
    assert b"\x1b" not in shown
    assert shown.decode().endswith("  \\x1b[2Jgone\n    second\\u202e\n")
    assert as_text(b'{"_aws": {}, "Appended": 3}\n') == b""


@pytest.mark.parametrize("line", [b"not json\n", b"[1]\n", b"[" * 100_000])
def test_a_line_that_is_no_object_is_written_as_it_is(line: bytes):
    assert as_text(line) == line


def test_a_snapshot_leaves_hidden_files_and_bytecode_out(tmp_path: Path):
    write_artefact(tmp_path, TINY)
    before = snapshot(tmp_path)
    (tmp_path / "code" / ".inference.py.swp").touch()
    (tmp_path / "code" / "__pycache__").mkdir()
    (tmp_path / "code" / "__pycache__" / "x.pyc").touch()
    assert snapshot(tmp_path) == before
    (tmp_path / "code" / "inference.py").write_text(TINY + "\n")
    assert snapshot(tmp_path) != before


RELOADER = """
import sys
from pathlib import Path
from container.supervisor.reload import Reloader
program = "import os,sys,time; print(open(sys.argv[1]).read(), os.getpid(), flush=True); time.sleep(600 if 'stay' in open(sys.argv[1]).read() else 0)"
sys.exit(Reloader([sys.executable, "-c", program, sys.argv[1] + "/file"], Path(sys.argv[1]), 0.02).run())
"""


def test_a_change_starts_the_program_again_whether_it_runs_or_has_ended(tmp_path: Path):
    watched, output = tmp_path / "watched", tmp_path / "output"
    watched.mkdir()
    (watched / "file").write_text("stay 1")
    with output.open("wb") as out:
        reloader = subprocess.Popen([sys.executable, "-c", RELOADER, watched], cwd=ROOT, stdout=out, stderr=out)
    try:
        wait_for(lambda: "stay 1 " in output.read_text())
        for text, then in (
            ("ends", f"starts again when {watched} changes"),
            ("stay 2", "stay 2 "),
            ("stay 3", "stay 3 "),
        ):
            (watched / "file").write_text(text)
            wait_for(lambda: then in output.read_text())  # noqa: B023
        reloader.send_signal(signal.SIGINT)
        assert reloader.wait(30) == 128 + signal.SIGTERM
    finally:
        reloader.kill()
        reloader.wait()


@pytest.mark.long
def test_the_endpoint_starts_again_with_the_new_code_and_logs_text(tmp_path: Path):
    class Reloaded(Endpoint):
        def launcher(self) -> list[str]:
            program = "import sys; from container.__main__ import main; sys.exit(main([*sys.argv[4:], '--reload', '--log', 'text']))"
            return [*super().launcher(), sys.executable, "-c", program]

    write_artefact(tmp_path / "model", TINY)
    endpoint = Reloaded(tmp_path)
    try:
        endpoint.start().wait_until_ready()
        assert endpoint.invoke({"a": 1}).json == [1.0]
        write_artefact(tmp_path / "model", TINY.replace("1.0", "2.0"))
        wait_for(lambda: "has changed, starting again" in endpoint.stderr)
        wait_for(lambda: endpoint.output.read_text().count("ready after") == 2)
        assert endpoint.invoke({"a": 1}).json == [2.0]
        assert endpoint.terminate() == 0
        assert " INFO supervisor " in endpoint.output.read_text()
    finally:
        endpoint.remove()

"""A process that ends right after `append` has answered true leaves its records to a shipper that is already started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.faults.processes import until

ROOT = Path(__file__).parents[2]
HEAD = """
import os, sys, signal, multiprocessing
from pathlib import Path
from capture import CaptureBuffer, CaptureConfig

def settings(home, **more):
    given = dict(destination=f"file://{home}/captured", spool_dir=Path(home) / "spool", max_records=5)
    return CaptureConfig(**{**given, **more}, spool_max_bytes=64 << 20)

def append(home):
    buffer = CaptureBuffer(settings(home))
    assert all([buffer.append(dict(mark=number), 0.5) for number in range(10)])
    return buffer
"""
ENDINGS = {
    "returns": "append(sys.argv[1])",
    "os._exit": "append(sys.argv[1]); os._exit(0)",
    "an exception": "append(sys.argv[1]); raise SystemExit(3)",
    "kill -9": "append(sys.argv[1]); os.kill(os.getpid(), signal.SIGKILL)",
    "a spawned child": "multiprocessing.get_context('spawn').Process(target=append, args=sys.argv[1:2]).start()",
    "a pool": "multiprocessing.get_context('forkserver').Pool(1).map_async(append, sys.argv[1:2]).wait(60)",
    "a closed stdout": "append(sys.argv[1]); os.close(1); os._exit(0)",
}


def run(code: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a script; its output is read to the end, so that a process that inherited it would be waited for."""
    script = home / "script.py"
    script.write_text(f"{HEAD}\nif __name__ == '__main__':\n    " + code.replace("\n", "\n    ") + "\n")
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **more}
    command = [sys.executable, str(script), str(home)]
    return subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=60, check=False)


def shipped(home: Path) -> list[int]:
    """The marks of the rows that arrived, once the spool is empty and removed."""
    until(lambda: not (home / "spool").exists(), "the shipper has ended and removed the spool", 60)
    files = sorted((home / "captured").glob("local/**/*.parquet"))
    return sorted(int(mark) for file in files for mark in pq.ParquetFile(file).read(["mark"])["mark"].to_pylist())


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_that_ends_at_once_loses_no_accepted_record(tmp_path: Path, ending: str) -> None:
    run(ENDINGS[ending], tmp_path)
    assert shipped(tmp_path) == list(range(10))


def test_a_shipper_inherits_no_module_of_the_callers_directory(tmp_path: Path) -> None:
    for name in ("inspect", "json", "capture_helper"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    code = "sys.path.remove(os.getcwd()) if os.getcwd() in sys.path else None\nappend(sys.argv[1])"
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(HEAD + code)
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, script, str(tmp_path)], cwd=tmp_path, env=env, check=True, timeout=60)
    assert shipped(tmp_path) == list(range(10))


def test_a_shipper_is_a_daemon_with_an_environment_and_descriptors_of_its_own(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "listener.set_inheritable(True)\n"
        "buffer = append(sys.argv[1])\n"
        "print(listener.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
        "os._exit(0)\n"
    )
    (tmp_path / "script.py").write_text(HEAD + code)
    env = {
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
        "DATABASE_PASSWORD": "SECRET",
        "AWS_REGION": "eu-west-1",
    }
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        pid = until(lambda: holder(tmp_path / "spool" / "shipper.lock"), "a shipper holds the spool", 60)
        about = Path(f"/proc/{pid}")
        environment = (about / "environ").read_bytes()
        assert b"SECRET" not in environment
        assert b"AWS_REGION=eu-west-1" in environment
        assert (about / "cwd").readlink() == Path("/")
        assert os.getsid(pid) not in (os.getsid(0), os.getsid(server.pid))
        parent = int((about / "stat").read_text().rpartition(")")[2].split()[1])
        assert parent != server.pid
        links = [str(link.readlink()) for link in (about / "fd").iterdir()]
        assert not [link for link in links if link.startswith(("socket:", "pipe:"))]
        server.stdin.close()
        assert server.stdout.read() == b"", "no process keeps the pipe open"
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert shipped(tmp_path) == list(range(10))


def holder(path: Path) -> int | None:
    """The process that holds a lock on a file, as the kernel lists it."""
    try:
        inode = path.stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[3] == "WRITE" and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    return None


def test_a_failure_of_the_shipper_reaches_the_users_log(tmp_path: Path) -> None:
    (tmp_path / "captured").write_text("a file where a directory is wanted")
    ended = run("sys.exit(append(sys.argv[1]).close(4.0))", tmp_path)
    assert "are not shipped after 4 s; they wait in" in ended.stderr
    assert "not delivered" in ended.stderr
    (tmp_path / "captured").unlink()
    assert shipped(tmp_path) == list(range(10))


@pytest.mark.parametrize("executable", ["''", "'/usr/bin/uwsgi'", "'/usr/bin/env'", "None"])
def test_a_shipper_starts_where_sys_executable_is_no_python(tmp_path: Path, executable: str) -> None:
    run(f"sys.executable = {executable}\nappend(sys.argv[1])", tmp_path)
    assert shipped(tmp_path) == list(range(10))


def test_a_shipper_finds_the_package_where_only_this_process_knows_it(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.path[:0] = "
        + repr([path for path in sys.path if path])
        + "\n"
        + HEAD
        + "append(sys.argv[1])\n"
    )
    (tmp_path / "script.py").write_text(code)
    plain = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run(
        [plain, "-I", tmp_path / "script.py", tmp_path], check=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )
    assert shipped(tmp_path) == list(range(10))


def test_where_no_python_is_found_the_log_says_what_to_do_and_records_wait(tmp_path: Path) -> None:
    code = (
        "import capture.child_python\n"
        "capture.child_python.os.access = lambda path, mode: False\n"
        "append(sys.argv[1])\nos._exit(0)"
    )
    ended = run(code, tmp_path)
    assert "no shipper can be started: no Python interpreter was found" in ended.stderr
    assert "`python -m capture ship --spool DIRECTORY`" in ended.stderr
    command = [sys.executable, "-m", "capture", "ship", "--spool", str(tmp_path / "spool"), "--until-idle"]
    env = {**os.environ, "CAPTURE_MAX_RECORDS": "5"}
    subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=60, capture_output=True)
    assert shipped(tmp_path) == list(range(10))


def test_an_orderly_end_closes_the_buffer_so_that_nothing_waits_for_its_age(tmp_path: Path) -> None:
    code = "buffer = CaptureBuffer(settings(sys.argv[1], max_age_seconds=86_400))\nbuffer.append({'mark': 1}, 0.5)"
    run(code, tmp_path)
    assert shipped(tmp_path) == [1]

"""The log collector: whole lines, one JSON object each, whatever comes in and however slowly it goes out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.logs import json_lines
from container.logs.collector import MAX_LINE, MAX_WAITING, LogPipe, Tag

ROOT = Path(__file__).resolve().parents[2]


@given(st.lists(st.binary(max_size=50)))
def test_any_bytes_in_any_pieces_become_json_objects_a_line(pieces: list[bytes]):
    source = LogPipe(Tag("java", 7))
    lines = [line for piece in pieces for line in source.lines(piece)] + source.last_line()
    for line in lines:
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert isinstance(json.loads(line), dict)
    texts = [text for text in b"".join(pieces).split(b"\n") if text.strip()]
    assert len(lines) == len(texts)


def test_a_json_object_is_passed_as_it_is_and_other_json_is_wrapped():
    source = LogPipe(Tag("java", 7))
    passed, wrapped = source.lines(b'{"message":"x", "n": 1}\n[1]\n')
    assert passed == b'{"message":"x", "n": 1}\n'
    assert json.loads(wrapped) | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "source": "java",
        "pid": 7,
        "message": "[1]",
    }


def test_an_endless_line_is_cut():
    source = LogPipe(Tag())
    lines = source.lines(b"x" * (2 * MAX_LINE + 5))
    assert [len(json.loads(line)["message"]) for line in lines] == [MAX_LINE, MAX_LINE]


class RunningPump:
    def __init__(self, directory: Path) -> None:
        self.socket = directory / "log.sock"
        arrivals = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        arrivals.bind(str(self.socket))
        reading, self.supervisor = os.pipe()
        self.output, stdout = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "container.logs.collector", str(arrivals.fileno())],
            cwd=ROOT,
            stdin=reading,
            stdout=stdout,
            pass_fds=[arrivals.fileno()],
        )
        arrivals.close()
        os.close(reading)
        os.close(stdout)

    def read_all(self) -> list[dict[str, Any]]:
        """All lines, until the pump ends."""
        with os.fdopen(self.output, "rb") as output:
            return [json.loads(line) for line in output]


@pytest.fixture
def pump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPump]:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        running = RunningPump(Path(directory))
        yield running
        running.process.wait(10)


def test_lines_of_several_pipes_never_mix_and_the_pump_ends_when_all_have(pump: RunningPump):
    writers = [json_lines.connect(pump.socket, f"w{n}", n) for n in range(3)]
    os.write(pump.supervisor, b"begun ")
    for writer in writers:
        os.write(writer, b"half ")
    for number, writer in enumerate(writers):
        os.write(writer, f"a line of {number}\n".encode())
        os.close(writer)
    os.write(pump.supervisor, b"and ended without a newline")
    os.close(pump.supervisor)
    lines = pump.read_all()
    assert {(line["source"], line["message"]) for line in lines} == {
        ("w0", "half a line of 0"),
        ("w1", "half a line of 1"),
        ("w2", "half a line of 2"),
        ("supervisor", "begun and ended without a newline"),
    }
    assert pump.process.wait(10) == 0


def test_a_stdout_that_nobody_reads_blocks_no_writer_and_what_is_dropped_is_counted(pump: RunningPump):
    writer = json_lines.connect(pump.socket, "worker", 1)
    line = b"x" * 999 + b"\n"
    written = 3 * MAX_WAITING // len(line)
    for _ in range(written):
        os.write(writer, line)
    os.close(writer)
    os.close(pump.supervisor)
    lines = pump.read_all()
    dropped = sum(int(line["message"].split()[0]) for line in lines if line["source"] == "log_collector")
    assert dropped > 0
    assert dropped + sum(line["source"] == "worker" for line in lines) == written


def test_printed_pieces_of_two_threads_do_not_mix(tmp_path: Path):
    import threading

    with (tmp_path / "out").open("wb") as out:
        printed = json_lines.PrintedLines("worker", "stdout", out.fileno())

        def speak(name: str) -> None:
            for _ in range(200):
                print(name, name, name, file=printed)

        threads = [threading.Thread(target=speak, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    messages = [json.loads(line)["message"] for line in (tmp_path / "out").read_bytes().splitlines()]
    assert sorted(messages) == sorted(f"{name} {name} {name}" for name in "abcd" for _ in range(200))


FORGED = (
    b'{"_aws": {"CloudWatchMetrics": [{"Namespace": "Mine"}]}, "level": "CRITICAL", "source": "supervisor", "pid": 1}'
)


def test_a_printed_metric_keeps_its_values_and_says_who_printed_it():
    (line,) = LogPipe(Tag("worker", 7, foreign=True)).lines(FORGED + b"\n")
    assert json.loads(line) == {
        "_aws": {"CloudWatchMetrics": [{"Namespace": "Mine"}]}, "level": "INFO", "source": "worker", "pid": 7
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        FORGED.replace(b"Mine", b"EndpointCapture"),
        b'{"level": "CRITICAL", "source": "supervisor", "message": "stopping"}',
        b'{"time": "2013-07-01", "level": "ERROR", "source": "worker"}',
        b'{"_aws": 1}',
    ],
)
def test_what_a_handler_writes_never_passes_as_a_line_of_ours(text: bytes):
    (line,) = LogPipe(Tag("worker", 7, foreign=True)).lines(text + b"\n")
    found = json.loads(line)
    assert (found["source"], found["level"], found["message"]) == ("worker", "INFO", text.decode())


def test_a_process_writes_lines_of_its_own_source_alone():
    passed, wrapped = LogPipe(Tag("shipper", 7)).lines(
        b'{"source": "shipper", "level": "ERROR"}\n{"source": "supervisor", "level": "ERROR"}\n'
    )
    assert json.loads(passed)["level"] == "ERROR"
    assert json.loads(wrapped)["source"] == "shipper"
    assert json.loads(wrapped)["level"] == "INFO"

"""Workers and shippers as processes that a test starts, kills and reads the traces of."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capture.shipping.stats import Stats, read_stats

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120.0
"""Seconds to wait for what must happen."""


def until(what: Callable[[], Any], saying: str, limit: float = LIMIT, pause: float = 0.005) -> Any:
    """Waits for something to be true, and returns it; TimeoutError with `saying` where it never is."""
    end = time.monotonic() + limit
    while not (found := what()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {limit:.0f} s: {saying}")
        time.sleep(pause)
    return found


@dataclass
class Process:
    """A child of the nursery."""

    pid: int
    nursery: Nursery
    log: Path
    acknowledged_file: Path | None = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends a signal, if it lives."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    @property
    def ended(self) -> bool:
        return self.pid in self.nursery.statuses

    def wait(self, limit: float = LIMIT) -> int:
        """Its exit code, negative for a signal."""
        until(lambda: self.ended, f"process {self.pid} ends; its log: {self.said[-2000:]}", limit, 0.002)
        return self.nursery.statuses[self.pid]

    @property
    def listens(self) -> bool:
        """Whether it has a handler for SIGTERM yet."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> signal.SIGTERM - 1 & 1)

    @property
    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def acknowledged(self) -> list[int]:
        """The numbers that it noted; a note that a death cut short is none."""
        if self.acknowledged_file is None or not self.acknowledged_file.exists():
            return []
        *lines, _ = self.acknowledged_file.read_bytes().split(b"\n")
        return [int(line) for line in lines]


@dataclass
class Nursery:
    """The process that forks them. `environment` is what its children get."""

    directory: Path
    environment: dict[str, str]
    statuses: dict[int, int] = field(default_factory=dict)
    children: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._started: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in iter(self._process.stdout.readline, b""):
            word, pid, *status = line.split()
            if word == b"started":
                self._started.put(int(pid))
            else:
                self.statuses[int(pid)] = int(status[0])

    def _start(self, order: dict[str, Any], name: str) -> Process:
        log = self.directory / f"{name}.log"
        assert self._process.stdin is not None
        order = {"log": str(log), "env": self.environment | order.pop("env", {})} | order
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        process = Process(self._started.get(timeout=LIMIT), self, log)
        self.children.append(process)
        return process

    def worker(self, name: str, **more: Any) -> Process:
        """A worker that appends until it is stopped."""
        acknowledged = self.directory / f"{name}.acknowledged"
        process = self._start({"run": "worker", "worker": name, "acknowledged": str(acknowledged)} | more, name)
        process.acknowledged_file = acknowledged
        return process

    def shipper(self, *options: str, **more: Any) -> Process:
        """A shipper; all of them write into one log, one after the other."""
        return self._start({"run": "ship", "options": options} | more, "shipper")

    def close(self) -> None:
        """Ends all that still lives."""
        for child in self.children:
            if not child.ended:
                child.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass(frozen=True)
class LastLine:
    """What a shipper says when it ends."""

    shipped: int
    waiting: int
    lost: int


def last_line(said: str) -> LastLine:
    """The last of the last lines in a log."""
    found = re.findall(r"shipper ends: shipped (\d+) records in \d+ objects, (\d+) not shipped, (\d+) lost", said)
    assert found, f"no last line in: {said[-2000:]}"
    return LastLine(*map(int, found[-1]))


def all_shipped(spool: Path) -> Stats:
    """Waits until every writer has ended and nothing waits; the counters of then."""

    def settled() -> Stats | None:
        stats = read_stats(spool)
        there = (spool / "writers").is_dir() and not any((spool / "writers").iterdir())
        return stats if there and stats.waiting == 0 and not any((spool / "batches").iterdir()) else None

    found: Stats = until(settled, f"everything in {spool} is shipped", pause=0.05)
    return found

"""kill -9 of workers and shippers at random moments: every acknowledged record is in S3 once, and accounted for."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.processes import Nursery, Process, all_shipped, last_line, until
from tests.faults.readback import compare, read_back
from tests.faults.results import note

Make = Callable[..., Nursery]
ROUNDS = pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.long)])


def trouble_in(said: str) -> list[str]:
    """The lines of a log that tell of anything unusual."""
    usual = ("capture: shipper ends", "{")
    return [line for line in said.splitlines() if not line.startswith(usual)][:40]


class Rounds:
    """Workers and a shipper over one spool, and what is asserted of them in the end."""

    def __init__(self, nursery: Nursery, spool: Path, chance: random.Random, bucket: str) -> None:
        self._nursery, self._spool, self._chance = nursery, spool, chance
        self._uri = f"s3://{bucket}/captured"
        self.workers: dict[str, Process] = {}
        self.kills = 0

    def start_worker(self) -> Process:
        name = f"w{len(self.workers)}"
        worker = self.workers[name] = self._nursery.worker(name, burst=self._chance.choice([1, 5, 20]), pause=0.003)
        return worker

    @staticmethod
    def wait_for_a_record(worker: Process) -> None:
        until(lambda: worker.acknowledged, f"a first record; log: {worker.said}")

    def kill(self, process: Process, max_seconds: float) -> None:
        """At a random moment from now."""
        time.sleep(self._chance.uniform(0, max_seconds))
        process.kill()
        assert process.wait() == -signal.SIGKILL, process.said[-3000:]
        self.kills += 1

    def finish(self, name: str, shipper: Process | None = None) -> None:
        """Lets everything end in order, reads all back and compares."""
        for worker in self.workers.values():
            if not worker.ended:
                worker.kill(signal.SIGTERM)
                assert worker.wait() in (0, 1), worker.said
        shipper = shipper or self._nursery.shipper()
        stats = all_shipped(self._spool)
        shipper.kill(signal.SIGTERM)
        assert shipper.wait() == 0, shipper.said[-3000:]
        acknowledged = {worker: process.acknowledged for worker, process in self.workers.items()}
        assert stats.balanced, stats
        assert stats.dropped == {}, f"{stats}; {trouble_in(shipper.said)}"
        arrived = read_back(self._uri)
        there = compare(arrived, acknowledged, f"{name}; {stats}; {trouble_in(shipper.said)}")
        assert (stats.appended, stats.shipped, stats.dropped) == (there, there, {}), stats
        assert last_line(shipper.said).waiting == last_line(shipper.said).lost == 0
        assert "Traceback" not in shipper.said
        assert not self._spool.exists(), "an empty spool is removed"
        noted = sum(map(len, acknowledged.values()))
        note(
            name,
            kills=self.kills,
            workers=len(self.workers),
            acknowledged=noted,
            in_s3_exactly_once=there,
            lost=0,
            twice=0,
        )


@pytest.fixture
def rounds_of(tmp_path: Path, make_nursery: Make, chance: random.Random, s3_bucket: str) -> Rounds:
    """The spool is large: shippers that live for a moment ship little, and each dead worker leaves a segment."""
    return Rounds(make_nursery(CAPTURE_SPOOL_MAX_BYTES=str(4 << 30)), tmp_path / "spool", chance, s3_bucket)


@ROUNDS
def test_a_killed_worker_loses_no_acknowledged_record(rounds_of: Rounds, rounds: int) -> None:
    shipper = rounds_of._nursery.shipper()
    for _ in range(rounds):
        worker = rounds_of.start_worker()
        rounds_of.wait_for_a_record(worker)
        rounds_of.kill(worker, 0.1)
    rounds_of.finish(f"kill -9 of a worker while it appends, {rounds} rounds", shipper)


@ROUNDS
def test_a_shipper_killed_at_any_moment_neither_loses_nor_doubles(rounds_of: Rounds, rounds: int) -> None:
    for _ in range(2):
        rounds_of.start_worker()
    for _ in range(rounds):
        rounds_of.kill(rounds_of._nursery.shipper(), 0.4)
    rounds_of.finish(f"kill -9 of the shipper, {rounds} rounds")


@ROUNDS
def test_workers_and_shippers_killed_at_once_neither_lose_nor_double(
    rounds_of: Rounds, rounds: int, chance: random.Random
) -> None:
    for _ in range(rounds):
        shipper, worker = rounds_of._nursery.shipper(), rounds_of.start_worker()
        rounds_of.wait_for_a_record(worker)
        first, second = chance.sample([shipper, worker], 2)
        rounds_of.kill(first, 0.2)
        rounds_of.kill(second, 0.05)
    rounds_of.finish(f"kill -9 of worker and shipper, {rounds} rounds")

"""SIGTERM at any moment, two shippers at once, and a spool without a shipper: processes, and the real S3 server."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.shipping.stats import read_stats
from tests.faults.processes import ROOT, Nursery, all_shipped, last_line, until
from tests.faults.proxy import proxy_to
from tests.faults.readback import compare, read_back
from tests.faults.results import note
from tests.s3_server import S3Server

Make = Callable[..., Nursery]
PATIENT = 50.0
"""Seconds that a client waits for a server which hangs: longer than a deadline and all that a busy machine adds."""


@pytest.mark.parametrize("rounds", [8, pytest.param(100, marks=pytest.mark.long)])
def test_sigterm_at_any_moment_ships_all_or_counts_the_rest(
    rounds: int, tmp_path: Path, make_nursery: Make, s3_server: S3Server, s3_bucket: str, chance: random.Random
) -> None:
    """Whatever the server does, the shipper exits 0 within its deadline; what it says is what is so. The client is so
    patient that a shipper that waited for it would be found out."""
    deadline, slack = 2.0, 20.0
    with proxy_to(s3_server.port) as proxy:
        nursery = make_nursery(AWS_ENDPOINT_URL_S3=proxy.url)
        acknowledged: dict[str, list[int]] = {}
        shipped = left = longest = 0.0
        for number in range(rounds):
            worker = nursery.worker(f"w{number}", records=chance.randint(1, 600), pause=0.0)
            shipper = nursery.shipper("--deadline", str(deadline), timeouts=(PATIENT, PATIENT))
            time.sleep(chance.uniform(0, 0.5))
            worker.kill(signal.SIGTERM)
            worker.wait()
            acknowledged[f"w{number}"] = worker.acknowledged
            proxy.mode = chance.choice(["pass", "pass", "slow", "hang", "busy", "gone", "lost answer"])
            proxy.delay = chance.uniform(0, 0.3)
            begun = time.monotonic()
            shipper.kill(signal.SIGTERM)
            assert shipper.wait(deadline + slack) in (0, -signal.SIGTERM), shipper.said[-3000:]
            longest = max(longest, time.monotonic() - begun)
            if shipper.nursery.statuses[shipper.pid] == 0:
                line = last_line(shipper.said)
                left += line.waiting > 0
                assert line.lost == 0
                if (tmp_path / "spool" / "segments").is_dir():
                    assert read_stats(tmp_path / "spool").waiting == line.waiting
                else:
                    assert line.waiting == 0
            proxy.mode = "pass"
        nursery.worker("last", records=1)
        nursery.children[-1].kill(signal.SIGTERM)
        nursery.children[-1].wait()
        acknowledged["last"] = nursery.children[-1].acknowledged
        shipper = nursery.shipper()
        stats = all_shipped(tmp_path / "spool")
        until(lambda: shipper.listens, "it hears a signal")
        shipper.kill(signal.SIGTERM)
        assert shipper.wait() == 0
    assert stats.balanced
    assert stats.dropped == {}
    shipped = compare(read_back(f"s3://{s3_bucket}/captured"), acknowledged, "SIGTERM")
    note(
        f"SIGTERM at any moment, deadline {deadline:g} s, {rounds} rounds",
        in_s3_exactly_once=shipped,
        rounds_that_left_records=int(left),
        longest_seconds=round(longest, 2),
    )


@pytest.mark.parametrize("records", [30, pytest.param(400, marks=pytest.mark.long)])
def test_a_record_that_kills_its_encoder_ends_up_alone(
    records: int, tmp_path: Path, make_nursery: Make, s3_bucket: str, chance: random.Random
) -> None:
    """The process that encodes ends at once whenever it meets one record; a supervisor starts another. Probes die, too."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'LETHAL' in os.environ and 'capture.shipping.trial_encoding' in sys.orig_argv:\n"
        "    from tests.faults.nursery import make_lethal\n"
        "    make_lethal(int(os.environ['LETHAL']))\n"
    )
    nursery = make_nursery(PYTHONPATH=f"{site}{os.pathsep}{ROOT}")
    worker = nursery.worker("w", records=records, pause=0.0, burst=10)
    until(lambda: len(worker.acknowledged) == records, "all are appended")
    worker.kill(signal.SIGTERM)
    worker.wait()
    lethal, deaths = chance.randint(1, records), 0
    while True:
        shipper = nursery.shipper("--until-idle", lethal=lethal, env={"LETHAL": str(lethal)})
        if shipper.wait() == 0:
            break
        assert nursery.statuses[shipper.pid] == 99, shipper.said[-2000:]
        deaths += 1
    assert deaths == 1, "the next one lets children find it"
    stats = read_stats(tmp_path / "spool")
    assert stats.balanced
    assert (stats.shipped, stats.dropped) == (records - 1, {"unencodable": 1})
    wanted = [number for number in worker.acknowledged if number != lethal]
    assert compare(read_back(f"s3://{s3_bucket}/captured"), {"w": wanted}, "lethal") == records - 1
    assert f"record {lethal} of writer" in shipper.said
    note(
        f"a record whose encoding ends the process, {records} records",
        deaths=deaths,
        set_aside=1,
        in_s3_exactly_once=records - 1,
    )


def test_two_shippers_at_once_are_one(tmp_path: Path, make_nursery: Make, s3_bucket: str) -> None:
    nursery = make_nursery()
    worker = nursery.worker("w", records=2000)
    shippers = [nursery.shipper() for _ in range(5)]
    until(lambda: len(worker.acknowledged) == 2000, "all are appended")
    until(lambda: sum(shipper.ended for shipper in shippers) == 4, "four of five find the spool held")
    assert [shipper.wait() for shipper in shippers if shipper.ended] == [0] * 4
    assert nursery.children[-1].said.count("another shipper holds") == 4
    worker.kill(signal.SIGTERM)
    worker.wait()
    stats = all_shipped(tmp_path / "spool")
    next(shipper for shipper in shippers if not shipper.ended).kill(signal.SIGTERM)
    assert stats.balanced
    assert (stats.appended, stats.dropped) == (2000, {})
    assert (
        compare(read_back(f"s3://{s3_bucket}/captured"), {"w": worker.acknowledged}, "five shippers") == stats.shipped
    )


def test_a_buffer_sees_to_a_shipper_of_its_own_and_closes_when_all_is_shipped(
    tmp_path: Path, make_nursery: Make, s3_bucket: str
) -> None:
    """The shipper is killed while the buffer appends; the buffer starts another. In the end nothing is left running."""
    nursery = make_nursery(CAPTURE_MAX_AGE_SECONDS="1")
    worker = nursery.worker("w", records=1500, start_shipper=True, close=60.0)
    lock = tmp_path / "spool" / "shipper.lock"
    first = until(lambda: _holder(lock), "a shipper holds the spool")
    os.kill(first, signal.SIGKILL)
    until(lambda: len(worker.acknowledged) == 1500, "all are appended")
    worker.kill(signal.SIGTERM)
    assert worker.wait() == 0, "close says that all is shipped"
    until(lambda: not (tmp_path / "spool").exists(), "the shipper ends and removes the spool")
    assert compare(read_back(f"s3://{s3_bucket}/captured"), {"w": worker.acknowledged}, "own shipper") == 1500


def _holder(lock: Path) -> int | None:
    """The process that holds the shipper's lock, by /proc/locks."""
    if not lock.exists():
        return None
    inode = lock.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if "FLOCK" in fields and fields[5].endswith(f":{inode}") and fields[1] != "->":
            return int(fields[4])
    return None

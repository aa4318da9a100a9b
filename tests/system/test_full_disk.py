"""A disk that is really full, and one that is really read-only: a tmpfs smaller than the settings believe.

`append` raises nothing, refuses and counts; what it accepted arrives once; every record is accounted for. `tests/capture/shipping/test_disk.py` lets single calls fail; here the
kernel does.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from capture import CaptureBuffer, CaptureConfig
from capture.config import SEGMENT_BYTES
from capture.shipping.stats import Stats, read_stats
from tests.faults.processes import LastLine, Nursery, Process, all_shipped, last_line, until
from tests.faults.readback import read_back
from tests.system.small_disk import NoMountError, SmallDisk, small_disk

DISK = 16 << 20
BELIEVED = 1 << 30
"""The spool's limit: more than the disk has."""
ENOUGH = 80_000
"""Records that two workers cannot put on the disk."""


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(small_disk(DISK))
        except NoMountError as error:
            pytest.skip(str(error))
        yield found


@pytest.fixture
def spool(disk: SmallDisk) -> Path:
    return disk.path / "spool"


@pytest.fixture
def captured(tmp_path: Path) -> str:
    return f"file://{tmp_path}/captured"


@pytest.fixture
def nursery(spool: Path, captured: str, tmp_path: Path) -> Iterator[Nursery]:
    """Its children end before the disk goes."""
    environment = {
        "CAPTURE_DESTINATION": captured,
        "CAPTURE_ENDPOINT_NAME": "flights",
        "CAPTURE_SPOOL_DIR": str(spool),
        "CAPTURE_SPOOL_MAX_BYTES": str(BELIEVED),
        "CAPTURE_MAX_RECORDS": "5000",
        "CAPTURE_MAX_AGE_SECONDS": "0.5",
    }
    nursery = Nursery(tmp_path / "traces", environment)
    yield nursery
    nursery.close()


def assert_all_is_counted(stats: Stats, workers: list[Process], records: int, captured: str) -> None:
    """The identity; what was refused is what the workers were told; and what they were told is accepted is there once."""
    arrived = read_back(captured)
    there = 0
    for worker in workers:
        counts = arrived.pop(worker.log.stem, {})
        assert set(counts.values()) <= {1}, "a record is there twice"
        assert counts.keys() == set(worker.acknowledged), "what was accepted, and nothing else"
        there += len(counts)
    assert not arrived, "records of nobody"
    dropped = {"spool_full": records - there} if records > there else {}
    assert stats.balanced, stats
    assert (stats.appended, stats.shipped, stats.dropped) == (records, there, dropped), stats


def end(worker: Process) -> None:
    worker.kill(signal.SIGTERM)
    assert worker.wait() in (0, 1), worker.said
    assert "Traceback" not in worker.said


def test_a_full_disk_refuses_and_counts_and_what_it_holds_arrives_once(
    disk: SmallDisk, spool: Path, nursery: Nursery, captured: str
) -> None:
    workers = [nursery.worker(name, records=ENOUGH // 2, burst=100) for name in ("w0", "w1")]
    until(lambda: read_stats(spool).appended == ENOUGH, "all is appended or refused")
    stats = read_stats(spool)
    assert stats.balanced, stats
    assert stats.shipped == 0
    assert stats.waiting > 10_000
    assert disk.free < SEGMENT_BYTES, "no room for another segment"

    for worker in workers:
        end(worker)
    shipper = nursery.shipper()
    stats = all_shipped(spool)
    assert sum(stats.dropped.values()) > 10_000, "the disk was too small"
    assert_all_is_counted(stats, workers, ENOUGH, captured)
    shipper.kill(signal.SIGTERM)
    assert shipper.wait() == 0, shipper.said
    assert not spool.exists(), "an empty spool is removed"


def test_a_shipper_on_a_full_disk_waits_for_room_and_then_goes_on(
    disk: SmallDisk, spool: Path, nursery: Nursery, captured: str
) -> None:
    """Not a byte is free: appends go on in the segments that exist, and the shipper cannot even write a manifest."""
    first = nursery.worker("before", records=1000)
    until(lambda: len(first.acknowledged) == 1000, "all is appended")
    filler = disk.fill()
    assert disk.free == 0
    end(first)
    shipper = nursery.shipper()
    until(lambda: "No space left on device" in shipper.said, f"the shipper says what it lacks: {shipper.said}")
    stats = read_stats(spool)
    assert stats.balanced, stats
    assert (stats.waiting, stats.shipped) == (1000, 0)
    assert not shipper.ended, shipper.said

    filler.unlink()
    second = nursery.worker("after", records=1000)
    until(lambda: len(second.acknowledged) == 1000, "appends are taken again")
    end(second)
    stats = all_shipped(spool)
    assert stats.dropped == {}
    assert_all_is_counted(stats, [first, second], 2000, captured)
    shipper.kill(signal.SIGTERM)
    assert shipper.wait() == 0, shipper.said
    assert last_line(shipper.said) == LastLine(shipped=2000, waiting=0, lost=0)


def test_a_disk_that_fills_up_again_and_again_while_all_run_costs_only_what_is_counted(
    disk: SmallDisk, spool: Path, nursery: Nursery, captured: str
) -> None:
    """Somebody else's files take the room and give it back, while a worker appends and a shipper ships."""
    shipper = nursery.shipper()
    worker = nursery.worker("w", records=ENOUGH, burst=20, pause=0.002)
    until(lambda: worker.acknowledged, "the spool is open: refusals before that are counted once it is")
    for number in range(5):
        begun = read_stats(spool).appended
        filler = disk.fill()
        until(lambda at=begun + 5000: read_stats(spool).appended >= min(at, ENOUGH), "appends go on")  # type: ignore[misc]
        filler.unlink()
        shipped = read_stats(spool).shipped
        until(lambda at=shipped: read_stats(spool).shipped > at, f"a batch is shipped after round {number}")  # type: ignore[misc]
        assert not shipper.ended, shipper.said
    until(lambda: read_stats(spool).appended == ENOUGH, "all is appended or refused")
    end(worker)
    assert_all_is_counted(all_shipped(spool), [worker], ENOUGH, captured)
    shipper.kill(signal.SIGTERM)
    assert shipper.wait() == 0, shipper.said


@pytest.mark.parametrize("obstacle", ["full", "read-only"])
def test_a_disk_that_cannot_be_written_at_start_refuses_and_counts_until_it_can(
    obstacle: str, disk: SmallDisk, spool: Path, captured: str, caplog: pytest.LogCaptureFixture, nursery: Nursery
) -> None:
    filler = disk.fill() if obstacle == "full" else None
    if obstacle == "read-only":
        disk.remount("ro")
    config = CaptureConfig.from_env(nursery.environment)
    buffer = CaptureBuffer(config, start_shipper=False)
    assert [buffer.append({"n": 1}, 0.5) for _ in range(3)] == [False] * 3
    assert ("No space left on device" if obstacle == "full" else "Read-only file system") in caplog.text
    shipper = nursery.shipper()

    if filler is None:
        disk.remount("rw")
    else:
        filler.unlink()
    until(lambda: buffer.append({"n": 1}, 0.5), "the spool opens", pause=0.1)
    if shipper.ended:  # it cannot even lock the spool: its supervisor starts it again
        assert shipper.wait() != 0
        assert "Traceback" not in shipper.said
        shipper = nursery.shipper()
    assert buffer.close(60.0), "all is shipped"
    stats = all_shipped(spool)
    assert stats.balanced
    assert (stats.shipped, list(stats.dropped)) == (1, ["spool_unavailable"]), stats
    assert stats.appended == 1 + stats.dropped["spool_unavailable"]
    shipper.kill(signal.SIGTERM)
    assert shipper.wait() == 0, shipper.said

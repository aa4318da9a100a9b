"""What happens between two glances of the shipper: writers come, go and take each other's files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from capture import CaptureBuffer
from capture.journal.segment import OPEN, SEALED, SegmentReader
from capture.journal.spool import Spool
from capture.shipping.housekeeping import Housekeeping
from capture.shipping.spool_watcher import SpoolWatcher
from tests.capture.shipping.stage import Stage

Make = Callable[..., Stage]


def at_each_call(patch: pytest.MonkeyPatch, owner: type, name: str, then: Callable[[], None]) -> None:
    """Something happens just before the method runs, the first time."""
    call = getattr(owner, name)
    done: list[bool] = []

    def interrupted(*args: object, **kwargs: object) -> object:
        if not done:
            done.append(True)
            then()
        return call(*args, **kwargs)

    patch.setattr(owner, name, interrupted)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Spool, "segments"),
        (Spool, "counter_files"),
        (Spool, "recycle"),
        (Spool, "pinned"),
        (SpoolWatcher, "scan_segments"),
        (SpoolWatcher, "scan_counters"),
        (Housekeeping, "_seal_orphans"),
        (Housekeeping, "exchange_counts"),
    ],
)
def test_a_writer_that_begins_while_the_shipper_looks_keeps_its_segments(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    """It was taken for dead by a shipper that had seen its segment and not its counters."""
    stage = make_stage()
    shipper = stage.shipper()
    begun: list[CaptureBuffer] = []

    def begin() -> None:
        begun.append(stage.writer())
        stage.append(begun[0], 3)

    with monkeypatch.context() as patch:
        at_each_call(patch, owner, name, begin)
        shipper.step()
    if not begun:
        begin()
    freed = {path.name for path in (stage.directory / "free").iterdir()} - {"new.seg"}  # being made this moment
    assert not freed
    opened = [path for path in stage.segments() if SegmentReader(path).committed[0]]
    assert [SegmentReader(path).state for path in opened] == [OPEN]
    stage.append(begun[0], 3)
    stage.drain(shipper)
    stage.append(begun[0], 3)
    stage.finish()
    stage.assert_exactly_once()
    stage.assert_balanced()


def test_a_file_that_another_writer_took_since_is_not_sealed_for_its_former_owner(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment of a dead writer is dropped at the limit and used again between the shipper's look and its conclusion."""
    stage = make_stage(segment_bytes=64 << 10, limit=768 << 10)
    dead = stage.writer()
    stage.append(dead, 60, padding="x" * 4000)
    shipper = stage.shipper()
    stage.kill(dead)

    def use_again() -> None:
        heir = stage.writer()
        stage.append(heir, 100, padding="x" * 4000)

    with monkeypatch.context() as patch:
        at_each_call(patch, Housekeeping, "_seal_orphans", use_again)
        shipper.step()
    heir = stage.writers[0]
    own = [reader for reader in map(SegmentReader, stage.segments()) if reader.writer.startswith(_process(heir))]
    assert sum(reader.state != SEALED for reader in own) >= 2, "its open and its prepared segment are left to it"
    stage.append(heir, 3)
    stage.finish()
    arrived = stage.arrived()
    assert set(arrived.values()) == {1}
    assert stage.stats.balanced
    assert sum(stage.stats.dropped.values()) == len(stage.acknowledged) - len(arrived)


def _process(writer: CaptureBuffer) -> str:
    assert writer._writers.process_counters is not None
    return writer._writers.process_counters.process


def test_a_writer_that_dies_while_its_account_is_closed_leaves_no_record_behind(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It appends after the shipper has looked at the segments, and dies before the shipper asks whether it lives."""
    stage = make_stage()
    shipper = stage.shipper()
    writer = stage.writer()

    def last_words() -> None:
        stage.append(writer, 2)
        stage.kill(writer)

    with monkeypatch.context() as patch:
        at_each_call(patch, Housekeeping, "exchange_counts", last_words)
        shipper.step()
    stage.finish()
    stage.assert_exactly_once()
    assert stage.assert_balanced().appended == 2


def test_a_spool_that_is_removed_and_entered_at_once_is_a_spool(tmp_path: Path) -> None:
    """The shipper that has nothing left removes the spool; writers that come that moment make it anew."""
    for _ in range(20):
        stage = Stage(tmp_path)
        stage.append(stage.writer(), 2)
        shipper = stage.finish()
        assert stage.spool.remove_if_done()
        shipper.close()
        writer = stage.writer()
        stage.append(writer, 2)
        assert not stage.spool.remove_if_done(), "somebody writes here"
        stage.finish().close()
        stage.assert_exactly_once()
        stage.close()
        assert stage.spool.remove_if_done()
        assert not stage.directory.exists()


def test_a_file_is_seen_sealed_before_it_is_used_again(make_stage: Make) -> None:
    """A writer's last commit and its seal may become visible in the other order; the next look has both."""
    stage = make_stage(segment_bytes=64 << 10, limit=2 << 20)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 20, padding="x" * 4000)
    stage.run(shipper)
    sealed = next(w for w in shipper._watcher.segments.values() if w.reader.state == SEALED)
    sealed.sealed = False
    sealed.done = sealed.reader.committed
    shipper._recycle_done()
    assert sealed.reader.path.exists()


@pytest.mark.parametrize("name", ["free", "lost", "batches", "quarantine"])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_directory_that_somebody_removes_costs_nothing(make_stage: Make, name: str, steps: int) -> None:
    stage = make_stage(segment_bytes=16 << 10, limit=2 << 20, max_records=10)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 400)
    for _ in range(steps):
        shipper.step()
    shutil.rmtree(stage.spool.path(name))
    for _ in range(50):
        shipper.step()
        shipper.wait(60)
    assert len(list(stage.rows())) == 400
    stage.append(writer, 50)
    stage.finish()
    stage.assert_exactly_once()
    stage.assert_balanced()


def test_a_damaged_segment_that_cannot_be_set_aside_is_counted_once(make_stage: Make) -> None:
    stage = make_stage()
    shipper = stage.shipper()
    (stage.spool.path("segments") / f"{'a' * 32}.seg").write_bytes(bytes(8192))
    stage.spool.path("quarantine").rmdir()
    for _ in range(5):
        stage.run(shipper)
    assert stage.stats.damaged_segments == 1
    assert [path.name for path in stage.spool.path("quarantine").iterdir()] == [f"{'a' * 32}.seg"]


def test_a_second_shipper_does_not_start(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 64 << 20)
    spool.prepare()
    lock = spool.shipper_lock()
    assert lock is not None
    env = os.environ | {"CAPTURE_DESTINATION": f"file://{tmp_path}/out"}
    command = [sys.executable, "-m", "capture", "ship", "--spool", str(spool.directory)]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    os.close(lock)
    assert ended.returncode == 0
    assert f"another shipper holds {spool.directory}" in ended.stderr

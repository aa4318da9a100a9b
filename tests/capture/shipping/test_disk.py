"""A disk that fails: full or read-only at any call, in the writer and in the shipper; and the spool at its limit."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from gc import collect
from pathlib import Path
from typing import Any

import pytest

from capture.journal.segment import SegmentReader
from tests.capture.shipping.stage import Stage, down, rows_of

Make = Callable[..., Stage]
FAILING = {"open", "write", "fsync", "rename", "replace", "unlink", "posix_fallocate"}


class Disk:
    """Lets the Nth writing call below a directory fail, and those after it for as long as it is broken."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken_from: int | None = None
        self.broken_for = 1 << 30
        self.calls = 0
        self.code = errno.ENOSPC
        self._directory = str(directory)
        for name in FAILING:
            monkeypatch.setattr(os, name, self._failing(name, getattr(os, name)))

    def _failing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*args: Any, **kwargs: Any) -> Any:
            if self._writes(name, args):
                self.calls += 1
                begin = self.broken_from
                if begin is not None and begin <= self.calls < begin + self.broken_for:
                    raise OSError(self.code, os.strerror(self.code))
            return call(*args, **kwargs)

        return failing

    def _writes(self, name: str, args: tuple[Any, ...]) -> bool:
        if name in ("write", "fsync", "posix_fallocate"):
            return True
        if name == "unlink" and self.code == errno.ENOSPC:
            return False  # a full disk lets go of files
        creates = name != "open" or args[1] & os.O_CREAT
        return creates and str(args[0]).startswith(self._directory) and not str(args[0]).endswith("lock")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
@pytest.mark.parametrize("lasting", [1, 3, 1 << 30], ids=["once", "thrice", "for long"])
def test_a_disk_that_fails_at_any_call_of_the_shipper_costs_nothing(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch, code: int, lasting: int
) -> None:
    """It neither ends nor ships twice, and goes on when the disk does."""
    for at in range(1, 40):
        stage = make_stage(segment_bytes=64 << 10, limit=2 << 20)
        writer, other = stage.writer(), stage.writer(model_version="2")
        stage.append(writer, 30, padding="x" * 4000)
        stage.append(other, 3)
        stage.kill(writer)
        stage.close_writer(other)
        shipper = stage.shipper()
        shipper.drain()
        with monkeypatch.context() as patch:
            disk = Disk(stage.directory, patch)
            disk.broken_from, disk.broken_for, disk.code = at, lasting, code
            for _ in range(30):
                shipper.step()
                shipper.wait(10)
                stage.clock.pass_(2)
        stage.run(shipper)
        stage.assert_exactly_once()
        assert stage.assert_balanced().shipped == 33
        assert shipper.idle()
        shipper.close()
        if lasting == 1 and disk.calls < at:
            break


def test_a_death_while_the_disk_is_full_costs_nothing_either(make_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(1, 25):
        stage = make_stage(segment_bytes=64 << 10, limit=2 << 20)
        writer = stage.writer()
        stage.append(writer, 30, padding="x" * 4000)
        stage.kill(writer)
        with monkeypatch.context() as patch:
            disk = Disk(stage.directory, patch)
            disk.broken_from = at
            with suppress(OSError):  # it cannot even begin: a process that ends at once
                shipper = stage.shipper()
                shipper.drain()
                for _ in range(6):
                    shipper.step()
                    shipper.wait(10)
                shipper.close()
        stage.finish()
        stage.assert_exactly_once()
        stage.assert_balanced()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_fails_under_a_writer_refuses_records_and_counts_them(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """`append` says False and raises nothing; what it accepted before and after arrives."""
    stage = make_stage(segment_bytes=64 << 10, limit=2 << 20)
    writer = stage.writer()
    stage.append(writer, 5, padding="x" * 4000)
    with monkeypatch.context() as patch:
        disk = Disk(stage.directory, patch)
        disk.broken_from, disk.code = 1, code
        refused = sum(not writer.append({"n": -1, "padding": "x" * 4000}, 0.5) for _ in range(100))
    accepted = 100 - refused
    assert refused > 0
    stage.append(writer, 5, padding="x" * 4000)
    shipper = stage.finish()
    arrived = stage.sink.data
    assert sum(len(rows) for rows in map(_rows, arrived.items())) == 10 + accepted
    stats = stage.assert_balanced(spool_full=refused)
    assert stats.appended == 110
    assert shipper.idle()


def test_a_spool_that_cannot_be_made_refuses_every_record_and_opens_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0").write_text("a file where a directory should be")
    stage = Stage(tmp_path / "0" / "below")
    writer = stage.writer()
    assert not writer.append({"n": 1}, 0.5)
    assert not writer.append({"n": 2}, 0.5)
    assert "spool_unavailable" in caplog.text
    (tmp_path / "0").unlink()
    writer._writers._next_try = 0.0
    stage.append(writer, 3)
    stage.finish()
    stage.assert_exactly_once()
    assert stage.assert_balanced(spool_unavailable=2).appended == 5
    stage.close()


def test_the_limit_in_an_outage_costs_the_oldest_segments_and_counts_them_exactly(make_stage: Make) -> None:
    stage = make_stage(segment_bytes=64 << 10, limit=2 << 20, max_records=40)
    writer, shipper = stage.writer(), stage.shipper()
    stage.sink.fails = down
    for _ in range(60):
        stage.append(writer, 10, padding="x" * 4000)
        stage.clock.pass_(1)
        stage.run(shipper)
        taken = sum(path.stat().st_size for path in stage.directory.rglob("*.seg"))
        assert taken <= 2 << 20
        assert stage.stats.balanced
    pinned = stage.spool.pinned()
    assert pinned <= {path.stem for path in stage.segments()}, "a segment of a batch in flight is never dropped"
    before = stage.stats
    assert before.appended == 600
    assert before.dropped["spool_limit"] > 100
    stage.sink.fails = lambda key: None
    stage.finish()
    arrived = stage.arrived()
    lost = sorted(set(stage.acknowledged) - set(arrived))
    assert set(arrived.values()) == {1}
    stats = stage.assert_balanced(spool_limit=len(lost))
    assert stats.shipped == 600 - len(lost)
    assert stats.dropped_segments == pytest.approx(len(lost) / 15, abs=3)
    first = min(arrived)
    assert first == 1, "the batch in flight came first and was kept"
    kept_first = next(number for number in range(1, 601) if number not in arrived) - 1
    assert lost == list(range(kept_first + 1, kept_first + len(lost) + 1)), "the oldest went, and they are contiguous"
    told = [item for found in stage.sink.ledgers.values() for entry in found.writers.values() for item in entry.lost]
    assert sum(item.last - item.first + 1 for item in told) == len(lost)
    assert all(item.reason == "spool_limit" and item.event_times is not None for item in told)
    assert not list((stage.directory / "lost").iterdir())


def test_the_limit_without_any_shipper_is_kept_and_counted_by_the_next(make_stage: Make) -> None:
    stage = make_stage(segment_bytes=64 << 10, limit=1 << 20)
    writer = stage.writer()
    stage.append(writer, 500, padding="x" * 4000)
    assert sum(path.stat().st_size for path in stage.directory.rglob("*.seg")) <= 1 << 20
    stage.finish()
    arrived = stage.arrived()
    assert 100 < len(arrived) < 260
    stage.assert_balanced(spool_limit=500 - len(arrived))
    assert sorted(arrived) == list(range(501 - len(arrived), 501))


def test_an_open_segment_is_never_dropped(make_stage: Make) -> None:
    """A quiet writer's few records are older than all others, and stay."""
    stage = make_stage(segment_bytes=64 << 10, limit=1 << 20)
    quiet, loud = stage.writer(), stage.writer()
    wanted = stage.append(quiet, 3)
    stage.append(loud, 500, padding="x" * 4000)
    stage.finish()
    assert set(wanted) <= set(stage.arrived())


def test_losses_in_the_state_stay_few_however_long_an_outage_lasts(make_stage: Make) -> None:
    stage = make_stage(segment_bytes=64 << 10, limit=1 << 20)
    writer, shipper = stage.writer(), stage.shipper()
    stage.sink.fails = down
    for _ in range(40):
        stage.append(writer, 50, padding="x" * 4000)
        stage.run(shipper)
        stage.clock.pass_(60)
    lost = [item for stream in shipper._checkpoint.streams for entry in stream.writers.values() for item in entry.lost]
    assert sum(item.last - item.first + 1 for item in lost) > 1500
    assert len(lost) <= 3
    assert stage.stats.balanced


def test_progress_and_open_files_do_not_grow_with_the_segments_that_came_and_went(make_stage: Make) -> None:
    stage = make_stage(segment_bytes=64 << 10, limit=2 << 20, max_records=50)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 50, padding="x" * 4000)
    stage.run(shipper)
    collect()
    files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        stage.append(writer, 50, padding="x" * 4000)
        stage.run(shipper)
    assert stage.stats.objects > 50
    assert len(shipper._checkpoint._content.progress) <= len(stage.segments())
    collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= files + 30
    assert len((stage.directory / "state").read_bytes()) < 50_000
    stage.finish()
    stage.assert_exactly_once()


def test_only_the_owner_can_read_what_waits(make_stage: Make) -> None:
    stage = make_stage()
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer)
    stage.run(shipper)
    for path in [stage.directory, *stage.directory.rglob("*")]:
        assert not path.stat().st_mode & 0o077, path
    assert any(SegmentReader(path).committed[0] for path in stage.segments())


def _rows(item: tuple[str, bytes]) -> list[dict[str, Any]]:
    return rows_of(*item)

"""The knobs: each alone, over all writers, with clocks that the test drives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from capture import CaptureBuffer
from capture.journal.segment import SegmentReader
from capture.shipping import flush_policy
from capture.shipping.shipper import Shipper
from tests.capture.shipping.stage import Stage, rows_of

FAR = {"max_bytes": 1 << 40, "max_records": 1 << 40, "max_age_seconds": 86_400.0}
Make = Callable[..., Stage]


def test_nothing_is_shipped_before_a_knob_calls(make_stage: Make) -> None:
    stage = make_stage(**FAR)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 100)
    stage.clock.pass_(3600)
    stage.run(shipper)
    assert stage.sink.data == {}
    assert shipper.waiting() == 100


def test_records_alone_trigger_a_flush_at_exactly_their_number(make_stage: Make) -> None:
    stage = make_stage(**FAR | {"max_records": 50})
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 49)
    stage.run(shipper)
    assert stage.sink.data == {}
    stage.append(writer, 1)
    stage.run(shipper)
    assert len(stage.sink.data) == 1
    stage.assert_exactly_once()


def test_records_count_over_all_writers(make_stage: Make) -> None:
    stage = make_stage(**FAR | {"max_records": 40})
    writers, shipper = [stage.writer() for _ in range(4)], stage.shipper()
    for writer in writers[:3]:
        stage.append(writer, 13)
    stage.run(shipper)
    assert stage.sink.data == {}
    stage.append(writers[3], 1)
    stage.run(shipper)
    stage.assert_exactly_once()
    assert len(stage.sink.data) == 1


def test_bytes_alone_trigger_a_flush_over_all_writers(make_stage: Make) -> None:
    stage = make_stage(**FAR | {"max_bytes": 100_000})
    writers, shipper = [stage.writer() for _ in range(2)], stage.shipper()
    stage.append(writers[0], 4, padding="x" * 10_000)
    stage.append(writers[1], 4, padding="x" * 10_000)
    stage.run(shipper)
    assert stage.sink.data == {}
    stage.append(writers[0], 2, padding="x" * 10_000)
    stage.run(shipper)
    stage.assert_exactly_once()


def test_age_alone_ships_what_an_idle_worker_left(make_stage: Make) -> None:
    """The worker gets no further request and nobody else does: only time passes."""
    stage = make_stage(**FAR | {"max_age_seconds": 300.0})
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 3)
    stage.run(shipper)
    stage.clock.pass_(299)
    stage.run(shipper)
    assert stage.sink.data == {}
    stage.clock.pass_(1.1)
    stage.run(shipper)
    stage.assert_exactly_once()


def test_age_counts_from_the_record_and_not_from_the_shipper(make_stage: Make) -> None:
    stage = make_stage(**FAR | {"max_age_seconds": 300.0})
    writer = stage.writer()
    stage.append(writer)
    stage.clock.pass_(290)
    shipper = stage.shipper()
    stage.run(shipper)
    assert stage.sink.data == {}
    stage.clock.pass_(11)
    stage.run(shipper)
    stage.assert_exactly_once()


def test_age_begins_anew_with_the_record_after_a_flush(make_stage: Make) -> None:
    stage = make_stage(**FAR | {"max_age_seconds": 300.0})
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer)
    stage.run(shipper)
    stage.clock.pass_(301)
    stage.run(shipper)
    stage.append(writer)
    stage.run(shipper)
    stage.clock.pass_(299)
    stage.run(shipper)
    assert len(stage.sink.data) == 1
    stage.clock.pass_(2)
    stage.run(shipper)
    stage.assert_exactly_once()


def test_a_closed_buffer_is_flushed_at_once(make_stage: Make) -> None:
    stage = make_stage(**FAR)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 5)
    stage.close_writer(writer)
    stage.run(shipper)
    stage.assert_exactly_once()


def test_a_killed_writer_waits_for_the_knobs_like_any_other(make_stage: Make) -> None:
    stage = make_stage(**FAR | {"max_age_seconds": 60.0})
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 5)
    stage.kill(writer)
    stage.run(shipper)
    assert stage.sink.data == {}
    stage.clock.pass_(61)
    stage.run(shipper)
    stage.assert_exactly_once()


@pytest.mark.parametrize("writers", [1, 16])
def test_an_instance_writes_as_many_objects_with_16_workers_as_with_1(make_stage: Make, writers: int) -> None:
    stage = make_stage(limit=512 << 20, **FAR | {"max_records": 320})
    everyone, shipper = [stage.writer() for _ in range(writers)], stage.shipper()
    for _ in range(3):
        for writer in everyone:
            stage.append(writer, 320 // writers)
        stage.run(shipper)
    stage.assert_exactly_once()
    assert len(stage.sink.data) == 3


def test_32_writers_stay_within_the_limit_of_the_spool(make_stage: Make) -> None:
    stage = make_stage(limit=32 << 20, segment_bytes=256 << 10, **FAR | {"max_age_seconds": 60.0})
    everyone, shipper = [stage.writer() for _ in range(32)], stage.shipper()
    for _ in range(3):
        for writer in everyone:
            assert len(stage.append(writer, 4, padding="x" * 50_000)) == 4
        stage.clock.pass_(61)
        stage.run(shipper)
        taken = sum(path.stat().st_size for path in stage.directory.rglob("*.seg"))
        assert taken <= 32 << 20
    stage.assert_exactly_once()
    stage.assert_balanced()


def test_a_batch_takes_only_equal_headers(make_stage: Make) -> None:
    stage = make_stage(**FAR | {"max_age_seconds": 60.0})
    shipper = stage.shipper()
    first, second = stage.writer(model_version="1"), stage.writer(model_version="2")
    stage.append(first, 3)
    stage.append(second, 4)
    stage.clock.pass_(61)
    stage.run(shipper)
    stage.assert_exactly_once()
    versions = [{row["capture_model_version"] for row in rows} for rows in _tables(stage)]
    assert sorted(str(found) for found in versions) == ["{'1'}", "{'2'}"]


def test_a_large_backlog_is_shipped_in_batches_of_the_set_size(make_stage: Make) -> None:
    stage = make_stage(**FAR | {"max_records": 1000, "max_age_seconds": 60.0}, segment_bytes=64 << 10)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 4000)
    stage.clock.pass_(61)
    stage.run(shipper)
    stage.assert_exactly_once()
    assert max(len(rows) for rows in _tables(stage)) < 2200
    assert len(stage.sink.data) >= 2


def test_a_batch_has_room_for_so_many_records_however_small(make_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """All stand in one segment: the batch ends in the middle of it."""
    monkeypatch.setattr(flush_policy, "_ROOM", {"parquet": 70_000})
    stage = make_stage(**FAR | {"max_age_seconds": 60.0})
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 1000)
    stage.clock.pass_(61)
    stage.run(shipper)
    stage.assert_exactly_once()
    stage.assert_balanced()
    sizes = [len(rows) for rows in _tables(stage)]
    assert max(sizes) <= 70_000 // 320
    assert min(sizes[:-1]) > 50


def test_a_batch_has_room_for_so_many_rows_however_narrow(make_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flush_policy, "_ROOM", {"parquet": 70_000})
    stage = make_stage(**FAR | {"max_age_seconds": 60.0})
    writer, shipper = stage.writer(), stage.shipper()
    sizes = _narrow_batches(stage, writer, shipper)
    stage.assert_balanced()
    assert sum(sizes) == 10_000
    assert max(sizes) <= 70_000 // 32


def test_a_batch_has_room_for_so_many_cells_however_small(make_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small number has a byte in a frame, and eight in a column."""
    monkeypatch.setattr(flush_policy, "_ROOM", {"parquet": 100_000})
    stage = make_stage(**FAR | {"max_age_seconds": 60.0})
    writer, shipper = stage.writer(), stage.shipper()
    wide: dict[str, Any] = {f"feature_{n}": 1 for n in range(1000)}
    stage.append(writer, 50, **wide)
    stage.clock.pass_(61)
    stage.run(shipper)
    stage.assert_exactly_once()
    assert max(len(rows) for rows in _tables(stage)) <= 100_000 // 8_000


def test_a_writer_whose_records_grow_has_smaller_batches(make_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flush_policy, "_ROOM", {"parquet": 70_000})
    stage = make_stage(**FAR | {"max_age_seconds": 60.0})
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 5000)
    stage.clock.pass_(61)
    stage.run(shipper)
    stage.sink.objects.clear()
    sizes = _narrow_batches(stage, writer, shipper)
    assert sum(sizes) == 10_000
    assert max(sizes) <= 70_000 // 32


def test_a_flush_takes_all_that_waits_in_as_many_batches_as_that_needs(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flush_policy, "_ROOM", {"parquet": 60_000})
    stage = make_stage(**FAR | {"max_bytes": 100_000})
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 11, padding="x" * 10_000)
    stage.run(shipper)
    stage.assert_exactly_once()
    assert len(stage.sink.data) == 3
    stage.append(writer, 9, padding="x" * 10_000)
    stage.run(shipper)
    assert shipper.waiting() == 9, "a flush owes nothing to what came after it"


def test_a_record_that_no_batch_has_room_for_is_a_batch(make_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flush_policy, "_ROOM", {"parquet": 1})
    stage = make_stage(**FAR | {"max_records": 5})
    writers, shipper = [stage.writer(), stage.writer()], stage.shipper()
    stage.append(writers[0], 3)
    stage.append(writers[1], 2)
    stage.run(shipper)
    stage.finish()
    stage.assert_exactly_once()
    assert [len(rows) for rows in _tables(stage)] == [1] * 5


def test_a_knob_that_the_spool_cannot_hold_calls_before_it_is_full(make_stage: Make) -> None:
    stage = make_stage(limit=32 << 20, **FAR)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 150, padding="x" * 100_000)
    stage.run(shipper)
    assert stage.sink.data
    stage.assert_balanced()


def test_workers_that_crash_one_after_the_other_are_shipped_before_they_fill_the_spool(make_stage: Make) -> None:
    """Each leaves a segment with a few records: few bytes, few records, young, and yet a segment each."""
    stage = make_stage(segment_bytes=64 << 10, limit=2 << 20, **FAR)
    shipper = stage.shipper()
    for _ in range(100):
        writer = stage.writer()
        stage.append(writer, 2)
        stage.kill(writer)
        stage.run(shipper)
    assert len(stage.sink.data) >= 3
    stage.finish()
    stage.assert_exactly_once()
    stage.assert_balanced()


def test_what_one_header_waits_for_does_not_hold_up_another(make_stage: Make) -> None:
    """The oldest header has only a segment that is damaged and still open: nothing of it can be taken yet."""
    stage = make_stage(**FAR | {"max_age_seconds": 60.0})
    shipper = stage.shipper()
    hurt, whole = stage.writer(model_version="1"), stage.writer(model_version="2")
    stage.append(hurt)
    lost = stage.acknowledged.pop()
    _flip(stage)
    stage.clock.pass_(30)
    stage.append(whole, 3)
    stage.clock.pass_(61)
    stage.run(shipper)
    stage.assert_exactly_once()
    assert lost not in stage.arrived()


def _narrow_batches(stage: Stage, writer: CaptureBuffer, shipper: Shipper) -> list[int]:
    """The rows of each batch in which 100 events of 100 rows with one small number are shipped."""
    for _ in range(100):
        assert writer.append(np.zeros((100, 1), np.uint8), np.zeros(100, np.uint8))
    stage.clock.pass_(61)
    stage.run(shipper)
    return [len(rows) for rows in _tables(stage)]


def _tables(stage: Stage) -> list[list[dict[str, object]]]:
    return [rows_of(key, body) for key, body in stage.sink.data.items()]


def _flip(stage: Stage) -> None:
    """A bit of the first frame of the one segment that has any."""
    for path in stage.segments():
        if SegmentReader(path).committed[0]:
            with path.open("r+b") as file:
                file.seek(4096 + 20)
                byte = file.read(1)[0]
                file.seek(4096 + 20)
                file.write(bytes([byte ^ 1]))

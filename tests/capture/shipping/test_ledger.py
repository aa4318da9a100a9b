"""The ledgers that a shipper writes, read by the judgement of completeness: each gap is named, and nothing else is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest

from capture import dataset
from capture.reading.completeness import Completeness, GapKind
from capture.reading.reader import Dataset
from capture.sinks import MissingObject
from tests.capture.shipping.stage import Stage, down

Make = Callable[..., Stage]
FORMATS = pytest.mark.parametrize("form", ["parquet", "jsonl"])


class Bucket:
    """What the stage's sink holds, as a place to read from."""

    uri = "memory://"

    def __init__(self, stage: Stage) -> None:
        self._objects = stage.sink.objects

    def put(self, key: str, body: bytes, content_type: str) -> None:
        self._objects[key] = body

    def exists(self, key: str) -> bool:
        return key in self._objects

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        return ((key, len(body)) for key, body in sorted(self._objects.items()) if key.startswith(prefix))

    def folders(self, prefix: str = "") -> Iterator[str]:
        keys = (key[len(prefix) :] for key in self._objects if key.startswith(prefix))
        return iter(sorted({key.split("/")[0] for key in keys if "/" in key}))

    def get(self, key: str, last: int | None = None) -> bytes:
        if key not in self._objects:
            raise MissingObject(key)
        return self._objects[key] if last is None else self._objects[key][-last:]


def judged(stage: Stage, begun: int, minutes: float = 30) -> Completeness:
    start = dataset.to_datetime(begun)
    return Dataset("", Bucket(stage)).completeness(start, start + dt.timedelta(minutes=minutes))


def now(stage: Stage) -> int:
    return stage.clock.wall // 1000


@FORMATS
def test_a_window_is_complete_once_it_is_shipped_and_some_time_has_passed(make_stage: Make, form: str) -> None:
    stage = make_stage(max_age_seconds=60.0, format=form)
    begun = now(stage)
    writer, shipper = stage.writer(format=form), stage.shipper()
    stage.append(writer, 50)
    stage.clock.pass_(61)
    stage.run(shipper)
    early = judged(stage, begun)
    assert {gap.kind for gap in early.gaps} == {GapKind.SILENT}, "nobody can say yet what the half hour brings"
    stage.clock.pass_(1900)
    stage.run(shipper)
    found = judged(stage, begun)
    assert found.complete, found.gaps
    assert (found.events, found.rows, found.objects) == (50, 50, 1)


@FORMATS
def test_an_object_that_is_deleted_is_named(make_stage: Make, form: str) -> None:
    stage = make_stage(max_records=10, format=form)
    begun = now(stage)
    writer, shipper = stage.writer(format=form), stage.shipper()
    for _ in range(3):
        stage.append(writer, 10)
        stage.run(shipper)
        stage.clock.pass_(1)
    stage.finish().stop()
    assert judged(stage, begun, 0.5).complete
    gone = sorted(stage.sink.data)[1]
    del stage.sink.objects[gone]
    (gap,) = judged(stage, begun, 0.5).gaps
    assert (gap.kind, gap.key, gap.records) == (GapKind.MISSING_OBJECT, gone, 10)


def test_a_killed_worker_leaves_no_gap_since_its_records_arrive(make_stage: Make) -> None:
    stage = make_stage(max_age_seconds=60.0)
    begun = now(stage)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 20)
    stage.kill(writer)
    stage.run(shipper)
    assert not judged(stage, begun).complete
    for _ in range(3):
        stage.clock.pass_(1000)
        stage.run(shipper)
    found = judged(stage, begun)
    assert found.complete, found.gaps
    assert found.events == 20


def test_a_killed_instance_is_named_by_when_it_was_last_heard_of(make_stage: Make) -> None:
    stage = make_stage(max_age_seconds=60.0)
    begun = now(stage)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 20)
    stage.clock.pass_(61)
    stage.run(shipper)
    heard = now(stage)
    stage.append(writer, 5)
    stage.clock.pass_(3600)  # the machine is gone: nobody steps any more
    (gap,) = judged(stage, begun).gaps
    assert gap.kind == GapKind.SILENT
    assert f"{dataset.to_datetime(heard):%H:%M:%S}" in gap.message
    assert gap.spool == shipper._checkpoint.spool


def test_an_instance_whose_server_is_away_does_not_claim_what_it_has_not_shipped(make_stage: Make) -> None:
    """Its ledgers get through and its records do not."""
    stage = make_stage(max_age_seconds=60.0)
    begun = now(stage)
    writer, shipper = stage.writer(), stage.shipper()
    stage.clock.pass_(120)
    stage.append(writer, 20)
    stage.sink.fails = lambda key: None if key.startswith("_ledger") else down(key)
    for _ in range(40):
        stage.clock.pass_(61)
        stage.run(shipper)
    gaps = judged(stage, begun).gaps
    assert [gap.kind for gap in gaps] == [GapKind.SILENT]
    assert judged(stage, begun, 0.5).complete, "before the first record that waits it is whole"


def test_a_spool_that_was_full_is_named_with_its_writer_and_count(make_stage: Make) -> None:
    stage = make_stage(segment_bytes=64 << 10, limit=1 << 20, max_age_seconds=60.0)
    begun = now(stage)
    writer = stage.writer()
    stage.append(writer, 500, padding="x" * 4000)
    shipper = stage.shipper()
    for _ in range(3):
        stage.clock.pass_(1000)
        stage.run(shipper)
    gaps = judged(stage, begun).gaps
    assert {(gap.kind, gap.reason) for gap in gaps} == {(GapKind.LOST, "spool_limit")}
    assert sum(gap.records or 0 for gap in gaps) == 500 - len(stage.arrived())
    assert all(gap.writer for gap in gaps)


def test_refused_records_are_named(make_stage: Make) -> None:
    stage = make_stage()
    begun = now(stage)
    writer = stage.writer()
    stage.append(writer, 2)
    assert not writer.append({"bad": object()}, 0.5)
    stage.finish().stop()
    (gap,) = judged(stage, begun, 0.5).gaps
    assert (gap.kind, gap.reason, gap.records) == (GapKind.REFUSED, "unencodable", 1)


def test_a_state_that_forgets_old_days_leaves_their_ledgers_as_they_were(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The books keep so many objects at most; a forgotten day's ledger must not be written again without them."""
    monkeypatch.setattr("capture.shipping.checkpoint._MAX_OBJECTS", 6)
    stage = make_stage(max_records=1)
    begun = now(stage)
    writer, shipper = stage.writer(), stage.shipper()
    for _ in range(20):
        stage.append(writer)
        stage.run(shipper)
        stage.clock.pass_(20_000)
    shipper.close()
    stage.finish().stop()  # a new shipper has no memory of what it told
    listed = {key for found in stage.sink.ledgers.values() for key in found.objects}
    assert listed == set(stage.sink.data)
    assert judged(stage, begun, 60 * 24 * 5).complete


def test_a_batch_that_is_tried_again_after_a_crash_stands_in_one_ledger_entry(make_stage: Make) -> None:
    stage = make_stage()
    writer, shipper = stage.writer(), stage.shipper()
    begun = now(stage)
    stage.append(writer, 5)
    shipper.drain()
    for _ in range(2):
        shipper.step()
        shipper.wait(60)
    shipper.close()
    stage.finish().stop()
    stage.assert_exactly_once()
    found = judged(stage, begun, 0.1)
    assert found.complete, found.gaps
    assert found.objects == 1


def test_writers_that_named_no_gap_do_not_fill_the_ledger(make_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture.shipping.checkpoint._MAX_ENDED", 5)
    stage = make_stage()
    shipper = stage.shipper()
    shipper.drain()
    for _ in range(20):
        writer = stage.writer()
        stage.append(writer)
        stage.close_writer(writer)
        stage.run(shipper)
    stage.clock.pass_(400)
    stage.run(shipper)
    assert len(shipper._checkpoint.streams[0].writers) <= 6
    stage.assert_exactly_once()
    assert stage.assert_balanced().appended == 20

"""A record goes where its writer's settings said and under their key, whatever is set when it is shipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from capture import CaptureConfig, ledger
from capture.shipping.shipper import Shipper
from tests.capture.shipping.stage import MemorySink, Stage, rows_of, survives

Make = Callable[..., Stage]
Places = dict[tuple[str, str | None], MemorySink]
OLD, NEW = ("s3://old/captured", "key-1"), ("s3://new/elsewhere", None)


def begin(stage: Stage, places: Places, place: tuple[str, str | None], form: str = "parquet") -> Shipper:
    """A shipper whose own settings name one place, and that can reach all."""
    config = CaptureConfig(destination=place[0], kms_key_id=place[1], format=form, endpoint_name="flights")
    stage.spool.prepare()
    return Shipper(
        stage.open_spool(),
        config,
        stage.clock.nanoseconds,
        stage.clock.monotonic,
        lambda destination, key: places.setdefault((destination, key), MemorySink()),
        survives,
    )


def numbers(sink: MemorySink) -> list[int]:
    return sorted(int(row["n"]) for key, body in sink.data.items() for row in rows_of(key, body))


@pytest.mark.parametrize("steps", [0, 1, 2, 6])
def test_a_crash_and_other_settings_move_no_record(make_stage: Make, steps: int) -> None:
    """The first shipper gets so far with what was written for the old place, and dies; the next one is set to the new."""
    stage, places = make_stage(), Places()
    writer = stage.writer(destination=OLD[0], kms_key_id=OLD[1])
    of_old = stage.append(writer, 5)
    first = begin(stage, places, OLD)
    first.drain()
    for _ in range(steps):
        first.step()
        first.wait(60)
    first.close()
    late = stage.append(writer, 2)
    stage.close_writer(writer)
    other = stage.writer(destination=NEW[0], kms_key_id=NEW[1], format="jsonl")
    of_new = stage.append(other, 3)
    stage.close_writer(other)
    second = begin(stage, places, NEW, "jsonl")
    stage.drain(second)
    second.stop()
    assert {place for place, sink in places.items() if sink.data} == {OLD, NEW}
    assert numbers(places[OLD]) == of_old + late
    assert numbers(places[NEW]) == of_new
    assert all(key.endswith(".parquet") for key in places[OLD].data)
    assert all(key.endswith(".jsonl") for key in places[NEW].data)
    stage.assert_balanced()


def test_each_place_has_the_ledger_of_its_own_objects(make_stage: Make) -> None:
    stage, places = make_stage(), Places()
    for place in (OLD, NEW):
        writer = stage.writer(destination=place[0], kms_key_id=place[1])
        stage.append(writer, 4)
        stage.close_writer(writer)
    shipper = begin(stage, places, NEW)
    stage.drain(shipper)
    shipper.stop()
    for place in (OLD, NEW):
        told = [ledger.decode(body) for key, body in places[place].objects.items() if key.startswith("_ledger/")]
        assert {key for found in told for key in found.objects} == set(places[place].data)

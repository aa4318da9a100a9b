"""A sink that fails: nothing is lost or doubled, the spool is looked after meanwhile, and a repair needs no restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from capture.sinks import SinkError
from tests.capture.shipping.stage import Stage, down

Make = Callable[..., Stage]


def test_an_outage_delays_and_costs_nothing(make_stage: Make) -> None:
    stage = make_stage(max_records=10)
    writer, shipper = stage.writer(), stage.shipper()
    stage.sink.fails = down
    for _ in range(50):
        stage.append(writer, 5)
        stage.clock.pass_(10)
        stage.run(shipper)
    assert stage.sink.objects == {}
    stage.sink.fails = lambda key: None
    stage.clock.pass_(31)
    stage.run(shipper)
    stage.drain(shipper)
    stage.assert_exactly_once()
    stage.assert_balanced()


def test_pauses_between_tries_grow_to_half_a_minute_and_vary(make_stage: Make) -> None:
    stage = make_stage(max_records=1)
    writer, shipper = stage.writer(), stage.shipper()
    tries: list[float] = []

    def fails(key: str) -> SinkError | None:
        if key.startswith("_ledger"):
            return None
        tries.append(stage.clock.steady)
        return down(key)

    stage.sink.fails = fails
    stage.append(writer)
    for _ in range(4000):
        stage.run(shipper)
        stage.clock.pass_(0.1)
    pauses = [second - first for first, second in pairwise(tries)]
    assert 0.1 <= pauses[0] <= 0.4
    assert max(pauses) <= 30.2
    late = pauses[9:]
    assert all(14.9 <= pause <= 30.2 for pause in late)
    assert max(late) - min(late) > 1


def test_a_batch_of_which_one_object_is_there_goes_on_with_the_next(make_stage: Make) -> None:
    stage = make_stage(max_records=1 << 30)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 3)
    stage.clock.pass_(3600)
    stage.append(writer, 3)
    stage.sink.fails = lambda key: down(key) if stage.sink.data else None
    stage.drain(shipper)
    assert len(stage.sink.data) == 1
    stage.sink.fails = lambda key: None
    stage.clock.pass_(2)
    stage.run(shipper)
    stage.assert_exactly_once()
    assert len([key for key in stage.sink.puts if not key.startswith("_ledger")]) == 2


@pytest.mark.parametrize("error", [down, lambda key: ValueError(f"Invalid endpoint for {key}")])
def test_trouble_is_said_once_a_minute_and_heals_without_restart(
    make_stage: Make, caplog: pytest.LogCaptureFixture, error: Callable[[str], Exception]
) -> None:
    stage = make_stage(max_records=1)
    writer, shipper = stage.writer(), stage.shipper()
    stage.sink.fails = error
    stage.append(writer, 3)
    with caplog.at_level(logging.INFO):
        for _ in range(300):  # five minutes, a second each, and several ledgers and objects fail in each
            stage.run(shipper)
            stage.clock.pass_(1)
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert 5 <= len(said) <= 6, [record.getMessage() for record in said]
    assert "s3://bucket/prefix" in said[0].getMessage()
    stage.sink.fails = lambda key: None
    stage.clock.pass_(31)
    stage.run(shipper)
    stage.assert_exactly_once()


def test_the_spool_is_looked_after_while_a_server_does_not_answer(make_stage: Make) -> None:
    """An upload hangs; segments of a dead writer are sealed, counters are told, and SIGTERM would be heard."""
    stage = make_stage(max_records=1)
    shipper = stage.shipper()
    answer, asked = threading.Event(), threading.Event()

    def hang(key: str) -> None:
        asked.set()
        answer.wait(60)

    stage.sink.fails = hang
    writer = stage.writer()
    stage.append(writer, 2)
    while not asked.is_set():
        shipper.step()
        shipper.wait(0.01)
    stage.append(writer, 2)
    stage.kill(writer)
    for _ in range(3):
        shipper.step()
    assert shipper.waiting() == 4
    assert stage.stats.appended == 4
    line = shipper.stop(seconds=0.05)
    assert line == "shipped 0 records in 0 objects, 4 not shipped, 0 lost"
    answer.set()
    stage.sink.fails = lambda key: None
    stage.finish()
    stage.assert_exactly_once()


def test_a_shipper_that_is_to_stop_tries_at_once_and_often(make_stage: Make) -> None:
    """The pause of an outage must not outlast the deadline."""
    stage = make_stage(max_records=1)
    writer, shipper = stage.writer(), stage.shipper()
    stage.sink.fails = down
    stage.append(writer)
    for _ in range(200):
        stage.run(shipper)
        stage.clock.pass_(5)
    stage.sink.fails = lambda key: None
    stage.drain(shipper)
    stage.assert_exactly_once()


def test_ledgers_that_fail_do_not_hold_up_records(make_stage: Make) -> None:
    stage = make_stage(max_records=5)
    writer, shipper = stage.writer(), stage.shipper()
    stage.sink.fails = lambda key: down(key) if key.startswith("_ledger") else None
    for _ in range(4):
        stage.append(writer, 5)
        stage.run(shipper)
        stage.clock.pass_(1)
    stage.assert_exactly_once()
    assert stage.sink.ledgers == {}
    stage.sink.fails = lambda key: None
    stage.clock.pass_(6)
    stage.run(shipper)
    assert len(stage.sink.ledgers) == 1


def test_the_last_line_counts_what_could_not_be_shipped(make_stage: Make) -> None:
    stage = make_stage()
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 7)
    stage.drain(shipper)
    stage.sink.fails = down
    stage.append(writer, 5)
    stage.run(shipper)
    assert shipper.stop(seconds=1) == "shipped 7 records in 1 objects, 5 not shipped, 0 lost"
    stage.sink.fails = lambda key: None
    stage.finish()
    stage.assert_exactly_once()


def test_a_record_that_breaks_the_encoder_stands_aside_alone(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = make_stage()
    encode = __import__("capture.encoding", fromlist=["x"]).encode_objects

    def picky(header: object, batch: str, events: object) -> object:
        from capture.encoding import EncodingError

        taken = list(events)  # type: ignore[call-overload]
        if any(event.items.rows[0][0] in (13, 40) for event in taken):
            raise EncodingError("a value of an odd kind")
        return encode(header, batch, iter(taken))

    monkeypatch.setattr("capture.shipping.batch.encode_objects", picky)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 50)
    stage.drain(shipper)
    stage.assert_exactly_once([number for number in stage.acknowledged if number not in (13, 40)])
    stats = stage.assert_balanced(unencodable=2)
    assert (stats.appended, stats.shipped, stats.waiting) == (50, 48, 0)
    assert len(list((stage.directory / "quarantine").iterdir())) == 2
    assert "record 13 of writer" in caplog.text
    losses = [entry.lost for found in stage.sink.ledgers.values() for entry in found.writers.values()]
    stage.clock.pass_(301)
    stage.run(shipper)
    losses = [entry.lost for found in stage.sink.ledgers.values() for entry in found.writers.values()]
    assert [(item.reason, item.first, item.last) for item in losses[0]] == [
        ("unencodable", 13, 13),
        ("unencodable", 40, 40),
    ]

"""The wall clock jumps: ids, ages and hours follow it as far as they must, and no record is lost or doubled."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.capture.shipping.stage import Stage, rows_of

Make = Callable[..., Stage]


@pytest.mark.parametrize("seed", range(8))
def test_a_clock_that_jumps_back_and_forth_costs_nothing(make_stage: Make, seed: int) -> None:
    chance = random.Random(seed)
    stage = make_stage(segment_bytes=64 << 10, limit=4 << 20, max_records=40, max_age_seconds=60.0)
    writers, shipper = [stage.writer(), stage.writer()], stage.shipper()
    for _ in range(60):
        stage.append(chance.choice(writers), chance.randint(1, 8), padding="x" * chance.choice([10, 4000]))
        stage.clock.jump(chance.choice([-86_400 * 40, -3600, -61, -0.5, 0, 0.5, 3600, 86_400 * 40]))
        stage.clock.pass_(chance.choice([0.1, 5, 61]))
        stage.run(shipper)
        if chance.random() < 0.1:
            shipper.close()
            shipper = stage.shipper()
        assert stage.stats.balanced, f"seed {seed}"
    shipper.close()
    stage.finish()
    stage.assert_exactly_once()
    stage.assert_balanced()


def test_age_counts_on_when_the_wall_clock_is_set_back(make_stage: Make) -> None:
    stage = make_stage(max_age_seconds=300.0, max_records=1 << 30)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer)
    stage.run(shipper)
    stage.clock.jump(-86_400)
    stage.clock.pass_(301)
    stage.run(shipper)
    stage.assert_exactly_once()


def test_a_record_of_the_future_waits_no_longer_than_the_age(make_stage: Make) -> None:
    stage = make_stage(max_age_seconds=300.0, max_records=1 << 30)
    writer = stage.writer()
    stage.clock.jump(86_400)
    stage.append(writer)
    stage.clock.jump(-86_400)
    shipper = stage.shipper()
    stage.run(shipper)
    stage.clock.pass_(301)
    stage.run(shipper)
    stage.assert_exactly_once()


def test_every_event_lies_in_the_object_of_its_hour(make_stage: Make) -> None:
    stage = make_stage()
    writer = stage.writer()
    for seconds in (0, 1999, 2000, 2001, 5600, 90_000, -200_000):
        stage.clock.jump(seconds)
        stage.append(writer, 2)
    stage.finish()
    stage.assert_exactly_once()
    for key, body in stage.sink.data.items():
        hour = "/".join(key.split("/")[2:6])
        assert {f"{row['capture_event_time']:%Y/%m/%d/%H}" for row in rows_of(key, body)} == {hour}

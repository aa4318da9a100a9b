"""Encoding is as low in priority as a thread can be, and less low once the backlog grows or little time is left."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from capture.shipping import batch
from tests.capture.shipping.stage import Stage
from tests.faults.processes import until

Make = Callable[..., Stage]
LOWEST = 19


def priority() -> int:
    """That of the thread that asks."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.fixture
def priorities(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The priority of the thread that encoded, batch after batch."""
    found: list[int] = []
    encode = vars(batch)["encode_objects"]

    def noted(*given: Any) -> Any:
        found.append(priority())
        return encode(*given)

    monkeypatch.setattr(batch, "encode_objects", noted)
    if priority() == LOWEST:
        pytest.skip("the tests run at the lowest priority themselves")
    return found


def test_an_ordinary_batch_is_encoded_at_the_lowest_priority(make_stage: Make, priorities: list[int]) -> None:
    stage = make_stage(max_records=10)
    writer, shipper = stage.writer(), stage.shipper()
    for _ in range(3):
        stage.append(writer, 10)
        stage.run(shipper)
    assert priorities == [LOWEST] * 3


def test_a_backlog_is_encoded_at_the_processs_own_priority_until_it_is_small_again(
    make_stage: Make, priorities: list[int]
) -> None:
    """Nothing raises a thread's priority again, root apart: it is another thread."""
    stage = make_stage(segment_bytes=64 << 10, limit=4 << 20, max_bytes=200_000)
    writer = stage.writer()
    stage.append(writer, 400, padding="x" * 4000)  # 1.6 of 3.75 MiB wait
    shipper = stage.shipper()
    stage.run(shipper)
    own = priority()
    changes = [first for first, second in zip(priorities, [*priorities[1:], None], strict=True) if first != second]
    assert changes == [own, LOWEST], priorities
    stage.finish()
    stage.assert_exactly_once()


def test_what_must_be_shipped_before_the_end_is_not_held_back(make_stage: Make, priorities: list[int]) -> None:
    stage = make_stage()
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 3)
    stage.drain(shipper)
    assert priorities == [priority()]


@pytest.mark.parametrize(("the_end_is_near", "moment"), [(True, 2), (False, 30)])
def test_a_busy_machine_cannot_keep_a_batch_from_being_encoded_when_its_time_has_come(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch, the_end_is_near: bool, moment: float
) -> None:
    """The calm thread gets no processor in the midst of a batch: the urgent one takes the batch over."""
    stage = make_stage(max_records=10)
    writer, shipper = stage.writer(), stage.shipper()
    encode = vars(batch)["encode_objects"]
    begun, runs_again, policies, ends = threading.Event(), threading.Event(), [], []

    def starved(header: Any, name: str, events: Any) -> Any:
        policies.append(priority())
        if policies == [LOWEST]:
            next(events)
            begun.set()
            assert runs_again.wait(60)
            try:
                return encode(header, name, events)
            except BaseException as error:
                ends.append(type(error))
                raise
        return encode(header, name, events)

    monkeypatch.setattr(batch, "encode_objects", starved)
    stage.append(writer, 10)
    shipper.step()
    assert begun.wait(60)
    if the_end_is_near:
        shipper.drain()
    stage.clock.steady += moment - 0.5
    shipper.step()
    shipper.step()
    assert shipper._delivery is not None
    assert not shipper._delivery._job.urgent, "it is given a moment"
    stage.clock.steady += 0.5
    shipper.step()
    stage.run(shipper)
    stage.assert_exactly_once()
    assert policies == [LOWEST, priority()]
    stage.append(writer, 10)
    stage.run(shipper)
    stage.assert_exactly_once()
    assert policies == [LOWEST, priority(), priority()], "the next does not wait for a thread that gets no processor"
    runs_again.set()
    stage.append(writer, 1)
    stage.finish()
    stage.assert_exactly_once()
    until(lambda: ends == [batch.GivenUp], "what was given up ends at the next record")

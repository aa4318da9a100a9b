"""Event ids are UUIDv7, carry their time, and never repeat: not after the user's seed, not in a forked child."""

from __future__ import annotations

import multiprocessing
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import new_event_id
from capture.event_id import event_id_bytes, event_id_text, event_time_of

YEAR_10000 = 253_402_300_800_000_000
times = st.integers(0, YEAR_10000 - 1)


@given(times)
def test_an_id_is_a_uuid_of_version_7_that_carries_its_microsecond(microseconds: int) -> None:
    raw = event_id_bytes(microseconds)
    text = event_id_text(raw)
    read = uuid.UUID(text)
    assert (read.version, read.variant, read.bytes, str(read)) == (7, uuid.RFC_4122, raw, text)
    assert int.from_bytes(raw[:6], "big") == microseconds // 1000
    assert event_time_of(text) == microseconds


@given(times, times)
def test_ids_sort_by_their_times(one: int, other: int) -> None:
    first, second = sorted((one, other))
    if first < second:
        assert event_id_text(event_id_bytes(first)) < event_id_text(event_id_bytes(second))
        assert event_id_bytes(first) < event_id_bytes(second)


def test_a_new_id_takes_its_time_from_the_clock() -> None:
    assert event_time_of(new_event_id(lambda: 1_767_268_800_123_456_789)) == 1_767_268_800_123_456


@given(st.integers(0, YEAR_10000 // 1000 - 1), st.integers(0, 2**74 - 1))
def test_the_time_of_another_makers_id_is_right_to_the_millisecond(milliseconds: int, noise: int) -> None:
    number = milliseconds << 80 | 7 << 76 | (noise >> 62) << 64 | 2 << 62 | noise & (2**62 - 1)
    time = event_time_of(str(uuid.UUID(int=number)))
    assert time is not None
    assert time // 1000 == milliseconds


@given(st.text() | st.text(alphabet="0123456789abcdefABCDEF-_ +7x١", min_size=36, max_size=36))
def test_any_text_has_a_time_that_a_calendar_knows_or_none(text: str) -> None:
    time = event_time_of(text)
    assert time is None or 0 <= time < YEAR_10000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order-17",
        str(uuid.UUID(int=4, version=4)),
        "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b",
        "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5",
        "0190a1b2xc3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "-190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "+190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        " 190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "0_90a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "١190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "zz90a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
    ],
)
def test_what_is_no_id_of_a_time_that_can_be_written_has_none(text: str) -> None:
    assert event_time_of(text) is None


def test_the_users_seed_does_not_repeat_ids() -> None:
    found = set()
    for _ in range(100):
        random.seed(42)
        found.add(event_id_bytes(0))
    assert len(found) == 100


def test_ids_do_not_disturb_the_users_random_numbers() -> None:
    random.seed(42)
    wanted = random.random()
    random.seed(42)
    new_event_id()
    assert random.random() == wanted


def _ids(pipe: multiprocessing.connection.Connection) -> None:
    pipe.send([event_id_bytes(0) for _ in range(500)])
    pipe.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_never_make_the_same_id() -> None:
    fork = multiprocessing.get_context("fork")
    pipes, children = [], []
    for _ in range(4):
        ours, theirs = fork.Pipe(duplex=False)
        child = fork.Process(target=_ids, args=(theirs,))
        child.start()
        theirs.close()
        pipes.append(ours)
        children.append(child)
    found = [event_id_bytes(0) for _ in range(500)]
    for pipe, child in zip(pipes, children, strict=True):
        found += pipe.recv()
        child.join()
    assert len(set(found)) == 2500

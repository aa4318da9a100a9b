"""Frames: what `place` lays `walk` finds, and any byte that is wrong ends the walk before it, never in a wrong record."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.journal import frame, values

SEED = 0x1234_5678
pieces = st.tuples(st.binary(max_size=40), st.lists(st.binary(max_size=20), max_size=3))


def laid(
    frames: list[tuple[bytes, list[bytes]]], room: int = 1 << 14, seed: int = SEED
) -> tuple[bytearray, list[tuple[int, int]]]:
    """Memory full of noise into which the frames were laid one after the other, and where each stands."""
    memory = bytearray(b"\xa5" * room)
    view = memoryview(memory)
    at, places = 0, []
    for head, buffers in frames:
        end = frame.place(view, at, frame.EVENT, head, tuple(buffers), seed)
        assert end == at + frame.frame_size(head, tuple(buffers))
        places.append((at, end))
        at = end
    return memory, places


@given(st.lists(pieces, max_size=6))
def test_frames_are_found_where_they_were_laid_with_their_bytes(given_as: list[tuple[bytes, list[bytes]]]) -> None:
    memory, places = laid(given_as)
    end = places[-1][1] if places else 0
    view = memoryview(memory)
    found = list(frame.walk(view, 0, end, SEED))
    assert [(at, stop) for at, stop, _, _ in found] == places
    for (at, stop, kind, length), (head, buffers) in zip(found, given_as, strict=True):
        assert (at % 8, stop % 8, kind) == (0, 0, frame.EVENT)
        assert view[at + frame.PREFIX : at + frame.PREFIX + length] == head
        place = at + frame.PREFIX + length + 7 & -8
        for buffer in buffers:
            assert view[place : place + len(buffer)] == buffer
            place = place + len(buffer) + 7 & -8


@given(st.lists(pieces, min_size=1, max_size=4), st.data())
def test_a_flipped_bit_ends_the_walk_before_the_frame_that_it_is_in(
    given_as: list[tuple[bytes, list[bytes]]], data: st.DataObject
) -> None:
    memory, places = laid(given_as)
    bit = data.draw(st.integers(0, places[-1][1] * 8 - 1))
    memory[bit // 8] ^= 1 << bit % 8
    found = [(at, end) for at, end, _, _ in frame.walk(memoryview(memory), 0, places[-1][1], SEED)]
    assert found == [place for place in places if place[1] <= bit // 8]


@given(st.lists(pieces, min_size=1, max_size=4), st.data())
def test_a_length_that_is_cut_ends_the_walk_before_the_frame_that_it_cuts(
    given_as: list[tuple[bytes, list[bytes]]], data: st.DataObject
) -> None:
    memory, places = laid(given_as)
    stop = data.draw(st.integers(0, places[-1][1]))
    found = [(at, end) for at, end, _, _ in frame.walk(memoryview(memory), 0, stop, SEED)]
    assert found == [place for place in places if place[1] <= stop]


@given(st.binary(max_size=4096))
def test_noise_holds_no_frame_and_breaks_nothing(noise: bytes) -> None:
    assert list(frame.walk(memoryview(noise), 0, len(noise), SEED)) == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_frame_that_claims_any_length_breaks_nothing(length: int, head: int, kind: int) -> None:
    memory = bytearray(256)
    struct.pack_into("<IIII", memory, 0, length, 0, head, kind)
    list(frame.walk(memoryview(memory), 0, 256, SEED))


@given(st.lists(pieces, min_size=1, max_size=3), st.integers(0, 2**32 - 1).filter(lambda seed: seed != SEED))
def test_a_frame_of_another_life_of_the_file_is_no_frame(given_as: list[tuple[bytes, list[bytes]]], seed: int) -> None:
    memory, places = laid(given_as, seed=seed)
    assert list(frame.walk(memoryview(memory), 0, places[-1][1], SEED)) == []


@given(pieces, st.integers(0, 200))
def test_what_does_not_fit_is_not_laid(given_as: tuple[bytes, list[bytes]], room: int) -> None:
    head, buffers = given_as
    memory = bytearray(b"\xa5" * room)
    end = frame.place(memoryview(memory), 0, frame.EVENT, head, tuple(buffers), SEED)
    if frame.frame_size(head, tuple(buffers)) > room:
        assert (end, bytes(memory)) == (0, b"\xa5" * room)
    else:
        assert end == frame.frame_size(head, tuple(buffers))


def test_the_bytes_are_those_that_the_head_of_the_module_describes() -> None:
    memory, _ = laid([(b"head!", [b"one", b"", b"twotwotwo"])])
    length, checksum, head, kind = struct.unpack_from("<IIII", memory)
    assert (length, head, kind) == (16 + 8 + 8 + 16, 5, 1)
    assert (bytes(memory[16:21]), bytes(memory[24:27]), bytes(memory[32:41])) == (b"head!", b"one", b"twotwotwo")
    assert checksum == castagnoli(bytes(memory[8:length]), SEED)


def castagnoli(data: bytes, seed: int) -> int:
    """CRC-32C by its definition, bit by bit: a second reader's."""
    crc = seed ^ 0xFFFF_FFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


EVENT = (bytes(16), 5, None, None, None, None, None, None, (1, 0, [[1.5]]), (0, 0, [2.5]))


def read(head: object, shapes: list[tuple[str, ...]] | None = None, buffers: tuple[bytes, ...] = ()) -> object:
    memory = bytearray(1 << 12)
    packed = values.encode(head)
    frame.place(memoryview(memory), 0, frame.EVENT, packed, buffers, SEED)
    return frame.read_event(memoryview(memory), 0, len(packed), [("a",)] if shapes is None else shapes, "w", 1)


def test_an_event_is_read_by_a_head_written_by_hand() -> None:
    event = read(EVENT)
    assert event.items.rows == [[1.5]]  # type: ignore[attr-defined]
    assert event.event_id == "00000000-0000-0000-0000-000000000000"  # type: ignore[attr-defined]
    array = np.arange(6, dtype="<i2").reshape(2, 3)
    for order, data in (("C", array.tobytes()), ("F", array.T.tobytes())):
        block = (3, 0, "<i2", 2, 3, order, len(data))
        found = read((*EVENT[:8], block, (0, 0, [2.5])), [("a", "b", "c")], (data,))
        assert found.items.array.tolist() == array.tolist()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "head",
    [
        None,
        [],
        EVENT[:9],
        (*EVENT, 1),
        (*EVENT[:8], None, EVENT[9]),
        (*EVENT[:8], (9, 0, []), EVENT[9]),
        (*EVENT[:8], (1, 7, []), EVENT[9]),
        (*EVENT[:8], (1, 0), EVENT[9]),
        (*EVENT[:8], (3, 0, "|O", 1, 1, "C", 8), EVENT[9]),
        (*EVENT[:8], (3, 0, "<f8", 3, 3, "C", 8), EVENT[9]),
        (*EVENT[:8], (4, 0, 1, [("x", [0])]), EVENT[9]),
        (*EVENT[:8], (4, 0, 1, [("l", [5], [1])]), EVENT[9]),
    ],
    ids=str,
)
def test_a_head_that_is_not_this_formats_is_an_error_that_the_reader_expects(head: object) -> None:
    with pytest.raises((ValueError, IndexError, TypeError)):
        read(head)


def test_what_a_caller_gave_as_text_is_read_as_text() -> None:
    event = read((bytes(16), 5, 17, b"x", 1.5, *EVENT[5:]))
    told = (event.inference_id, event.custom_attributes, event.model_name)  # type: ignore[attr-defined]
    assert told == ("17", "b'x'", "1.5")

"""Segments: what the commit word covers survives, what it does not is no record, and damage never makes another record."""

from __future__ import annotations

import mmap
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from capture.journal import segment
from capture.journal.segment import SegmentDamaged, SegmentReader, SegmentWriter, header_bytes, header_of, lay
from capture.record import Event, Header
from capture.writing.block_encoder import BlockEncoder
from capture.writing.column_names import Shapes
from tests.capture.spools import header, row

SIZE = 16 << 10
WRITER = "0123456789abcdef0123456700000005"
COMMIT, STATE, FIRST, SEED, TAKEN = 3, 4, 5, 6, 7


class Written:
    """A small segment in a file, and the events that went into it."""

    def __init__(self, path: Path, size: int = SIZE, head: bytes | None = None, seed: int = 77) -> None:
        self.path = path
        self.header = header_bytes(header()) if head is None else head
        if not path.exists():
            path.write_bytes(b"\xa5" * size)
        with path.open("r+b") as file:
            self.mapped = mmap.mmap(file.fileno(), size)
        lay(memoryview(self.mapped), WRITER[:24].ljust(32, "0"), self.header, seed)
        self.writer = SegmentWriter(self.path.stem, self.mapped)
        self.drafter = BlockEncoder(Shapes())
        self.given: list[dict[str, Any]] = []

    def open(self, first: int = 1) -> Written:
        self.writer.open(WRITER, first, 1_767_268_800_000_000)
        return self

    def write(self, features: dict[str, Any], prediction: float = 0.5) -> int:
        number = len(self.given) + 1
        about = (number.to_bytes(16, "big"), number, None, None, None, None, None)
        items = self.drafter.features(features)
        size = self.writer.write(about, None, items, self.drafter.predictions(prediction, items.rows))
        if size:
            self.given.append(features)
        return size


def events(path: Path) -> list[Event]:
    """Whatever a reader finds."""
    reader = SegmentReader(path)
    frames = reader.frames(0, reader.committed[1])
    return [reader.event(at, head, reader.first_number + index) for index, (at, _, head) in enumerate(frames)]


def rows(path: Path) -> list[dict[str, Any]]:
    return [row(event.items) for event in events(path)]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / f"{'a' * 32}.seg").open()


def test_a_prepared_segment_holds_nothing_and_says_so(tmp_path: Path) -> None:
    path = Written(tmp_path / "one.seg").path
    reader = SegmentReader(path)
    assert (reader.state, reader.committed, reader.taken, reader.first_number) == (segment.PREPARED, (0, 0), (0, 0), 0)
    assert list(reader.frames(0, 0)) == []


def test_the_header_says_who_wrote_what_when(written: Written) -> None:
    reader = SegmentReader(written.path)
    assert (reader.identity, reader.writer, reader.size) == ("a" * 32, WRITER, SIZE)
    assert (reader.state, reader.first_number, reader.opened_at) == (segment.OPEN, 1, 1_767_268_800_000_000)
    assert (reader.header, reader.header_text) == (header(), header_bytes(header()))
    written.writer.seal()
    assert reader.state == segment.SEALED


def test_headers_are_equal_as_bytes_exactly_where_they_are_equal() -> None:
    one = header(types={"a": "int64", "b": "double"})
    other = header(types={"b": "double", "a": "int64"})
    assert header_bytes(one) == header_bytes(other)
    assert header_bytes(one) != header_bytes(header(types={"a": "int64"}))
    assert header_of(header_bytes(one)) == one
    assert header_of(b"{}") is header_of(b"nonsense") is header_of(b"\xff") is None


def test_records_are_seen_as_soon_as_they_are_committed(written: Written) -> None:
    reader = SegmentReader(written.path)
    at = 0
    for number in range(1, 20):
        size = written.write({"seats": number, "day": "Mon"})
        assert reader.committed[0] == number
        ((start, end, head),) = reader.frames(at, reader.committed[1])
        event = reader.event(start, head, number)
        assert (row(event.items), event.number, event.event_time) == ({"seats": number, "day": "Mon"}, number, number)
        assert reader.event_time(start, head) == number
        assert (end, end - at) == (reader.committed[1], size)
        at = end


def test_what_the_commit_word_does_not_cover_is_no_record(written: Written) -> None:
    words = memoryview(written.mapped).cast("Q")
    written.write({"seats": 1})
    before = words[COMMIT]
    written.write({"seats": 2})
    words[COMMIT] = before
    assert rows(written.path) == [{"seats": 1}]
    assert SegmentReader(written.path).committed == (1, before & 0xFFFF_FFFF)


def test_a_writer_begins_behind_the_last_record_whatever_stands_there(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        made = Written(tmp_path / "one.seg", seed=seed).open()
        for number in range(seed * 2):
            made.write({"seats": number, "life": seed})
        assert rows(made.path) == made.given


def test_frames_of_an_earlier_life_of_the_file_are_never_read(tmp_path: Path) -> None:
    first = Written(tmp_path / "one.seg", seed=1).open()
    for number in range(20):
        first.write({"seats": number})
    length = SegmentReader(first.path).committed[1]
    second = Written(first.path, seed=2).open()
    second.write({"seats": 1000})
    words = memoryview(second.mapped).cast("Q")
    words[COMMIT] = 21 << 32 | length
    assert rows(first.path) == [{"seats": 1000}]
    words[COMMIT] = 20 << 32 | length
    Written(first.path, seed=3).open()
    words[COMMIT] = 20 << 32 | length
    assert rows(first.path) == []


def test_a_frame_counts_for_its_own_writer_and_number_only(written: Written) -> None:
    for number in range(3):
        written.write({"seats": number})
    data = written.path.read_bytes()
    for at in (5 * 8, 80 + 3):
        written.path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert rows(written.path) == []


def test_a_reader_of_an_earlier_life_reads_nothing_of_the_next(tmp_path: Path) -> None:
    first = Written(tmp_path / "one.seg", seed=1).open()
    first.write({"seats": 1})
    old = SegmentReader(first.path)
    second = Written(first.path, seed=2).open()
    second.write({"seats": 2})
    assert list(old.frames(0, old.committed[1])) == []


def test_the_names_of_columns_stand_once_in_a_segment(written: Written) -> None:
    name = "a rather long name of a feature"
    first = written.write({name: 1})
    assert written.write({name: 2}) == written.write({name: 3}) < first
    written.write({"another": 4})
    written.write({name: 5})
    assert rows(written.path) == written.given
    assert written.path.read_bytes().count(name.encode()) == 1


def test_a_reader_that_begins_in_the_middle_knows_the_names_that_stand_before(written: Written) -> None:
    for number in range(6):
        written.write({f"name {number % 3}": number})
    whole = SegmentReader(written.path)
    frames = list(whole.frames(0, whole.committed[1]))
    for index, (start, _, _) in enumerate(frames):
        reader = SegmentReader(written.path)
        found = [row(reader.event(at, head, 0).items) for at, _, head in reader.frames(start, reader.committed[1])]
        assert found == written.given[index:]


def test_a_reader_may_read_again_and_in_any_order(written: Written) -> None:
    for number in range(6):
        written.write({f"name {number % 3}": number})
    reader = SegmentReader(written.path)
    stop = reader.committed[1]
    frames = list(reader.frames(0, stop))
    next(iter(reader.frames(0, stop)))
    for start in (frames[3][0], 0, frames[5][0], frames[1][0]):
        found = [row(reader.event(at, head, 0).items) for at, _, head in reader.frames(start, stop)]
        assert found == written.given[[at for at, _, _ in frames].index(start) if start else 0 :]


def test_a_full_segment_takes_nothing_more_and_says_what_was_needed(written: Written) -> None:
    while written.write({"text": "x" * 500}):
        pass
    before = SegmentReader(written.path).committed
    assert before[1] <= written.writer.capacity() < before[1] + written.writer.needed
    assert written.write({"text": "x" * 500, "new name": 1}) == 0
    assert SegmentReader(written.path).committed == before
    assert rows(written.path) == written.given


def test_names_of_a_record_that_did_not_fit_are_introduced_again(tmp_path: Path) -> None:
    made = Written(tmp_path / "one.seg").open()
    assert made.write({"late": "x" * (SIZE - 4096)}) == 0
    assert made.write({"late": "y"}) > 0
    assert rows(made.path) == [{"late": "y"}]


def test_names_of_a_record_that_could_not_be_encoded_are_introduced_again(written: Written) -> None:
    with pytest.raises(TypeError):
        written.write({"late": object()})
    with pytest.raises(TypeError):
        written.write({"late": 1, "other": object()})
    assert written.write({"late": 2}) > 0
    assert rows(written.path) == [{"late": 2}]


def test_a_header_that_leaves_no_room_for_records_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves no room"):
        lay(memoryview(bytearray(SIZE)), WRITER, b"x" * SIZE, 1)


def small(home: Path) -> Written:
    """A segment of few bytes that matter: three records, two sets of names."""
    made = Written(home / f"{'b' * 32}.seg").open(first=4)
    made.write({"seats": 180, "day": "Mon"})
    made.write({"tail": "N123"})
    made.write({"seats": 90, "day": "Tue"})
    return made


def told(found: list[Event]) -> list[tuple[Any, ...]]:
    return [(event.writer, event.number, event.event_id, event.event_time, row(event.items)) for event in found]


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_anywhere_hides_records_or_the_segment_and_never_makes_another(tmp_path: Path, bit: int) -> None:
    made = small(tmp_path)
    whole = told(events(made.path))
    end = SegmentReader(made.path).committed[1]
    data = made.path.read_bytes()
    view = memoryview(made.mapped)
    unread = set(range(STATE * 8, FIRST * 8)) | set(range(TAKEN * 8, 9 * 8)) | set(range(112, 128))
    for at in [*range(128 + len(made.header) + 8), *range(4096, 4096 + end + 8)]:
        view[at] = data[at] ^ 1 << bit
        try:
            found = told(events(made.path))
        except SegmentDamaged:
            found = []
        assert found == whole[: len(found)], f"byte {at} made another record"
        if at in unread or 128 + len(made.header) <= at < 4096 or at >= 4096 + end:
            assert found == whole, f"byte {at} says nothing of the records"
        view[at] = data[at]
    assert told(events(made.path)) == whole


def test_a_flipped_bit_in_the_records_hides_only_what_stands_from_there(tmp_path: Path) -> None:
    made = small(tmp_path)
    reader = SegmentReader(made.path)
    frames = list(reader.frames(0, reader.committed[1]))
    view = memoryview(made.mapped)
    for at in range(reader.committed[1]):
        view[4096 + at] ^= 16
        found = len(events(made.path))
        assert found == sum(1 for _, end, _ in frames if end <= at)
        view[4096 + at] ^= 16


def test_damage_in_what_was_read_before_hides_the_rest_from_a_new_reader(tmp_path: Path) -> None:
    made = small(tmp_path)
    reader = SegmentReader(made.path)
    frames = list(reader.frames(0, reader.committed[1]))
    memoryview(made.mapped)[4096 + 20] ^= 1
    again = SegmentReader(made.path)
    assert list(again.frames(frames[2][0], again.committed[1])) == []


def test_a_file_that_is_cut_shows_the_records_before_the_cut_or_is_damaged(tmp_path: Path) -> None:
    made = small(tmp_path)
    whole = told(events(made.path))
    cut = tmp_path / f"{'c' * 32}.seg"
    for size in [*range(0, 4096, 512), 4095, *range(4096, 8192, 8), SIZE - 8, 5001]:
        shutil.copy(made.path, cut)
        with cut.open("r+b") as file:
            file.truncate(size)
        try:
            found = told(events(cut))
        except SegmentDamaged:
            found = []
            assert size < 4096 or size % 8
        assert found == whole[: len(found)]
        frames = SegmentReader(made.path).frames(0, 4096)
        if size >= 4096 and not size % 8:
            assert len(found) == sum(1 for _, end, _ in frames if 4096 + end <= size)


@pytest.mark.parametrize("size", [0, 8, 4096, 8192])
@pytest.mark.parametrize("filled", [b"\0", b"\xff", b"E"])
def test_a_file_that_is_no_segment_is_damaged(tmp_path: Path, size: int, filled: bytes) -> None:
    path = tmp_path / "one.seg"
    path.write_bytes(filled * size)
    with pytest.raises(SegmentDamaged, match=r"one\.seg"):
        SegmentReader(path)


def test_a_segment_of_another_version_is_damaged_and_said(written: Written) -> None:
    memoryview(written.mapped).cast("Q")[1] = 2
    with pytest.raises(SegmentDamaged, match="is of format version 2; version 1 can be read"):
        SegmentReader(written.path)


@pytest.mark.parametrize("change", [{"a field of the future": 1}, {"max_columns": "many"}])
def test_a_header_of_another_version_is_damage_and_no_crash(tmp_path: Path, change: dict[str, Any]) -> None:
    foreign = msgspec.json.encode(msgspec.to_builtins(header()) | change)
    with pytest.raises(SegmentDamaged, match="is not that of this version"):
        SegmentReader(Written(tmp_path / "one.seg", head=foreign).path)


def test_a_symbolic_link_is_not_followed(written: Written, tmp_path: Path) -> None:
    link = tmp_path / "link.seg"
    link.symlink_to(written.path)
    with pytest.raises(OSError, match="Too many levels"):
        SegmentReader(link)


def test_what_is_taken_is_noted_without_touching_the_records(written: Written) -> None:
    written.write({"seats": 1})
    reader = SegmentReader(written.path)
    reader.set_taken(1, 4000)
    assert SegmentReader(written.path).taken == (1, 4000)
    assert rows(written.path) == [{"seats": 1}]


def test_a_shipper_seals_in_the_place_of_a_dead_writer(written: Written) -> None:
    SegmentReader(written.path).seal()
    assert SegmentReader(written.path).state == segment.SEALED


def test_a_writer_lets_its_file_go(written: Written) -> None:
    written.write({"seats": 1})
    written.writer.close()
    assert written.mapped.closed
    assert rows(written.path) == [{"seats": 1}]


@pytest.fixture
def long_header(tmp_path: Path) -> Written:
    types = {f"feature {number}": "double" for number in range(200)}
    return Written(tmp_path / "long.seg", size=1 << 16, head=header_bytes(header(types=types))).open()


def test_a_header_of_many_pages_stands_before_the_records(long_header: Written) -> None:
    long_header.write({"seats": 1})
    reader = SegmentReader(long_header.path)
    assert isinstance(reader.header, Header)
    assert len(reader.header.types) == 200
    assert len(long_header.header) > 4096
    assert rows(long_header.path) == [{"seats": 1}]

"""Segments: the files of the journal, each mapped into the memory of one writer and read by the shipper.

A segment holds the records of one writer (a process has one writer per thread), in the order of their numbers. A writer copies a
frame behind the last one, then stores one 64-bit word, the commit word: what it covers is committed and survives
`kill -9`, what it does not cover is no record.

Invariants
- Only the segment's writer changes bytes between the commit word's length and the end; only it stores the commit word.
- The shipper reads up to the commit word and never further. It changes `taken`, and `state` once the writer is dead.
- Bytes behind the commit word may be those of an earlier life of the file; no old frame passes for a new one.
- A segment is in one directory at a time (`spool.py`), and its directory says whether it is in use.

Layout of the file, words being 64-bit, little-endian, aligned:

    word 0   magic, b"ECAPTURE"
    word 1   format version (1)
    word 2   data offset: where the first frame stands, a multiple of 4096
    word 3   commit: committed records << 32 | committed bytes behind the data offset
    word 4   state: 0 prepared, 1 open, 2 sealed
    word 5   number of the segment's first record (numbers count a writer's kept records, from 1)
    word 6   a random number; a frame's checksum begins with the CRC-32C, begun with this word's low half, of the writer's
             id (its 32 bytes of text) and word 5 (8 bytes), so that no frame counts for another writer, another number
             or an earlier life of the file
    word 7   taken: records << 32 | bytes that the shipper has shipped or given up
    word 8   when it was opened, microseconds since 1970 UTC
    word 9   length of the header's text << 32 | CRC-32C of it
    byte 80  the writer's id, 32 hexadecimal digits
    byte 128 the header (`record.Header`) as JSON
    data offset: frames (`frame.py`)

The file's name is its segment id (32 hexadecimal digits) and `.seg`. Readable and writable by its owner only.
"""

from __future__ import annotations

import mmap
import os
import threading
from typing import TYPE_CHECKING, Any

import msgspec
from crc32c import crc32c

from capture.journal import frame, values
from capture.record import Header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from capture.record import Event
    from capture.writing.block_encoder import EncodedBlock
    from capture.writing.column_names import Shape

MAGIC = int.from_bytes(b"ECAPTURE", "little")
VERSION = 1
PREPARED, OPEN, SEALED = 0, 1, 2
_MAGIC, _VERSION, _OFFSET, COMMIT, _STATE, _FIRST, _SEED, _TAKEN, _OPENED, _HEADER = range(10)
_WRITER_AT, _HEADER_AT, _PAGE = 80, 128, 4096
_LOW = 0xFFFF_FFFF


class SegmentDamaged(Exception):
    """The file's first page is not that of a segment of this version; the message says what is wrong."""


def header_bytes(header: Header) -> bytes:
    """The header as it stands in a segment: equal bytes mean equal keys and equal objects."""
    return msgspec.json.encode(header, order="sorted")


def header_of(text: bytes) -> Header | None:
    """The header in a text that `header_bytes` made; None where it is none."""
    try:
        return msgspec.json.decode(text, type=Header)
    except msgspec.DecodeError:
        return None


def lay(view: memoryview, writer: str, header: bytes, seed: int) -> None:
    """Makes mapped memory a prepared segment, whatever it was before."""
    words = view.cast("Q")
    words[COMMIT] = words[_TAKEN] = words[_STATE] = words[_FIRST] = words[_OPENED] = 0
    offset = _data_offset(len(header))
    if offset > len(view) // 4:
        raise ValueError(f"a header of {len(header)} bytes leaves no room for records: [types] is too long")
    view[_WRITER_AT : _WRITER_AT + 32] = writer.encode()
    view[_HEADER_AT : _HEADER_AT + len(header)] = header
    words[_HEADER] = len(header) << 32 | crc32c(header)
    words[_OFFSET], words[_VERSION], words[_SEED], words[_MAGIC] = offset, VERSION, seed & _LOW, MAGIC


def _data_offset(header_length: int) -> int:
    return (_HEADER_AT + header_length + _PAGE - 1) // _PAGE * _PAGE


def sealed_since(path: Path) -> int | None:
    """When a sealed segment was opened, by its first words alone; None for one that is not sealed or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            words = memoryview(os.pread(descriptor, _WRITER_AT, 0)).cast("Q")
        finally:
            os.close(descriptor)
    except (OSError, TypeError):
        return None
    sealed = len(words) > _HEADER and words[_MAGIC] == MAGIC and words[_STATE] == SEALED
    return words[_OPENED] if sealed else None


def _seed(view: memoryview, words: memoryview) -> int:
    """What the checksums of an open segment begin with."""
    about = bytes(view[_WRITER_AT : _WRITER_AT + 32]) + bytes(view[_FIRST * 8 : _FIRST * 8 + 8])
    return int(crc32c(about, words[_SEED] & _LOW))


class SegmentWriter:
    """The writing end: one per writer at a time, used by one thread at a time."""

    __slots__ = (
        "_map",
        "_view",
        "data",
        "identity",
        "needed",
        "position",
        "records",
        "seed",
        "shape_ids",
        "words",
    )

    def __init__(self, identity: str, mapped: mmap.mmap) -> None:
        view = memoryview(mapped)
        self.identity = identity
        self.records = 0
        self.needed = 0
        self._map = mapped
        self._view = view
        self.words = view.cast("Q")
        self.data = view[self.words[_OFFSET] :]
        self.seed = self.words[_SEED] & _LOW  # of this life of the file; from `open` on, of the writer's records
        self.position = 0
        self.shape_ids: dict[Shape | None, int] = {}

    def open(self, writer: str, first_number: int, now: int) -> None:
        """Opens a prepared segment for a writer's records from `first_number`."""
        view, words, text = self._view, self.words, writer.encode()
        view[_WRITER_AT : _WRITER_AT + 32] = text
        words[_FIRST], words[_OPENED] = first_number, now
        self.seed = crc32c(text + first_number.to_bytes(8, "little"), self.seed)
        words[_STATE] = OPEN

    def write(
        self, about: tuple[Any, ...], request: EncodedBlock | None, items: EncodedBlock, predictions: EncodedBlock
    ) -> int:
        """Commits one event and returns its frame's bytes; 0, with nothing committed, where the segment is too full:
        then `needed` is what the frame alone needs.

        `about` is the head's beginning, id to missing. Raises what `values.encode` raises.
        """
        start, known = self.position, len(self.shape_ids)
        try:
            blocks = (None if request is None else self._block(request), self._block(items), self._block(predictions))
            head = values.encode(about + blocks)
            buffers = items.buffers
            if predictions.buffers or (request is not None and request.buffers):
                buffers = (*(request.buffers if request else ()), *buffers, *predictions.buffers)
            end = frame.place(self.data, self.position, frame.EVENT, head, buffers, self.seed)
        except BaseException:
            self._forget(start, known)
            raise
        if not end:
            self._forget(start, known)
            self.needed = frame.frame_size(head, buffers)
            return 0
        self.position = end
        self.records += 1
        self.words[COMMIT] = self.records << 32 | end
        return end - start

    def restore(self) -> None:
        """Goes back to what the commit word covers, after an append that an exception from outside interrupted."""
        committed = self.words[COMMIT]
        frames = frame.walk(self.data, 0, committed & _LOW, self.seed)
        shapes = sum(1 for _, _, kind, _ in frames if kind == frame.SHAPE)
        self.shape_ids = {object(): number for number in range(shapes)}  # type: ignore[misc]  # numbers that are taken
        self.position, self.records = committed & _LOW, committed >> 32

    @property
    def last_number(self) -> int:
        """The number of the last record that is committed; 0 where the segment was never opened."""
        return max(self.words[_FIRST] + (self.words[COMMIT] >> 32) - 1, 0)

    def seal(self) -> None:
        """No further record comes."""
        self.words[_STATE] = SEALED

    def close(self) -> None:
        """Unmaps the file, which takes the kernel a third of a millisecond: not for a request's thread."""
        self.data.release()
        self.words.release()
        self._view.release()
        self._map.close()

    def capacity(self) -> int:
        """The bytes of frames that a segment of this size and header holds."""
        return len(self.data)

    def _block(self, block: EncodedBlock) -> tuple[Any, ...]:
        shape = block.shape
        number = self.shape_ids.get(shape)
        if number is None and shape is not None:
            number = self._introduce(shape)
        return (block.kind, number) + block.fields  # noqa: RUF005  (a third faster than unpacking)

    def _introduce(self, shape: Shape) -> int:
        end = frame.place(self.data, self.position, frame.SHAPE, shape.head, (), self.seed)
        number = self.shape_ids[shape] = len(self.shape_ids)
        self.position = end or len(self.data)
        return number

    def _forget(self, position: int, known: int) -> None:
        """Takes back the shapes of an event that was not committed."""
        self.position = position
        while len(self.shape_ids) > known:
            self.shape_ids.popitem()


class SegmentReader:
    """The reading end: the shipper's, or a person's who inspects a spool."""

    def __init__(self, path: Path) -> None:
        """Maps the file; raises SegmentDamaged or OSError."""
        self.path = path
        self.identity = path.stem
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            size = os.fstat(descriptor).st_size
            if size < _PAGE or size % 8:
                raise SegmentDamaged(f"{path.name} has {size} bytes")
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        view = memoryview(self._map)
        self._view = view
        self._words = view.cast("Q")
        words = self._words
        if words[_MAGIC] != MAGIC or words[_VERSION] != VERSION:
            found = f"is of format version {words[_VERSION]}" if words[_MAGIC] == MAGIC else "begins with no magic word"
            raise SegmentDamaged(f"{path.name} {found}; version {VERSION} can be read")
        length, checksum = words[_HEADER] >> 32, words[_HEADER] & _LOW
        text = bytes(view[_HEADER_AT : _HEADER_AT + length])
        if crc32c(text) != checksum or words[_OFFSET] != _data_offset(length) or words[_OFFSET] > size:
            raise SegmentDamaged(f"the header of {path.name} is damaged")
        header = header_of(text)
        if header is None:
            raise SegmentDamaged(f"the header of {path.name} is not that of this version")
        self.header_text = text
        self.header = header
        self.size = size
        self._data = view[words[_OFFSET] :]
        self._life = words[_SEED]
        self._shapes: list[tuple[str, ...]] = []
        self._shapes_until = 0
        self._last_shape = -1
        self._learning = threading.Lock()  # the thread that encodes and the one that looks read the same segment

    @property
    def state(self) -> int:
        return self._words[_STATE]

    @property
    def writer(self) -> str:
        """The writer's id; that of its process's writer 0 until a writer opens the segment."""
        return bytes(self._view[_WRITER_AT : _WRITER_AT + 32]).decode("ascii", "replace")

    @property
    def first_number(self) -> int:
        """The number of the first record, 0 before the segment is opened."""
        return self._words[_FIRST]

    @property
    def opened_at(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._words[_OPENED]

    @property
    def committed(self) -> tuple[int, int]:
        """Committed records, and the bytes of their frames; a length beyond the file (damage) is cut to it."""
        word = self._words[COMMIT]
        return word >> 32, min(word & _LOW, len(self._data))

    @property
    def taken(self) -> tuple[int, int]:
        """Records and bytes that are shipped or given up."""
        word = self._words[_TAKEN]
        return word >> 32, word & _LOW

    def set_taken(self, records: int, length: int) -> None:
        """Notes for whoever drops segments what need not be counted as lost. `state.py` is what holds."""
        self._words[_TAKEN] = records << 32 | length

    def seal(self) -> None:
        """Seals in the place of a dead writer."""
        self._words[_STATE] = SEALED

    def frames(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """(start, end, length of head) of each event in [start, stop) of the data; ends early at the first damage.

        Nothing comes where something before `start` is damaged, because names of columns may stand there, and nothing
        where the file was taken for another segment since.
        """
        if self._shapes_until < start:
            for _ in self._scan(self._shapes_until, start):
                pass
            if self._shapes_until < start:
                return
        yield from self._scan(start, stop)

    def _scan(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        if self._words[_SEED] != self._life:
            return
        for at, end, kind, head in frame.walk(self._data, start, stop, _seed(self._view, self._words)):
            if kind == frame.SHAPE:
                with self._learning:
                    if at > self._last_shape:
                        self._shapes.append(frame.shape_names(self._data, at, head))
                        self._last_shape = at
            else:
                yield at, end, head
            self._shapes_until = max(self._shapes_until, end)

    @property
    def shapes(self) -> Sequence[tuple[str, ...]]:
        """The names of columns that `frames` has come across, a tuple for each shape."""
        return self._shapes

    def event(self, at: int, head: int, number: int) -> Event:
        """The event whose frame `frames` found at `at`; ValueError, IndexError or TypeError where it is not readable."""
        return frame.read_event(self._data, at, head, self._shapes, self.writer, number)

    def let_pages_go(self) -> None:
        """The file's memory counts as this process's no more, until it is read again."""
        self._map.madvise(mmap.MADV_DONTNEED)

    def frame_bytes(self, start: int, stop: int) -> bytes:
        """A copy of the data's bytes, to be set aside."""
        return bytes(self._data[start:stop])

    def event_time(self, at: int, head: int) -> int:
        """The time of the event at `at`, in microseconds since 1970 UTC."""
        fields = values.decode(self._data[at + frame.PREFIX : at + frame.PREFIX + head])
        return int(fields[1])

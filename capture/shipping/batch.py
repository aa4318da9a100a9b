"""A batch: what the shipper takes in one go, written down before anything is uploaded.

The manifest pins ranges of committed records of segments with equal headers. Everything that is uploaded follows from
it and from the segments' bytes, so a batch that is begun again after a crash writes the same keys and the same bytes.
A record that cannot be encoded is found by halving, noted in the manifest before the first upload, and quarantined.

A record that kills its encoder is found by halving the manifest itself (`trial_encoding.py` finds out whether a batch does
that). A batch that takes more memory than a batch may (`batch_memory.py`) is halved, too. A half is another batch with keys of its own. So a batch is halved only while `encoded` is False, that is, before
anything of it is uploaded. A half is ignored while its parent's manifest exists.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from capture.encoding import EncodingError, encode_objects
from capture.record import Header
from capture.shipping.batch_memory import BatchMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from capture.encoding import EncodedObject
    from capture.journal.segment import SegmentReader
    from capture.record import Event


MANIFEST_VERSION = 2


class SegmentRange(msgspec.Struct, frozen=True):
    """Records of one segment: bytes [start, stop) of its data, `records` of them, numbered from `first`."""

    segment: str
    writer: str
    start: int
    stop: int
    first: int
    records: int


class Manifest(msgspec.Struct):
    """A batch in flight. `unencodable` names records, by writer and number, that the objects leave out. `tries` counts how
    often encoding was begun. `encoded` is True once it was finished. `parent` is the batch of which this is a half."""

    batch: str
    header: Header
    parts: list[SegmentRange]
    unencodable: list[tuple[str, int]] = []
    tries: int = 0
    encoded: bool = False
    parent: str = ""
    version: int = MANIFEST_VERSION

    @property
    def records(self) -> int:
        """Records pinned, the unencodable ones included."""
        return sum(part.records for part in self.parts)

    @property
    def divisible(self) -> bool:
        """True if two records or more are to be encoded."""
        return self.records - len(self.unencodable) > 1


class FrameRef(msgspec.Struct, frozen=True):
    """Where a record's frame stands."""

    reader: int
    at: int
    end: int
    head: int
    number: int


def frames(readers: Sequence[SegmentReader], parts: Sequence[SegmentRange]) -> list[FrameRef]:
    """Every frame of the parts that is still whole."""
    found: list[FrameRef] = []
    for index, (reader, part) in enumerate(zip(readers, parts, strict=True)):
        for number, (at, end, head) in enumerate(reader.frames(part.start, part.stop), part.first):
            found.append(FrameRef(index, at, end, head, number))
    return found


def halve(
    manifest: Manifest, readers: Mapping[str, SegmentReader], names: Sequence[str], tries: int
) -> tuple[Manifest, Manifest]:
    """Returns two manifests, called `names`, that pin what one did. `tries` is 1 where one of them kills its encoder."""
    refs = frames([readers[part.segment] for part in manifest.parts], manifest.parts)
    middle = len(refs) // 2
    halves = []
    for name, some in zip(names, (refs[:middle], refs[middle:]), strict=True):
        parts = []
        for index, part in enumerate(manifest.parts):
            own = [ref for ref in some if ref.reader == index]
            if own:
                start = part.start if own[0].number == part.first else own[0].at
                parts.append(SegmentRange(part.segment, part.writer, start, own[-1].end, own[0].number, len(own)))
        halves.append(Manifest(name, manifest.header, parts, list(manifest.unencodable), tries, parent=manifest.batch))
    return halves[0], halves[1]


class Spoiled(msgspec.Struct, frozen=True):
    """A record that cannot be read or encoded: its writer and number, its frame, and why."""

    writer: str
    number: int
    frame: bytes
    why: str


class Encoded(NamedTuple):
    """A batch's objects; the records that no object can hold; and those that were pinned and are damaged since, as
    inclusive ranges of a writer's numbers."""

    objects: list[EncodedObject]
    spoiled: list[Spoiled]
    damaged: list[tuple[str, int, int]]


class GivenUp(BaseException):
    """Nobody wants the batch's objects from this thread any more."""


def encode_batch(
    manifest: Manifest, readers: Mapping[str, SegmentReader], given_up: Callable[[], bool] = lambda: False
) -> Encoded:
    """Makes the batch's objects; raises GivenUp, at the next record if there is one, once `given_up` says so.

    Raises BatchTooLarge if the batch takes more memory than a batch may, and can still be halved. Records that the
    manifest calls unencodable are left out. The result depends on the arguments and the segments' bytes only.
    """
    source = _BatchEvents(manifest, readers, given_up)
    try:
        objects = encode_objects(manifest.header, manifest.batch, source.events(source.refs))
    except EncodingError as error:
        _free_objects(error)
        source.find_spoiled(source.refs, error)
        objects = encode_objects(manifest.header, manifest.batch, source.events(source.refs))
    return Encoded(objects, list(source.spoiled.values()), source.damaged)


def _free_objects(error: BaseException | None) -> None:
    """Frees the objects of an attempt that failed, which its tracebacks hold, before the next attempt."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__


class _BatchEvents:
    """The events of a batch, decoded one at a time, without those that are known to be spoiled."""

    def __init__(self, manifest: Manifest, readers: Mapping[str, SegmentReader], given_up: Callable[[], bool]) -> None:
        self._manifest = manifest
        self._given_up = given_up
        self._memory = BatchMemory() if manifest.divisible and not manifest.encoded else None
        self._readers = [readers[part.segment] for part in manifest.parts]
        left_out = set(manifest.unencodable)
        refs = frames(self._readers, manifest.parts)
        whole = Counter(ref.reader for ref in refs)
        self.damaged = [
            (part.writer, part.first + whole[index], part.first + part.records - 1)
            for index, part in enumerate(manifest.parts)
            if whole[index] < part.records
        ]
        self.refs = [ref for ref in refs if (manifest.parts[ref.reader].writer, ref.number) not in left_out]
        self.spoiled: dict[FrameRef, Spoiled] = {}

    def events(self, refs: Iterable[FrameRef]) -> Iterator[Event]:
        """The events of some frames; one that cannot be read is spoiled and left out. What was read is let go, segment
        by segment: the memory is needed for the objects."""
        for reader, its_refs in groupby(refs, key=attrgetter("reader")):
            for ref in its_refs:
                if self._given_up():
                    raise GivenUp
                if ref in self.spoiled:
                    continue
                try:
                    event = self._readers[reader].event(ref.at, ref.head, ref.number)
                except ImportError:  # the installation is at fault, not the record
                    raise
                except Exception as error:  # whatever a damaged or foreign head does to a decoder
                    self._spoil(ref, error)
                else:
                    yield event
                    if self._memory is not None:
                        self._memory.took(event, ref.end - ref.at)
            self._readers[reader].let_pages_go()

    def find_spoiled(self, refs: Sequence[FrameRef], error: EncodingError) -> None:
        """Finds by halving the records that cannot be encoded."""
        if len(refs) == 1:
            self._spoil(refs[0], error)
            return
        middle = len(refs) // 2
        for half in (refs[:middle], refs[middle:]):
            try:
                encode_objects(self._manifest.header, self._manifest.batch, self.events(half))
            except EncodingError as found:
                _free_objects(found)
                self.find_spoiled(half, found)

    def _spoil(self, ref: FrameRef, error: Exception) -> None:
        reader = self._readers[ref.reader]
        data = reader.frame_bytes(ref.at, ref.end)
        self.spoiled[ref] = Spoiled(reader.writer, ref.number, data, f"{type(error).__name__}: {error}")

"""A batch: what the shipper takes in one go, written down before anything is uploaded.

The manifest pins ranges of committed records of segments with equal headers. Everything that is uploaded follows from
it and from the segments' bytes, so a batch that is begun again after a crash writes the same keys and the same bytes.
A record that cannot be encoded is found by halving, noted in the manifest before the first upload, and set aside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from capture.objects import encode_objects
from capture.record import Header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from capture.journal.segment import SegmentReader
    from capture.objects import Encoded
    from capture.record import Event


class Part(msgspec.Struct, frozen=True):
    """Records of one segment: bytes [start, stop) of its data, `records` of them, numbered from `first`."""

    segment: str
    writer: str
    start: int
    stop: int
    first: int
    records: int


class Manifest(msgspec.Struct):
    """A batch in flight. `aside` names records, by writer and number, that cannot be encoded; `tries` counts how often
    encoding was begun and not finished."""

    batch: str
    header: Header
    parts: list[Part]
    aside: list[tuple[str, int]] = []
    tries: int = 0

    @property
    def records(self) -> int:
        """Records pinned, those set aside included."""
        return sum(part.records for part in self.parts)


class FrameRef(msgspec.Struct, frozen=True):
    """Where a record's frame stands."""

    reader: int
    at: int
    end: int
    head: int
    number: int


def encode(manifest: Manifest) -> bytes:
    """The manifest as JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def decode(data: bytes) -> Manifest:
    """The manifest in `data`; msgspec.DecodeError where it is none."""
    return msgspec.json.decode(data, type=Manifest)


def frames(readers: Sequence[SegmentReader], parts: Sequence[Part]) -> list[FrameRef]:
    """Every frame of the parts that is still whole."""
    found: list[FrameRef] = []
    for index, (reader, part) in enumerate(zip(readers, parts, strict=True)):
        for number, (at, end, head) in enumerate(reader.frames(part.start, part.stop), part.first):
            found.append(FrameRef(index, at, end, head, number))
    return found


def halve(manifest: Manifest, readers: Mapping[str, SegmentReader], names: Sequence[str]) -> tuple[Manifest, Manifest]:
    """Two manifests, called `names`, that pin what one did; both begin with no tries."""
    refs = frames([readers[part.segment] for part in manifest.parts], manifest.parts)
    middle = len(refs) // 2
    halves = []
    for name, some in zip(names, (refs[:middle], refs[middle:]), strict=True):
        parts = []
        for index, part in enumerate(manifest.parts):
            own = [ref for ref in some if ref.reader == index]
            if own:
                start = part.start if own[0].number == part.first else own[0].at
                parts.append(Part(part.segment, part.writer, start, own[-1].end, own[0].number, len(own)))
        halves.append(Manifest(name, manifest.header, parts, list(manifest.aside)))
    return halves[0], halves[1]


def encode_batch(
    manifest: Manifest, readers: Mapping[str, SegmentReader]
) -> tuple[Encoded, list[tuple[str, int, bytes, str]]]:
    """The batch's objects, and what could not be encoded: (writer, number, frame, why).

    Records that the manifest sets aside already are left out and not told again. Pure but for the segments' bytes.
    """
    parts = manifest.parts
    ordered = [readers[part.segment] for part in parts]
    known = set(manifest.aside)
    refs = [ref for ref in frames(ordered, parts) if (parts[ref.reader].writer, ref.number) not in known]
    bad: list[tuple[str, int, bytes, str]] = []
    events: list[Event] = []
    for ref in refs:
        reader = ordered[ref.reader]
        try:
            events.append(reader.event(ref.at, ref.head, ref.number))
        except Exception as error:  # whatever a damaged or foreign head does to a decoder
            bad.append((reader.writer, ref.number, reader.frame_bytes(ref.at, ref.end), f"unreadable: {error}"))
    try:
        return encode_objects(manifest.header, manifest.batch, events), bad
    except Exception as whole:
        places = {(event.writer, event.number): event for event in events}
        for event, why in _culprits(manifest, events, whole):
            del places[event.writer, event.number]
            ref = next(r for r in refs if (parts[r.reader].writer, r.number) == (event.writer, event.number))
            bad.append((event.writer, event.number, ordered[ref.reader].frame_bytes(ref.at, ref.end), why))
        return encode_objects(manifest.header, manifest.batch, list(places.values())), bad


def _culprits(manifest: Manifest, events: Sequence[Event], error: Exception) -> Iterator[tuple[Event, str]]:
    """The events that no object can hold, found by halving."""
    if len(events) == 1:
        yield events[0], f"{type(error).__name__}: {error}"
        return
    middle = len(events) // 2
    for half in (events[:middle], events[middle:]):
        try:
            encode_objects(manifest.header, manifest.batch, half)
        except Exception as found:
            yield from _culprits(manifest, half, found)

"""The checkpoint's file: its format, the former format, and how it is read and replaced.

`capture/shipping/__init__.py` specifies every field. Only `checkpoint.py` changes a checkpoint; `stats.py` reads one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from capture.durable_file import write_whole
from capture.ledger import ObjectEntry
from capture.shipping.writer_state import WriterState

if TYPE_CHECKING:
    from pathlib import Path

    from capture.record import Header

VERSION = 2


class Stream(msgspec.Struct, frozen=True):
    """A series of objects with one ledger a day: one endpoint's variant at one destination."""

    destination: str
    endpoint_name: str
    variant_name: str

    @classmethod
    def of(cls, header: Header) -> Stream:
        """Returns the stream of a segment's records."""
        return cls(header.destination, header.endpoint_name, header.variant_name)


class StreamState(msgspec.Struct):
    """What is known of one stream: objects by day (microseconds since 1970 UTC of its midnight) and key, writers by id.

    Objects of days before `forgotten` are no longer kept. The ledgers of these days stay as they were last delivered.
    """

    stream: Stream
    kms_key_id: str | None
    began: int
    days: dict[int, dict[str, ObjectEntry]] = {}
    writers: dict[str, WriterState] = {}
    forgotten: int = -(2**62)


class Totals(msgspec.Struct):
    """Counts since the spool began: of batches that are done, and of processes that have ended (`ended_*`)."""

    objects: int = 0
    records: int = 0
    rows: int = 0
    bytes: int = 0
    rescued_cells: int = 0
    renamed_features: int = 0
    row_mismatches: int = 0
    dropped_segments: int = 0
    dropped_bytes: int = 0
    damaged_segments: int = 0
    ended_rows: int = 0
    ended_bytes: int = 0
    ended_latency: tuple[int, int, int, dict[int, int]] = (0, 0, 0, {})
    ended_appended: int = 0
    ended_sampled_out: int = 0
    ended_shipped: int = 0
    ended_refused: dict[str, int] = {}
    ended_lost: dict[str, int] = {}


class Content(msgspec.Struct):
    """Everything that survives a shipper.

    `progress` has, for each existing segment, the records and bytes that are shipped or given up. `ended` lists processes
    whose counts are in the totals, although their counters file may still exist. `fresh` is True if an older checkpoint
    could not be read. It is then unknown whether records that are no longer in the spool were shipped.
    """

    spool: str
    began: int
    version: int = VERSION
    fresh: bool = False
    ended: list[str] = []
    last_batch: str = ""
    progress: dict[str, tuple[int, int]] = {}
    streams: list[StreamState] = []
    totals: Totals = msgspec.field(default_factory=Totals)


def read(path: Path) -> Content:
    """Returns the checkpoint in `path`, also one of version 1. Raises FileNotFoundError, or ValueError with the reason if
    it cannot be read."""
    data = path.read_bytes()
    try:
        raw = msgspec.msgpack.decode(data)
        version = raw["version"] if isinstance(raw, dict) else None
        if version == 1:
            return msgspec.convert(_from_version_1(raw), Content)
        if version == VERSION:
            return msgspec.msgpack.decode(data, type=Content)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    raise ValueError(f"its version is {version}; versions 1 and {VERSION} can be read")


def read_or_none(path: Path) -> Content | None:
    """Returns the checkpoint for a process that only reads it, or None if it cannot be read."""
    try:
        return read(path)
    except (OSError, ValueError):
        return None


def replace(path: Path, content: Content) -> None:
    """Replaces the checkpoint's file. Raises OSError and leaves the old file unchanged on failure."""
    write_whole(path, msgspec.msgpack.encode(content))


def _from_version_1(raw: dict[str, Any]) -> dict[str, Any]:
    """Returns a checkpoint of version 1 with the names of version 2: `books` became `streams`, `place` became `stream`,
    and `told` became `in_totals`. The counts that version 2 drops or derives are left out by the decoder."""
    streams = []
    for book in raw.pop("books", []):
        writers = {name: {**entry, "in_totals": entry.get("told", False)} for name, entry in book["writers"].items()}
        streams.append({**book, "stream": book["place"], "writers": writers})
    return {**raw, "version": VERSION, "streams": streams}

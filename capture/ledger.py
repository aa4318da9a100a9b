"""The ledger: what a spool has shipped, lost and still holds, so that a window of captured data can be proved complete.

At start, after each batch and at stop the shipper overwrites
`{prefix}/_ledger/{endpoint}/{variant}/{yyyy}/{mm}/{dd}/{spool}.json` with one `Ledger`. A ledger's day is that of the
objects it lists. The ledger of each day on which the spool existed lists every writer.

A ledger *covers* a window [start, end) if `complete_until >= end`: all records with an event time before `end` are then
shipped or lost. `writers[].lost` lists the lost ones by reason.
"""

from __future__ import annotations

import msgspec

LEDGER_VERSION = 1


class Lost(msgspec.Struct, frozen=True):
    """Records first..last (inclusive) of a writer that were accepted and will not arrive, and the reason. `event_times`
    spans them, in microseconds since 1970 UTC, or is None if unknown."""

    reason: str
    first: int
    last: int
    event_times: tuple[int, int] | None = None


class WriterEntry(msgspec.Struct):
    """One writer's records.

    `appended` counts all calls of append, `kept` the records that were written and numbered from 1, `refused` the calls
    that were refused, by reason. `shipped` holds inclusive ranges of record numbers, sorted and merged.
    appended = kept + sampled_out + sum(refused); kept = shipped + waiting + lost. Ledgers written before 0.2 also have a
    key `told`, which readers ignore.
    """

    appended: int
    kept: int
    sampled_out: int
    refused: dict[str, int]
    shipped: list[tuple[int, int]]
    lost: list[Lost]
    open: bool

    @property
    def waiting(self) -> int:
        """Records that are written and neither shipped nor lost."""
        done = sum(last - first + 1 for first, last in self.shipped)
        return self.kept - done - sum(entry.last - entry.first + 1 for entry in self.lost)


class ObjectEntry(msgspec.Struct, frozen=True):
    """One object: its rows, its events (records), and its first and last event time (microseconds since 1970 UTC)."""

    rows: int
    events: int
    event_times: tuple[int, int]


class Ledger(msgspec.Struct):
    """One day of one spool. Times are microseconds since 1970 UTC; `objects` is by key below the destination.

    `next_by` is the latest time at which a living instance writes its next ledger, or None if unknown.
    """

    spool: str
    endpoint_name: str
    variant_name: str
    as_of: int
    complete_until: int
    closed: bool
    objects: dict[str, ObjectEntry]
    writers: dict[str, WriterEntry]
    version: int = LEDGER_VERSION
    next_by: int | None = None


def encode(ledger: Ledger) -> bytes:
    """Returns the ledger as JSON."""
    return msgspec.json.format(msgspec.json.encode(ledger), indent=1)


def decode(data: bytes) -> Ledger:
    """Returns the ledger in `data`. Raises msgspec.ValidationError if it is not a ledger."""
    return msgspec.json.decode(data, type=Ledger)

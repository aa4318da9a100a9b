"""The ledger: what a spool has shipped, lost and still holds, so that a window of captured data can be proved complete.

At start, after each batch and at stop the shipper overwrites
`{prefix}/_ledger/{endpoint}/{variant}/{yyyy}/{mm}/{dd}/{spool}.json` with one `Ledger`. A ledger's day is that of the
objects it lists; every writer stands in the ledger of each day on which the spool lived.

A window [start, end) is *covered* by a ledger when everything whose event time lies before `end` has been shipped or
given up by then: `complete_until >= end`. What was given up stands in `writers[].lost`, by reason.
"""

from __future__ import annotations

import msgspec

LEDGER_VERSION = 1


class Lost(msgspec.Struct, frozen=True):
    """Records first..last (inclusive) of a writer that were accepted and will not arrive, and why; `event_times` spans
    them in microseconds since 1970 UTC where known."""

    reason: str
    first: int
    last: int
    event_times: tuple[int, int] | None = None


class WriterEntry(msgspec.Struct):
    """One writer's account.

    `appended` counts every call of append; `kept` those that were written, numbered from 1; `refused` those that
    append turned away, by reason; `shipped` holds inclusive ranges of record numbers, sorted and merged.
    appended = kept + sampled_out + sum(refused); kept = shipped + waiting + lost. `told` is the shipper's own note that an
    ended writer stands in its totals.
    """

    appended: int
    kept: int
    sampled_out: int
    refused: dict[str, int]
    shipped: list[tuple[int, int]]
    lost: list[Lost]
    open: bool
    told: bool = False

    @property
    def waiting(self) -> int:
        """Records that are written and neither shipped nor lost."""
        done = sum(last - first + 1 for first, last in self.shipped)
        return self.kept - done - sum(entry.last - entry.first + 1 for entry in self.lost)


class ObjectEntry(msgspec.Struct, frozen=True):
    """One object that was written: its rows and events (records), and the event times that it spans (µs UTC)."""

    rows: int
    events: int
    event_times: tuple[int, int]


class Ledger(msgspec.Struct):
    """One day of one spool. Times are microseconds since 1970 UTC; `objects` is by key below the destination.

    `next_by` is when the next ledger is written at the latest, as long as the instance is alive; None: unknown.
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
    """The ledger as JSON."""
    return msgspec.json.format(msgspec.json.encode(ledger), indent=1)


def decode(data: bytes) -> Ledger:
    """The ledger in `data`; msgspec.ValidationError where it is none."""
    return msgspec.json.decode(data, type=Ledger)

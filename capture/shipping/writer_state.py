"""What the checkpoint says of one writer: counts, and the numbers of the records that are shipped or lost.

Records of a writer are numbered from 1. Every number up to `kept` is shipped, lost or waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from capture.dataset import HOUR
from capture.ledger import Lost, WriterEntry
from capture.shipping import ranges

if TYPE_CHECKING:
    from capture.journal.counters import WriterCounts


class WriterState(msgspec.Struct, frozen=True):
    """One writer. `shipped` holds inclusive ranges, sorted and merged. `lost` is sorted by number.

    `in_totals` is True once the writer's process has ended and the checkpoint's totals include these counts.
    """

    kept: int = 0
    sampled_out: int = 0
    refused: dict[str, int] = {}
    shipped: tuple[ranges.Range, ...] = ()
    lost: tuple[Lost, ...] = ()
    open: bool = True
    in_totals: bool = False

    @property
    def appended(self) -> int:
        """Calls of append."""
        return self.kept + self.sampled_out + sum(self.refused.values())

    @property
    def settled(self) -> int:
        """Records that are shipped or lost."""
        return ranges.count(self.shipped) + self.lost_records

    @property
    def lost_records(self) -> int:
        """Records that were accepted and will not arrive."""
        return sum(item.last - item.first + 1 for item in self.lost)

    @property
    def waiting(self) -> int:
        """Records that are neither shipped nor lost."""
        return self.kept - self.settled

    def with_counts(self, counts: WriterCounts, kept: int, open: bool) -> WriterState:  # noqa: A002
        """Returns the state with the writer's counters. `kept` may be higher than the counter."""
        kept = max(self.kept, kept, counts.kept)
        return msgspec.structs.replace(
            self, kept=kept, sampled_out=counts.sampled_out, refused=counts.refused, open=open
        )

    def with_shipped(self, first: int, last: int) -> WriterState:
        """Returns the state with records first..last shipped. They are no longer lost."""
        lost: list[Lost] = []
        for item in self.lost:
            rest = ranges.subtract((item.first, item.last), [(first, last)])
            lost.extend(Lost(item.reason, *part, item.event_times) for part in rest)
        shipped = tuple(ranges.add(list(self.shipped), (first, last)))
        return msgspec.structs.replace(self, shipped=shipped, kept=max(self.kept, last), lost=tuple(lost))

    def with_lost(self, reason: str, first: int, last: int, event_times: tuple[int, int] | None = None) -> WriterState:
        """Returns the state with those of records first..last lost that are neither shipped nor lost yet."""
        known = [*self.shipped, *((item.first, item.last) for item in self.lost)]
        new = ranges.subtract((first, last), known)
        lost = _joined([*self.lost, *(Lost(reason, *part, event_times) for part in new)]) if new else self.lost
        return msgspec.structs.replace(self, kept=max(self.kept, last), lost=lost)

    def published(self) -> WriterEntry:
        """Returns the writer's entry in a ledger."""
        return WriterEntry(
            appended=self.appended,
            kept=self.kept,
            sampled_out=self.sampled_out,
            refused=self.refused,
            shipped=list(self.shipped),
            lost=list(self.lost),
            open=self.open,
        )


def _joined(lost: list[Lost]) -> tuple[Lost, ...]:
    """Returns losses by number. Neighbours of one reason and within one hour are joined, so that the segments that a long
    outage costs do not fill the checkpoint."""
    joined: list[Lost] = []
    for item in sorted(lost, key=lambda item: item.first):
        before = joined[-1] if joined else None
        if before is not None and before.reason == item.reason and before.last + 1 == item.first:
            times = _span(before.event_times, item.event_times)
            if times is not None or before.event_times is None is item.event_times:
                joined[-1] = Lost(item.reason, before.first, item.last, times)
                continue
        joined.append(item)
    return tuple(joined)


def _span(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    """Returns the span of both, or None if one is unknown or they span more than an hour."""
    if one is None or other is None:
        return None
    first, last = min(one[0], other[0]), max(one[1], other[1])
    return (first, last) if last - first <= HOUR else None

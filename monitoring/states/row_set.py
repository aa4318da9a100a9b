"""The rows of a batch that a column counts: all rows, or for a request-level column the first row of each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from monitoring.states.column import EXAMPLES, Examples
from monitoring.states.groupings import Grouping, RowGroups
from monitoring.states.profile import SAMPLE, EventSample

if TYPE_CHECKING:
    from monitoring.states.events import Events

Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

_NEAR = 128
"""Rows of the front that are looked through one by one for examples."""


class RowSet:
    """Some rows of a batch: which unit each belongs to, and which events stand for them.

    `rows` are indices into the batch, None for all of it. The *front* is the rows of the events with the smallest hashes, in
    the order of hashes: examples are sought there first, and a sample is taken from it.
    """

    def __init__(self, events: Events, rows: Indices | None, groupings: dict[str, Grouping]) -> None:
        self._events = events
        self._group = events.group if rows is None else events.group.take(rows)
        self.rows = rows
        self.groups = {name: RowGroups(grouping, rows) for name, grouping in groupings.items()}
        self.front = np.zeros(0, np.int64) if events.ids is None else self._front()

    def __len__(self) -> int:
        return len(self._group)

    def _front(self) -> Indices:
        hashes = self._events.hashes
        if len(hashes) > SAMPLE:
            limit = np.partition(hashes, SAMPLE - 1)[SAMPLE - 1]
            found = np.flatnonzero((hashes <= limit).take(self._group))
        else:
            found = np.arange(len(self._group))
        order = np.argsort(hashes.take(self._group.take(found)), kind="stable")
        return found[order]

    def hashes_where(self, mask: Mask | None) -> Hashes:
        """Returns the hash of the event of each row for which the mask is true (all rows for None)."""
        group = self._group if mask is None else self._group[mask]
        return self._events.hashes.take(group)

    def examples_where(self, mask: Mask | None) -> Examples:
        """Returns the events with the smallest hashes among the rows for which the mask is true (all rows for None)."""
        if self._events.ids is None:
            return ()
        found = self.front if mask is None else self.front[mask.take(self.front)]
        groups = list(dict.fromkeys(self._group.take(found[:_NEAR]).tolist()))
        if len(groups) >= EXAMPLES:
            return self._named(groups[:EXAMPLES])
        if mask is None or len(self.front) == len(self):
            return self.examples(found)
        return self.examples(np.flatnonzero(mask))

    def examples(self, rows: Indices) -> Examples:
        """Returns the events of these rows with the smallest hashes, at most EXAMPLES of them."""
        ids = self._events.ids
        if ids is None or not len(rows):
            return ()
        if len(rows) <= _NEAR:
            few = set(self._group.take(rows).tolist())
            return self._named(sorted(few, key=self._events.hashes.__getitem__)[:EXAMPLES])
        groups = np.unique(self._group.take(rows))
        hashes = self._events.hashes.take(groups)
        if len(groups) > EXAMPLES:
            groups = groups[np.argpartition(hashes, EXAMPLES - 1)[:EXAMPLES]]
        return self._named(groups.tolist())

    def _named(self, groups: list[int]) -> Examples:
        ids = self._events.ids
        if ids is None:
            return ()
        named = {(int(self._events.hashes[group]), ids[group].as_py()) for group in groups}
        return tuple(sorted(entry for entry in named if entry[1]))

    def sampled(self) -> tuple[Indices, EventSample]:
        """Returns the rows of the set that stand for the sampled events, and the sample without bins."""
        ids = self._events.ids
        if ids is None or not len(self.front):
            return np.zeros(0, np.int64), EventSample()
        hashes, index = np.unique(self._events.hashes.take(self._group.take(self.front)), return_index=True)
        rows = self.front[index[:SAMPLE]]
        names = ids.take(self._group.take(rows)).to_pylist()
        return rows, EventSample(hashes[:SAMPLE], tuple(name or "" for name in names))

"""The rows of an object: which event each belongs to, and how pieces that stand here and there become one column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capture.encoding.block_buffer import Slots

_MAX_ORDERS = 8
Indices = np.ndarray[Any, np.dtype[np.int64]]


class ObjectRows:
    """The rows of `len(counts)` events, one event's after the other's: `counts[e]` rows for event e."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = np.array(counts, np.int64)
        ends = np.cumsum(self.counts)
        self.starts = ends - self.counts
        self.total = int(ends[-1]) if len(ends) else 0
        self.event = np.repeat(np.arange(len(self.counts)), self.counts)
        self.single = self.total == len(self.counts) and bool((self.counts == 1).all())
        self._orders: dict[tuple[Any, ...], tuple[Sequence[Any], Indices | None]] = {}

    def item_index(self) -> pa.Array:
        """Each row's number within its event, from 0."""
        return pa.array((np.arange(self.total) - np.repeat(self.starts, self.counts)).astype(np.int32))

    def spread(self, values: pa.Array) -> pa.Array:
        """A value of each event to all of its rows; text as a dictionary, so that it is kept once."""
        if self.single:
            return values
        indices = pa.array(self.event)
        if not pa.types.is_string(values.type):
            return values.take(indices)
        texts = values.dictionary_encode()
        return pa.DictionaryArray.from_arrays(texts.indices.take(indices), texts.dictionary)

    def assemble(self, arrays: Sequence[pa.Array], slots: Sequence[Slots], request: Sequence[bool]) -> pa.Array:
        """One column of arrays of one type: `arrays[i]` stands at `slots[i]`, which are events where `request[i]`.

        Where two have a value for a row the later stands. Rows without any are null. Text that is spread over the rows
        of events becomes a dictionary.
        """
        order = self._order(slots, request)
        if order is None:
            return arrays[0] if len(arrays) == 1 else pa.chunked_array(arrays)
        whole = arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
        indices = pa.array(order, mask=order < 0)
        if any(request) and not self.single and pa.types.is_string(whole.type):
            texts = whole.dictionary_encode()
            return pa.DictionaryArray.from_arrays(texts.indices.take(indices), texts.dictionary)
        return whole.take(indices)

    def _order(self, slots: Sequence[Slots], request: Sequence[bool]) -> Indices | None:
        """For each row its value's position in the arrays one after the other, -1 for none; None: just as they are."""
        key = tuple((id(places), level) for places, level in zip(slots, request, strict=True))
        known = self._orders.get(key)
        if known is None:
            if len(self._orders) >= _MAX_ORDERS:
                del self._orders[next(iter(self._orders))]
            known = self._orders[key] = slots, self._computed(slots, request)
        return known[1]

    def _computed(self, slots: Sequence[Slots], request: Sequence[bool]) -> Indices | None:
        order = np.full(self.total, -1, np.int64)
        start = 0
        for places, level in zip(slots, request, strict=True):
            numbers = np.arange(start, start + len(places))
            if level:
                of_event = np.full(len(self.counts), -1, np.int64)
                of_event[places] = numbers
                found = of_event[self.event]
                order = np.where(found < 0, order, found)
            else:
                order[places] = numbers
            start += len(places)
        return None if start == self.total and np.array_equal(order, np.arange(start)) else order

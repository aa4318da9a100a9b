"""An object's table from its events, one after the other.

Events are gathered until some 400,000 cells wait, then turned into Arrow pieces, so that the Python objects of a large
batch need not live all at once: whoever gives events from a generator keeps memory low.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capture import dataset
from capture.encoding.block_buffer import Gathering, Placed
from capture.encoding.block_rows import by_output, items_of
from capture.encoding.cells import UTC_MICROSECONDS
from capture.encoding.row_index import ObjectRows
from capture.encoding.table import ObjectTable, TableMaking

if TYPE_CHECKING:
    from capture.record import Event, Header

_WAITING_CELLS = 400_000


class TableBuilder:
    """Makes one object's table."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._features: dict[str, None] = {}
        self._outputs: dict[str, None] = {}
        self._request = Gathering(self._features)
        self._items = Gathering(self._features)
        self._predictions = Gathering(self._outputs)
        self._placed: dict[Gathering, dict[str, list[Placed]]] = {
            gathering: defaultdict(list) for gathering in (self._request, self._items, self._predictions)
        }
        self._ids: list[str] = []
        self._times: list[int] = []
        self._inference_ids: list[str | None] = []
        self._attributes: list[str | None] = []
        self._models: list[str] = []
        self._item_counts: list[int] = []
        self._row_counts: list[int] = []
        self._lookups: dict[str, tuple[list[int], list[Any]]] = {}
        self._mismatches: list[tuple[int, dict[str, list[Any]]]] = []
        self._rows = 0

    def add(self, event: Event) -> None:
        """Takes one event, after all those before it."""
        row, count, predicted = self._rows, len(event.items), len(event.predictions)
        items = event.items
        if count != 1 and predicted == 1:
            items = items_of(event)
            count = len(items)
        if event.request is not None:
            self._request.add(event.request, len(self._ids))
        self._items.add(items, row)
        if predicted == count:
            self._predictions.add(event.predictions, row)
        else:
            self._mismatches.append((row, by_output(event.predictions)))
        rows = count or int(predicted > 0)
        self._ids.append(event.event_id)
        self._times.append(event.event_time)
        self._inference_ids.append(event.inference_id)
        self._attributes.append(event.custom_attributes)
        self._models.append(event.model_name or self._header.model_name)
        self._item_counts.append(count)
        self._row_counts.append(rows)
        self._rows += rows
        if event.ages or event.missing:
            self._look_up(event)
        if self._request.cells + self._items.cells + self._predictions.cells > _WAITING_CELLS:
            self._settle()

    def finish(self) -> ObjectTable:
        """The table of all events that were added."""
        self._settle()
        rows = ObjectRows(self._row_counts)
        making = TableMaking(self._header, rows)
        self._add_fixed(making, rows)
        levels = self._request.names, self._items.names
        making.features(self._features, *levels, self._placed[self._request], self._placed[self._items])
        making.predictions(self._outputs, self._placed[self._predictions])
        for name, (events, values) in sorted(self._lookups.items()):
            kind = pa.float64() if name.startswith(dataset.AGE_PREFIX) else pa.int32()
            making.lookup(name, events, values, kind)
        for row, predictions in self._mismatches:
            making.mismatch(row, predictions)
        return making.table()

    def _look_up(self, event: Event) -> None:
        """Ages and missing ids of an event that was just added."""
        for prefix, values in ((dataset.AGE_PREFIX, event.ages), (dataset.MISSING_PREFIX, event.missing)):
            for group, value in values.items():
                events, found = self._lookups.setdefault(prefix + group, ([], []))
                events.append(len(self._ids) - 1)
                found.append(value)

    def _settle(self) -> None:
        for gathering, columns in self._placed.items():
            for placed in gathering.pieces():
                columns[placed.name].append(placed)

    def _add_fixed(self, making: TableMaking, rows: ObjectRows) -> None:
        header, text = self._header, pa.string()
        times = pa.array(np.array(self._times, np.int64)).cast(UTC_MICROSECONDS)
        making.add(dataset.EVENT_ID, rows.spread(pa.array(self._ids, text)), text)
        making.add(dataset.INFERENCE_ID, rows.spread(pa.array(self._inference_ids, text)), text)
        making.add(dataset.EVENT_TIME, rows.spread(times))
        making.add(dataset.ITEM_INDEX, rows.item_index())
        making.add(dataset.ITEM_COUNT, rows.spread(pa.array(self._item_counts, pa.int32())))
        making.add(dataset.CUSTOM_ATTRIBUTES, rows.spread(pa.array(self._attributes, text)), text)
        making.add(dataset.ENDPOINT_NAME, _constant(header.endpoint_name, rows.total))
        making.add(dataset.VARIANT_NAME, _constant(header.variant_name, rows.total))
        models = pa.array(self._models, text).dictionary_encode()
        making.add(dataset.MODEL_NAME, models.take(pa.array(rows.event)))
        making.add(dataset.MODEL_VERSION, _constant(header.model_version, rows.total))
        making.add(dataset.SAMPLING_PERCENTAGE, pa.array(np.full(rows.total, float(header.sampling_percentage))))


def _constant(value: str | None, rows: int) -> pa.DictionaryArray:
    """A text that all rows share, or null."""
    indices = pa.array(np.zeros(rows, np.int32), mask=None if value is not None else np.ones(rows, bool))
    return pa.DictionaryArray.from_arrays(indices, pa.array([] if value is None else [value], pa.string()))

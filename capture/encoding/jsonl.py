"""JSON Lines as SageMaker's Data Capture writes them, one line for each item, so that tools made for it read ours.

    {"captureData": {"endpointInput": {"observedContentType": "application/json", "mode": "INPUT",
                                       "data": "{\\"distance\\":733.0,\\"carrier\\":\\"UA\\"}", "encoding": "JSON"},
                     "endpointOutput": {… "mode": "OUTPUT", "data": "{\\"prediction\\":0.25}" …}},
     "eventMetadata": {"eventId": "…#0", "customAttributes": ["…"], "inferenceId": "…#0",
                       "inferenceTime": "2026-03-01T09:00:00Z"},
     "eventVersion": "0",
     "capture": {"event_time": "2026-03-01T09:00:00.123456Z", "item_index": 0, "item_count": 3, …}}

`data` is flat JSON under the dataset's column names: what is nested is JSON text in a string, NaN and the infinities
are null, since a reader of the format knows no other number. Where an event has several items, both ids carry the
item's number. An event that would fill more than 128 MiB of lines is refused, since a text of a megabyte in each of a
thousand lines would take all memory. What the managed format has no place for stands in `capture`, which its readers do not look at.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from capture import dataset
from capture.encoding.block_rows import by_output, items_of, unfold
from capture.encoding.json_text import json_text, plain
from capture.encoding.table import ObjectCounts
from capture.record import distinct

if TYPE_CHECKING:
    from capture.record import Event, Header

_MAX_EVENT = 128 << 20
_LINES_AT_ONCE = 256
_FLAT = {int, float, str, bool, type(None)}
_Line = Callable[[int, bytes, bytes | None], bytes]
_encode = msgspec.json.Encoder().encode
_INPUT = b'{"captureData":{"endpointInput":{"observedContentType":"application/json","mode":"INPUT","data":"'
_FACTS = b',"inferenceTime":"%sZ"},"eventVersion":"0","capture":{"event_time":"%s.%06dZ","item_count":%d,%s'
_JSON = b'","encoding":"JSON"}'
_OUTPUT = _JSON + b',"endpointOutput":{"observedContentType":"application/json","mode":"OUTPUT","data":"'


class LinesBuilder:
    """Makes one object's lines of its events, one after the other."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._body = io.BytesIO()
        self._rows = 0
        self._inputs = _NameCache(dataset.feature_column)
        self._outputs = _NameCache(dataset.prediction_column)
        self._mismatches = 0
        self._models: dict[str, bytes] = {}
        self._second = -1
        self._time = b""

    def add(self, event: Event) -> None:
        """Takes one event, after all those before it."""
        items = items_of(event)
        count, predicted = len(items), len(event.predictions)
        rows = count or int(predicted > 0)
        if not rows:
            return
        shared: dict[str, Any] = {}
        if event.request is not None:
            names, values = next(unfold(event.request), ((), ()))
            shared = dict(zip(self._inputs.columns(names), map(_flat, values), strict=True))
        inputs = self._data(unfold(items), shared, count) if count else iter([_escaped(_encode(shared))])
        if predicted == count:
            outputs: Iterator[bytes | None] = self._predictions(event)
            mismatch = None
        else:
            self._mismatches += 1
            named = {dataset.prediction_column(name): values for name, values in by_output(event.predictions).items()}
            outputs, mismatch = iter([None] * rows), json_text(named)
        line = self._line(event, count, list(shared), mismatch)
        self._write(map(line, range(rows), inputs, outputs), rows)
        self._rows += rows

    def _write(self, lines: Iterator[bytes], rows: int) -> None:
        """Writes the lines of one event. Raises ValueError where they are more than an event may fill."""
        begun = self._body.tell()
        for _ in range(0, rows, _LINES_AT_ONCE):
            self._body.writelines(islice(lines, _LINES_AT_ONCE))
            if self._body.tell() - begun > _MAX_EVENT:
                raise ValueError(f"its lines are more than {_MAX_EVENT >> 20} MiB: send fewer rows or shorter ids")

    def finish(self) -> tuple[bytes, int, ObjectCounts]:
        """The object's bytes, how many lines it has, and what to count."""
        counts = ObjectCounts(renamed=tuple(self._inputs.renamed), row_mismatches=self._mismatches)
        return self._body.getvalue(), self._rows, counts

    def _data(
        self, rows: Iterator[tuple[tuple[str, ...], tuple[Any, ...]]], shared: dict[str, Any], items: int
    ) -> Iterator[bytes]:
        """The escaped input of each item: what the request's items share, then its own."""
        common = _escaped(_encode(shared))[:-1] if shared else b""
        if len(common) * items > _MAX_EVENT:
            raise ValueError(f"{items} lines would each repeat {len(common)} bytes of the request's features")
        for names, values in rows:
            columns = self._inputs.columns(names)
            own: dict[str, Any] = dict(
                zip(columns, values if _FLAT.issuperset(map(type, values)) else map(_flat, values), strict=True)
            )
            if not shared:
                yield _escaped(_encode(own))
            elif not own:
                yield common + b"}"
            elif shared.keys().isdisjoint(columns):
                yield common + b"," + _escaped(_encode(own))[1:]
            else:
                given = {name: value for name, value in own.items() if value is not None or name not in shared}
                yield _escaped(_encode({**shared, **given}))

    def _predictions(self, event: Event) -> Iterator[bytes]:
        for names, values in unfold(event.predictions):
            flat = values if _FLAT.issuperset(map(type, values)) else map(_flat, values)
            yield _escaped(_encode(dict(zip(self._outputs.columns(names), flat, strict=True))))

    def _line(self, event: Event, count: int, shared: list[str], mismatch: str | None) -> _Line:
        """What makes an item's line of its number and its data."""
        before = b'},"eventMetadata":{"eventId":' + _encode(event.event_id)[:-1]
        between, after = b'"', b""
        if event.custom_attributes is not None:
            between += b',"customAttributes":[' + _encode(event.custom_attributes) + b"]"
        if event.inference_id is not None:
            between += b',"inferenceId":' + _encode(event.inference_id)[:-1]
            after = b'"'
        after += self._facts(event, count, shared)
        second = event.inference_id is not None

        def line(index: int, data: bytes, output: bytes | None) -> bytes:
            number = b"#%d" % index if count > 1 else b""
            out = b"" if output is None else _OUTPUT + output
            rescued = b',"rescued_data":' + _encode(mismatch) if mismatch is not None and index == 0 else b""
            ids = b"".join((before, number, between, number if second else b"", after))
            return b"".join((_INPUT, data, out, _JSON, ids, b',"item_index":%d' % index, rescued, b"}}\n"))

        return line

    def _facts(self, event: Event, count: int, shared: list[str]) -> bytes:
        """What follows the ids: the time, and `capture` but for what differs from item to item."""
        second, fraction = divmod(event.event_time, 1_000_000)
        if second != self._second:
            self._second, self._time = second, f"{dataset.to_datetime(second * 1_000_000):%Y-%m-%dT%H:%M:%S}".encode()
        model = event.model_name or self._header.model_name
        if model not in self._models:
            about = {
                "model_name": model,
                "model_version": self._header.model_version,
                "sampling_percentage": float(self._header.sampling_percentage),
            }
            self._models[model] = _encode(about)[1:-1]
        facts = _FACTS % (self._time, self._time, fraction, count, self._models[model])
        if not (event.ages or event.missing or shared):
            return facts
        more = {"ages": event.ages, "missing": event.missing, "request_columns": shared}
        return facts + b"," + _encode({name: value for name, value in more.items() if value})[1:-1]


class _NameCache:
    """Column names of tuples of names, remembered by the tuple."""

    def __init__(self, column_of: Callable[[str], str]) -> None:
        self._column_of = column_of
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.renamed: dict[str, None] = {}

    def columns(self, names: tuple[str, ...]) -> tuple[str, ...]:
        found = self._known.get(names)
        if found is None:
            own = distinct(names)
            found = tuple(self._free_column(name, own) for name in own)
            self.renamed.update((name, None) for name, column in zip(own, found, strict=True) if name != column)
            if len(self._known) < 10_000:
                self._known[names] = found
        return found

    def _free_column(self, name: str, names: tuple[str, ...]) -> str:
        """The column of a name. One that is renamed gives way to a feature that is called so."""
        column = self._column_of(name)
        while self._column_of is dataset.feature_column and column != name and column in names:
            column = f"feature_{column}"
        return column


def _escaped(text: bytes) -> bytes:
    """JSON text as it stands inside a JSON string: it has no control characters of its own."""
    return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _flat(value: Any) -> Any:
    """A value that is no list and no object: what is nested becomes JSON text."""
    if type(value) in _FLAT:
        return value
    if isinstance(value, dict | list | tuple | np.ndarray):
        return json_text(value)
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return plain(value)

"""Records to an array or columns, and predictions to records.

Records that have one feature `values` of one length and nothing else become an array (rows, values). Others become a
dict of columns: an array (rows,) or (rows, k) where every record has k values, else a list. Labels stand beside the
features under their own names (`label` for `values`, `label_{name}` where a feature is called so). `uid`, `metadata`
and `configuration` are not read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy
from google.protobuf.message import DecodeError as GoogleDecodeError

from serialization.errors import DecodeError
from serialization.limits import Limits
from serialization.media import MediaType
from serialization.payload import Payload
from serialization.plain import to_plain
from serialization.tables import tabulate

from .frames import frame, frames
from .record import record_class, record_scale
from .tensors import ExpansionBudget, write

_VALUES = "values"


class RecordIoCodec:
    """Codec of `application/x-recordio-protobuf`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """An ndarray (rows, values) or a dict of columns; see the module."""
        of_class, scale = record_class(), record_scale()
        budget = ExpansionBudget(self._limits)
        rows: list[dict[str, object]] = []
        for number, part in enumerate(frames(body), start=1):
            budget.take_objects(1)
            scale.check(part, "aialgs.data.Record", self._limits)
            try:
                rows.append(_row(of_class.FromString(part), number, budget))
            except (GoogleDecodeError, UnicodeDecodeError):
                raise DecodeError(f"record {number} of the body is not an aialgs.data.Record message") from None
        if not rows:
            raise DecodeError("the body has no records; send at least one")
        names = dict.fromkeys(name for row in rows for name in row)
        if len(names) > 1 and len(names) * len(rows) > self._limits.max_objects * 4:
            raise DecodeError(
                f"the body has {len(rows)} records with {len(names)} names in all; a table of them would have more than "
                f"{4 * self._limits.max_objects} cells; send fewer records, or records with the same names"
            )
        return Payload(_assemble(rows, names), media.name)

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """A record for each row, the outputs in its `label` map by name; outputs without names as `values`."""
        of_class = record_class()
        out = bytearray()
        for at, row in enumerate(_outputs(prediction)):
            record = of_class()
            for name, value in row.items():
                if value is not None:
                    write(record.label[name], value, f"prediction[{at}].{name}")
            out += frame(record.SerializeToString(deterministic=True))
        return bytes(out), media.with_parameters()


def _row(record: Any, number: int, budget: ExpansionBudget) -> dict[str, object]:
    row = {name: budget.read(record.features[name], number, name) for name in _names(record.features, number)}
    for name in _names(record.label, number):
        row[_label(name, row)] = budget.read(record.label[name], number, name)
    return row


def _names(values: Mapping[str, object], number: int) -> list[str]:
    if not all(isinstance(name, str) for name in values):  # protobuf gives bytes for text that is not UTF-8
        raise DecodeError(f"record {number} of the body has a name that is not UTF-8")
    return sorted(values)


def _label(name: str, features: Mapping[str, object]) -> str:
    name = "label" if name == _VALUES else name
    return f"label_{name}" if name in features else name


def _assemble(rows: Sequence[Mapping[str, object]], names: Iterable[str]) -> object:
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    values = columns.get(_VALUES)
    if len(columns) == 1 and isinstance(values, numpy.ndarray):
        return values if values.ndim > 1 else values.reshape(-1, 1)
    return columns


def _column(cells: Sequence[object]) -> object:
    """Cells as one array where they are arrays of one shape, (rows,) where that is (1,); else as a list."""
    arrays = [cell for cell in cells if isinstance(cell, numpy.ndarray)]
    if len(arrays) == len(cells) and len({(array.shape, array.dtype) for array in arrays}) == 1:
        stacked = numpy.stack(arrays)
        return stacked[:, 0] if arrays[0].shape == (1,) else stacked
    if all(array.shape == (1,) for array in arrays):
        return [cell[0].item() if isinstance(cell, numpy.ndarray) else cell for cell in cells]
    return [cell.tolist() if isinstance(cell, numpy.ndarray) else cell for cell in cells]


def _outputs(prediction: object) -> Iterator[dict[str, object]]:
    if isinstance(prediction, numpy.ndarray) and prediction.dtype.kind in "biuf" and prediction.ndim > 0:
        for row in prediction:
            yield {_VALUES: row}
        return
    table = tabulate(to_plain(prediction))
    for row in table.rows:
        yield {_VALUES: list(row)} if table.names is None else dict(zip(table.names, row, strict=True))

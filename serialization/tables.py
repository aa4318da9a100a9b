"""Predictions as a table, for the formats that hold nothing else: names (or none) and rows.

The rules are those of the capture: a mapping of equally long lists is columns, another mapping is one row, a sequence
of mappings is rows whose columns are the union of their keys, a number is one row of one cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import EncodeError
from .plain import to_plain


@dataclass(frozen=True, slots=True)
class Table:
    """names: column names, or None where the prediction has none. rows: one list of cells for each row."""

    names: tuple[str, ...] | None
    rows: Sequence[Sequence[object]]


def tabulate(prediction: object) -> Table:
    """A prediction of any kind as rows of plain cells. Raises EncodeError where its rows differ in length."""
    value = to_plain(prediction)
    if isinstance(value, dict):
        return _of_mapping(value)
    if not isinstance(value, list):
        return Table(None, [[value]])
    if value and all(isinstance(row, dict) for row in value):
        return _of_records(value)
    if not any(isinstance(row, (list, dict)) for row in value):
        return Table(None, [[cell] for cell in value])
    rows = [row if isinstance(row, list) else [row] for row in value]
    for at, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise EncodeError(
                f"prediction[{at}] has {len(row)} values and prediction[0] has {len(rows[0])}; "
                "a table needs rows of one length"
            )
    return Table(None, rows)


def _of_mapping(value: dict[str, object]) -> Table:
    columns = [column for column in value.values() if isinstance(column, list)]
    if columns and len(columns) == len(value) and len({len(column) for column in columns}) == 1:
        return Table(tuple(value), list(zip(*columns, strict=True)))
    return Table(tuple(value), [list(value.values())])


def _of_records(records: Sequence[dict[str, object]]) -> Table:
    names = tuple(dict.fromkeys(name for record in records for name in record))
    return Table(names, [[record.get(name) for name in names] for record in records])

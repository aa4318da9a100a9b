"""The rows inside a captured payload: CSV, JSON, JSON Lines, or base64 of any of them.

A row is *named* (a dict) or *positional* (a list). These shapes of JSON are known:

    {"instances": [{"features": [1, 2]}, …]}      {"instances": [[1, 2], …]}     {"predictions": [0.1, …]}
    {"a": 1, "b": 2}                              [{"a": 1}, …]                  [[1, 2], …]          [1, 2]
    {"a": [1, 3], "b": [2, 4]}   columns          {"columns": ["a", "b"], "data": [[1, 2], …]}

The content type does not decide: captured data says `text/html` for JSON and `JSON` for JSON Lines. In CSV an empty cell
without quotes is missing; no other text is. Cells of CSV stay text (`Cell`) until their column is known.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv

from monitoring.source.managed_lines import CapturedText

Row = dict[str, Any] | list[Any]

_LISTS = ("instances", "predictions", "dataframe_records")
"""Keys whose lists are rows, whatever stands beside them."""
_ONLY_LISTS = ("inputs", "outputs", "data", "rows", "records", "results")
"""Keys whose lists are rows where nothing stands beside them."""
_VALUES = ("features", "values", "data")
"""Keys of one row that hold its values in order, where nothing stands beside them."""


class Cell(str):
    """A cell of CSV: text that may mean a number."""

    __slots__ = ()


class PayloadError(Exception):
    """A payload cannot be read as rows. The message is a short reason, the same for all payloads of its kind."""


def text_of(captured: CapturedText) -> str:
    """Returns the payload as text. Raises PayloadError for base64 of something that is not text."""
    if captured.encoding.upper() != "BASE64":
        return captured.data
    try:
        return base64.b64decode(captured.data, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        kind = captured.observed_content_type or "no content type"
        raise PayloadError(f"base64 of {kind} is not text") from error


def documents_of(text: str) -> list[Any]:
    """Returns the JSON texts in `text`: one, or several one after another. Raises PayloadError where it is not JSON."""
    try:
        return [msgspec.json.decode(text)]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    decoder, found, place = json.JSONDecoder(), [], 0
    try:
        while place < len(text):
            if text[place].isspace():
                place += 1
                continue
            document, place = decoder.raw_decode(text, place)
            found.append(document)
    except (ValueError, RecursionError) as error:
        raise PayloadError("not JSON") from error
    return found


def rows_of(captured: CapturedText, rows: int | None = None) -> list[Row]:
    """Returns the rows of a payload. `rows` is how many the other side of the event has, where it is known.

    Raises PayloadError where the payload cannot be read.
    """
    text = text_of(captured)
    if _is_csv(captured, text):
        return _rows_of_csv(text)
    return [row for document in documents_of(text) for row in rows_of_document(document, rows)]


def rows_of_document(document: Any, rows: int | None = None) -> list[Row]:
    """Returns the rows of one JSON document."""
    if isinstance(document, list):
        if any(isinstance(entry, dict | list) for entry in document):
            return [_row(entry) for entry in document]
        return [document] if document else []
    if not isinstance(document, dict):
        return [[document]]
    split = document.get("dataframe_split", document)
    if isinstance(split, dict) and isinstance(split.get("columns"), list) and isinstance(split.get("data"), list):
        return [dict(zip(map(str, split["columns"]), values, strict=False)) for values in split["data"]]
    for key in (*_LISTS, *(_ONLY_LISTS if len(document) == 1 else ())):
        if isinstance(document.get(key), list):
            return [_row(entry) for entry in document[key]]
    if _is_columns(document, rows):
        return [dict(zip(document, values, strict=True)) for values in zip(*document.values(), strict=True)]
    return [_row(document)]


def _row(entry: Any) -> Row:
    if isinstance(entry, list):
        return entry
    if not isinstance(entry, dict):
        return [entry]
    if len(entry) == 1:
        [(key, values)] = entry.items()
        if key in _VALUES and isinstance(values, list):
            return values
    return entry


def _is_columns(document: dict[str, Any], rows: int | None) -> bool:
    """Returns True where each value is a list of as many scalars: the columns of several rows.

    One row whose features are lists looks the same. It is one row where the other side of the event has one.
    """
    values = list(document.values())
    if not values or not all(isinstance(value, list) for value in values):
        return False
    lengths = {len(value) for value in values}
    if len(lengths) != 1 or any(isinstance(cell, dict | list) for value in values for cell in value):
        return False
    if len(values) == 1 and next(iter(document)) in _VALUES:
        return False
    [length] = lengths
    return not (rows == 1 and length != 1)


def _is_csv(captured: CapturedText, text: str) -> bool:
    encoding = captured.encoding.upper()
    if encoding in ("CSV", "JSON"):
        return encoding == "CSV"
    return "csv" in captured.observed_content_type.lower() or (
        "json" not in captured.observed_content_type.lower() and text.lstrip()[:1] not in ("{", "[")
    )


def _rows_of_csv(text: str) -> list[Row]:
    if '"' in text:
        return _rows_of_quoted_csv(text)
    lines = text.replace("\r\n", "\n").split("\n")
    return [_cells(line.split(",")) for line in lines if line]


def _cells(cells: list[str]) -> list[Any]:
    return [Cell(cell) if cell else None for cell in cells] if "" in cells else list(map(Cell, cells))


def _rows_of_quoted_csv(text: str) -> list[Row]:
    """Returns the rows of CSV with quotes: `""` is an empty text, nothing between commas is missing."""
    try:
        width = len(next(csv.reader(io.StringIO(text), strict=True)))
        table = pa_csv.read_csv(
            io.BytesIO(text.encode()),
            pa_csv.ReadOptions(autogenerate_column_names=True, use_threads=False),
            pa_csv.ParseOptions(newlines_in_values=True),
            pa_csv.ConvertOptions(
                column_types={f"f{number}": pa.string() for number in range(width)},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except (StopIteration, csv.Error, pa.ArrowInvalid) as error:
        raise PayloadError("not CSV, or its rows differ in length") from error
    columns = [column.to_pylist() for column in table.columns]
    return [[None if cell is None else Cell(cell) for cell in row] for row in zip(*columns, strict=True)]

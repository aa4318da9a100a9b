"""CSV (RFC 4180): `text/csv` to a matrix or columns, and predictions to lines.

Without a header, cells that are all numbers give a float64 array of shape (rows, columns), an empty cell being NaN.
With `header=present`, or where a column has text, the result is a dict of columns: float64 arrays for columns of
numbers, lists of text for others (an empty cell is None), named by the header, else by the model's feature names, else
`feature_0` and on. A column with an integer that a double cannot hold exactly is an identifier: it stays text.
So does a column with a number past the range of a double (`1e400`). A column that the model calls text is text in every
body, whatever its cells are.

A number is what JSON or Python's `float` reads, in ASCII and without underscores; `nan` and `inf` are numbers too.
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import numpy

from .charset import from_text, to_text
from .errors import DecodeError, EncodeError, UnsupportedMediaType
from .limits import Limits
from .media import MediaType, shown
from .payload import Payload
from .tables import tabulate

_EXACT = 2.0**53
_QUOTED = re.compile(r'[,"\r\n]')
csv.field_size_limit(2**31 - 1)  # a cell may be as long as a body, which has a limit of its own
_DIGIT = re.compile(r"[0-9]")
_MISSING = ("na", "n/a", "null", "none", "missing", "unknown", "?", "-")
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")


class CsvCodec:
    """Codec of `text/csv`."""

    def __init__(
        self, limits: Limits, feature_names: tuple[str, ...] | None, text_columns: frozenset[str] = frozenset()
    ) -> None:
        self._limits = limits
        self._feature_names = feature_names
        self._text_columns = text_columns

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """An ndarray (rows, columns) of float64, or a dict of columns; see the module."""
        text = to_text(body, media)
        header = _header(media)
        self._refuse_too_many(text)
        has_names = header or not self._text_columns.isdisjoint(self._feature_names or ())
        if not has_names:
            matrix = _plain_matrix(text)
            if matrix is not None:
                return Payload(matrix, media.name)
        rows = _read(text, self._limits)
        if not has_names:
            matrix = _matrix_with_gaps(rows)
            if matrix is not None:
                return Payload(matrix, media.name)
        most = self._limits.max_columns
        if len(rows[0]) > most:
            raise DecodeError(
                f"the CSV body has {len(rows[0])} columns; with names or text at most {most} are read; "
                "send numbers without a header, or another format"
            )
        remark = None if header else _undeclared_header(rows, self._feature_names)
        names = self._names(rows.pop(0) if header else None, rows)
        # Column by column, and not with zip(*rows), which takes an iterator for each row.
        texts = self._text_columns
        columns = {name: _column([row[at] for row in rows], name in texts) for at, name in enumerate(names)}
        return Payload(columns, media.name, remark=remark)

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """A line for each row; names first where `header=present` is accepted. Missing values are empty cells."""
        table = tabulate(prediction)
        lines = [_line(row) for row in table.rows]
        parameters = {}
        if _header(media):
            width = len(table.rows[0]) if table.rows else 0
            numbered = ("prediction",) if width == 1 else tuple(f"prediction_{at}" for at in range(width))
            lines.insert(0, _line(table.names or numbered))
            parameters["header"] = "present"
        body, charset = from_text("".join(lines), media)
        return body, media.with_parameters(**parameters, **charset)

    def _refuse_too_many(self, text: str) -> None:
        if text.count(",") + text.count("\n") + text.count("\r") >= self._limits.max_items:
            raise DecodeError(
                f"the CSV body has more than {self._limits.max_items} cells; send fewer rows in one request"
            )

    def _names(self, header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> Sequence[str]:
        if header is None:
            width = len(rows[0]) if rows else 0
            names = self._feature_names or tuple(f"feature_{at}" for at in range(width))
            if len(names) != width:
                raise DecodeError(
                    f"the CSV body has {width} columns; the model takes {len(names)}, in the order {_list(names)}"
                )
            return names
        if len(set(header)) != len(header):
            twice = next(name for name, times in Counter(header).items() if times > 1)
            raise DecodeError(f"the CSV header names {twice[:60]!r} twice; give each column a name of its own")
        if "" in header:
            raise DecodeError(f"column {header.index('') + 1} of the CSV header has no name")
        return header


def _undeclared_header(rows: Sequence[Sequence[str]], feature_names: Sequence[str] | None) -> str | None:
    """Returns a remark where the first row is names and not values, else None. It changes nothing of the result.

    The row is taken for names where it is the model's feature names, or where it is distinct texts above a column that is
    numbers in all other rows.
    """
    first, rest = rows[0], rows[1:]
    if tuple(first) != (feature_names or ()):
        if not rest or len(set(first)) < len(first) or any(not cell or _is_number(cell) for cell in first):
            return None
        if first[0].strip().lower() in _MISSING and len(first) == 1:
            return None
        if not any(all(_is_number(row[at]) for row in rest) for at in range(len(first))):
            return None
    return "the first line of a CSV body looks like a header and is taken for a row: send `text/csv; header=present`"


def _is_number(cell: str) -> bool:
    try:
        return not math.isnan(_number(cell)) or bool(cell.strip())
    except ValueError:
        return False


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")


def _header(media: MediaType) -> bool:
    value = media.parameters.get("header", "absent").lower()
    if value not in ("present", "absent"):
        raise UnsupportedMediaType(f"header={shown(value, 40)} is not known; send header=present or header=absent")
    return value == "present"


def _plain_matrix(text: str) -> numpy.ndarray | None:
    """The body as a matrix where it is nothing but exact numbers, commas and line ends; else None."""
    if '"' in text or "_" in text or not text.isascii():
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            return None
    text = text.rstrip("\n")
    lines = text.split("\n")
    width = lines[0].count(",") + 1
    if len(lines) > 1 and {line.count(",") + 1 for line in lines} != {width}:
        return None
    try:
        flat = numpy.array(list(map(float, text.replace("\n", ",").split(","))))
    except ValueError:
        return None
    if not (numpy.abs(flat) < _EXACT).all():
        return None  # NaN, infinity, or integers that may not be exact: the careful way
    return flat.reshape(len(lines), width)


def _matrix_with_gaps(rows: Sequence[Sequence[str]]) -> numpy.ndarray | None:
    """Rows as a matrix, empty cells as NaN; None where a cell is no number."""
    try:
        return numpy.array([[_number(cell) for cell in row] for row in rows])
    except ValueError:
        return None


def _read(text: str, limits: Limits) -> list[list[str]]:
    """Rows of cells, all of one width, blank lines left out. Raises DecodeError with the line, and past the limits."""
    max_cells = 4 * limits.max_objects
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text.rstrip("\r\n"), newline=""), strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise DecodeError(
                    f"line {reader.line_num} of the CSV body has {len(row)} cells, the first row has {len(rows[0])}; "
                    "send rows of one length"
                )
            rows.append(row)
            if len(rows) > limits.max_objects or len(rows) * len(row) > max_cells:
                raise DecodeError(
                    f"the CSV body has more than {limits.max_objects} rows or {max_cells} cells with text, gaps or names; "
                    "send fewer rows in one request"
                )
    except csv.Error as error:
        raise DecodeError(
            f"line {reader.line_num} of the CSV body is malformed: {error}; quote cells as RFC 4180 says"
        ) from None
    if not rows:
        raise DecodeError("the CSV body has no rows; send at least one line")
    return rows


def _column(
    cells: Sequence[str], is_text: bool
) -> "numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]] | list[str | None]":
    if not is_text:
        with suppress(ValueError):
            return numpy.array([_number(cell) for cell in cells])
    return [cell if cell else None for cell in cells]


def _number(cell: str) -> float:
    """A cell as a double, NaN where it is empty. ValueError for text, and for a number that a double would change.

    These are integers that are not exact past 2**53, and numbers past a double's range (`1e400`), which are not infinity.
    """
    if not cell or cell.isspace():
        return numpy.nan
    if "_" in cell or not cell.isascii():
        raise ValueError(cell)
    value = float(cell)
    if math.isinf(value) and _DIGIT.search(cell):
        raise ValueError(cell)
    if not -_EXACT < value < _EXACT and _INTEGER.fullmatch(cell) and int(cell) != value:
        raise ValueError(cell)
    return value


def _line(cells: Sequence[object]) -> str:
    line = ",".join(map(_cell, cells))
    return line + "\n" if line or not cells else '""\n'  # an empty line would be no row


def _cell(cell: object) -> str:
    if isinstance(cell, float):
        return repr(cell) if cell == cell else ""
    if isinstance(cell, str):
        return '"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return str(cell)
    import msgspec

    try:
        return _cell(msgspec.json.encode(cell).decode("utf-8"))
    except UnicodeError as error:
        raise EncodeError(f"the prediction has text that is not Unicode: {error}") from None

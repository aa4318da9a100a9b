"""What a Parquet file would become in memory, read from its footer and page headers before any page is decompressed.

The footer says how many values a column has and how large they are, but it is the page headers that a reader obeys, and
run-length encoding lets a page of a few bytes claim billions of values. So each header of each column chunk is read and
counted. Pages in DELTA_BYTE_ARRAY are refused: there a value repeats a prefix of the one before, so that a megabyte can
stand for a terabyte.

The footer is read here too, and not through pyarrow: its accessors for row groups and columns end the process on
metadata that contradicts itself (`Definition level histogram size mismatch`, pyarrow 26), where its reader raises.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .thrift import Struct, ThriftReader

_TAIL = 8  # the footer's length and the magic
_MAX_VALUES = 300_000
_MAX_PAGES = 20_000

_FILE_SCHEMA, _FILE_ROWS, _FILE_GROUPS = 2, 3, 4
_ELEMENT_TYPE, _ELEMENT_LENGTH, _ELEMENT_NAME, _ELEMENT_CHILDREN = 1, 2, 4, 5
_GROUP_COLUMNS, _GROUP_ROWS = 1, 3
_CHUNK_METADATA = 3
_COLUMN_VALUES, _COLUMN_SIZE, _COLUMN_DATA, _COLUMN_DICTIONARY = 5, 7, 9, 11
_PAGE_TYPE, _PAGE_UNCOMPRESSED, _PAGE_COMPRESSED, _PAGE_DATA, _PAGE_DATA_V2 = 1, 2, 3, 5, 8
_DATA_PAGE, _DATA_PAGE_V2 = 0, 3
_DATA_VALUES, _DATA_ENCODING, _DATA_ENCODING_V2 = 1, 2, 4
_BYTE_ARRAY, _FIXED_LEN_BYTE_ARRAY = 6, 7
_DELTA_LENGTH_BYTE_ARRAY, _DELTA_BYTE_ARRAY = 6, 7
_DICTIONARIES = frozenset({2, 8})


@dataclass(frozen=True, slots=True)
class Column:
    """A leaf of the schema. path: its names, joined with dots. text: whether its values are of any length.
    width: bytes of each value of a fixed length that is not a number's, else 0."""

    path: str
    text: bool
    width: int


@dataclass(frozen=True, slots=True)
class PageCost:
    """What one page, or one row group's share of the footer, adds: values and bytes after decompression."""

    values: int
    size: int
    encoding: int | None = None


class Footer:
    """A file's footer. Raises ValueError where it is malformed or contradicts itself."""

    def __init__(self, body: memoryview) -> None:
        length = int.from_bytes(body[-_TAIL:-4], "little")
        start = len(body) - _TAIL - length
        if start < 4:
            raise ValueError("the footer is longer than the file")
        root = ThriftReader(body[:-_TAIL], start, _MAX_VALUES).struct()
        self._body = body
        self.rows = _known(root.i64(_FILE_ROWS), "the number of rows")
        self.columns = _columns(root.structs(_FILE_SCHEMA))
        self._groups = root.structs(_FILE_GROUPS)
        self.groups = len(self._groups)
        self._encodings: dict[str, set[int | None]] = {column.path: set() for column in self.columns}

    def texts(self) -> list[str]:
        """The paths of columns of text that are to be read as dictionaries; known when all parts have been read.

        Not those in DELTA_LENGTH_BYTE_ARRAY, which no reader gives as a dictionary and which cannot repeat a value.
        """
        return [
            column.path
            for column in self.columns
            if column.text and _DELTA_LENGTH_BYTE_ARRAY not in self._encodings[column.path]
        ]

    def parts(self) -> Iterator[PageCost]:
        """All that the file would become. A chunk that two columns share is counted for each."""
        pages = 0
        for group in self._groups:
            rows = _known(group.i64(_GROUP_ROWS), "the number of rows")
            chunks = group.structs(_GROUP_COLUMNS)
            if len(chunks) != len(self.columns):
                raise ValueError("a row group has not the columns of the schema")
            for column, chunk in zip(self.columns, chunks, strict=True):
                seen = 0
                for part in self._pages(chunk):
                    pages += 1
                    if pages > _MAX_PAGES:
                        raise ValueError(f"the file has more than {_MAX_PAGES} pages")
                    seen += part.values
                    self._note(column, part.encoding)
                    yield part
                yield PageCost(rows, column.width * max(seen, rows))

    def _note(self, column: Column, encoding: int | None) -> None:
        encodings = self._encodings[column.path]
        encodings.add(encoding)
        mixed = _DELTA_LENGTH_BYTE_ARRAY in encodings and not _DICTIONARIES.isdisjoint(encodings)
        if encoding == _DELTA_BYTE_ARRAY or mixed:
            kind = "DELTA_BYTE_ARRAY" if encoding == _DELTA_BYTE_ARRAY else "a mixture with DELTA_LENGTH_BYTE_ARRAY"
            raise ValueError(f"column {column.path[:60]!r} is encoded as {kind}; write it plain or with a dictionary")

    def _pages(self, chunk: Struct) -> Iterator[PageCost]:
        column = chunk.struct(_CHUNK_METADATA)
        if column is None:
            raise ValueError("a column has no metadata")
        values = _known(column.i64(_COLUMN_VALUES), "the number of a column's values")
        at = _known(column.i64(_COLUMN_DATA), "the place of a column")
        dictionary = column.i64(_COLUMN_DICTIONARY) or 0
        at = dictionary if 0 < dictionary < at else at
        end = at + _known(column.i64(_COLUMN_SIZE), "the size of a column")
        if end > len(self._body):
            raise ValueError("a column lies outside the file")
        seen = 0
        while seen < values and at < end:
            reader = ThriftReader(self._body[:end], at, _MAX_VALUES)
            header = reader.struct()
            at = reader.at + _known(header.i32(_PAGE_COMPRESSED), "the size of a page")
            if at > end:
                raise ValueError("a page is larger than its column")
            part = _part(header)
            seen += part.values
            yield part


def _part(header: Struct) -> PageCost:
    size = _known(header.i32(_PAGE_UNCOMPRESSED), "the size of a page")
    kind = header.i32(_PAGE_TYPE)
    if kind not in (_DATA_PAGE, _DATA_PAGE_V2):
        return PageCost(0, size)
    data = header.struct(_PAGE_DATA if kind == _DATA_PAGE else _PAGE_DATA_V2)
    if data is None:
        raise ValueError("a page has no header for its data")
    encoding = data.i32(_DATA_ENCODING if kind == _DATA_PAGE else _DATA_ENCODING_V2)
    return PageCost(_known(data.i32(_DATA_VALUES), "the number of a page's values"), size, encoding)


def _columns(elements: list[Struct]) -> tuple[Column, ...]:
    """The leaves of the schema, which lists a tree depth first, the root included."""
    leaves: list[Column] = []
    open_groups: list[tuple[str, int]] = []
    for element in elements[1:]:
        name = (element.binary(_ELEMENT_NAME) or b"").decode("utf-8")
        path = f"{open_groups[-1][0]}.{name}" if open_groups else name
        if open_groups:
            parent, left = open_groups[-1]
            open_groups[-1] = parent, left - 1
        children = element.i32(_ELEMENT_CHILDREN) or 0
        kind = element.i32(_ELEMENT_TYPE)
        if children:
            open_groups.append((path, children))
        else:
            width = _known(element.i32(_ELEMENT_LENGTH), "a length") if kind == _FIXED_LEN_BYTE_ARRAY else 0
            leaves.append(Column(path, kind == _BYTE_ARRAY, width))
        while open_groups and open_groups[-1][1] <= 0:
            open_groups.pop()
    return tuple(leaves)


def _known(number: int | None, what: str) -> int:
    if number is None or number < 0:
        raise ValueError(f"{what} is missing or negative")
    return number

"""What the pages of a Parquet file would become in memory, read from their headers before any is decompressed.

The footer says how many values a column has and how large they are, but it is the page headers that the reader obeys,
and run-length encoding lets a page of a few bytes claim billions of values. So each header of each column chunk is read
here (Thrift's compact protocol) and counted. Pages in DELTA_BYTE_ARRAY are refused: there a value repeats a prefix of
the one before, so that a megabyte can stand for a terabyte.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = range(4)
_TYPE, _UNCOMPRESSED, _COMPRESSED, _DATA, _DICTIONARY, _DATA_V2 = 1, 2, 3, 5, 7, 8
_VALUES, _ENCODING, _ENCODING_V2 = 1, 2, 4
_DELTA_BYTE_ARRAY = 7
_MAX_PAGES = 20_000
_MAX_DEPTH = 8
_MAX_FIELDS = 64

_Struct = dict[int, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """values: how many the header says there are (0 for a dictionary). size: bytes after decompression."""

    values: int
    size: int


def pages(body: memoryview, metadata: Any) -> Iterator[Page]:
    """The pages of all column chunks of a file, from its footer (`pyarrow.parquet.FileMetaData`).

    A chunk that two columns share is counted for each. Raises ValueError for what is malformed or refused.
    """
    count = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for column in range(row_group.num_columns):
            chunk = row_group.column(column)
            for page in _pages_of_chunk(body, chunk):
                count += 1
                if count > _MAX_PAGES:
                    raise ValueError(f"more than {_MAX_PAGES} pages")
                yield page


def _pages_of_chunk(body: memoryview, chunk: Any) -> Iterator[Page]:
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    if not 0 <= at <= end <= len(body):
        raise ValueError("a column lies outside the file")
    seen = 0
    while seen < chunk.num_values and at < end:
        header, at = _read_struct(body[:end], at)
        compressed, size = _size(header, _COMPRESSED), _size(header, _UNCOMPRESSED)
        at += compressed
        if at > end:
            raise ValueError("a page is larger than its column")
        kind = header.get(_TYPE)
        values = 0
        if kind in (_DATA_PAGE, _DATA_PAGE_V2):
            data = header.get(_DATA if kind == _DATA_PAGE else _DATA_V2)
            if not isinstance(data, dict):
                raise ValueError("a page has no header for its data")
            values = _size(data, _VALUES)
            if data.get(_ENCODING if kind == _DATA_PAGE else _ENCODING_V2) == _DELTA_BYTE_ARRAY:
                raise ValueError("encoding DELTA_BYTE_ARRAY is not read")
            seen += values
        yield Page(values, size)


def _size(values: _Struct, field: int) -> int:
    number = values.get(field)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError("a page header lacks a size")
    return number


def _read_struct(body: memoryview, at: int, depth: int = 0) -> tuple[_Struct, int]:
    """A Thrift struct: fields by number, binary values left out. ValueError where it is malformed."""
    if depth > _MAX_DEPTH:
        raise ValueError("a page header is nested too deeply")
    values: _Struct = {}
    number = 0
    for _ in range(_MAX_FIELDS):
        head, at = _byte(body, at)
        if head == 0:
            return values, at
        step, kind = head >> 4, head & 15
        if step:
            number += step
        else:
            number, at = _zigzag(body, at)
        values[number], at = _read_value(body, at, kind, depth)
    raise ValueError("a page header has too many fields")


def _read_value(body: memoryview, at: int, kind: int, depth: int) -> tuple[object, int]:
    if kind in (1, 2):
        return kind == 1, at
    if kind == 3:
        return _byte(body, at)
    if kind in (4, 5, 6):
        return _zigzag(body, at)
    if kind == 7:
        return None, _within(body, at + 8)
    if kind == 8:
        length, at = _varint(body, at)
        return None, _within(body, at + length)
    if kind == 12:
        return _read_struct(body, at, depth + 1)
    raise ValueError("a page header holds a collection")


def _byte(body: memoryview, at: int) -> tuple[int, int]:
    if at >= len(body):
        raise ValueError("a page header is cut off")
    return body[at], at + 1


def _within(body: memoryview, at: int) -> int:
    if at > len(body):
        raise ValueError("a page header is cut off")
    return at


def _varint(body: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte, at = _byte(body, at)
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise ValueError("a page header holds an integer that is too long")


def _zigzag(body: memoryview, at: int) -> tuple[int, int]:
    value, at = _varint(body, at)
    return (value >> 1) ^ -(value & 1), at

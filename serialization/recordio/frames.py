"""RecordIO framing: a body is frames, a record is one frame or several.

A frame is the magic 0xCED7230A, a word whose upper 3 bits say which part of a record it holds (0 whole, 1 first,
2 middle, 3 last) and whose lower 29 bits its length, both little-endian, then the data, padded with zeros to 4 bytes.
A record is split where it holds the magic itself, so parts are joined with the magic between them.
"""

import struct
from collections.abc import Iterator

from serialization.errors import DecodeError, EncodeError

_MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", _MAGIC)
_FRAME = struct.Struct("<II")
_LENGTH = (1 << 29) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def frames(body: memoryview) -> Iterator[bytes]:
    """The records in a body. Raises DecodeError where framing is broken."""
    at, number = 0, 1
    parts: list[bytes] = []
    while at < len(body):
        if len(body) - at < _FRAME.size:
            raise DecodeError(f"the body ends within the header of record {number}; send whole records")
        magic, word = _FRAME.unpack_from(body, at)
        if magic != _MAGIC:
            raise DecodeError(f"record {number} does not start with the RecordIO magic 0xCED7230A, at byte {at}")
        part, length = word >> 29, word & _LENGTH
        start = at + _FRAME.size
        at = start + length + (-length % 4)
        if at > len(body):
            raise DecodeError(
                f"record {number} says it has {length} bytes, and {len(body) - start} are left; send whole records"
            )
        data = bytes(body[start : start + length])
        if part == _WHOLE and not parts:
            yield data
        elif part == _FIRST and not parts:
            parts = [data]
            continue
        elif part in (_MIDDLE, _LAST) and parts:
            parts.append(data)
            if part == _MIDDLE:
                continue
            yield _MAGIC_BYTES.join(parts)
            parts = []
        else:
            raise DecodeError(
                f"record {number} has part flag {part} where none can be; send records in order and whole"
            )
        number += 1
    if parts:
        raise DecodeError(f"the body ends within record {number}, whose last part is missing; send whole records")


def frame(data: bytes) -> bytes:
    """One record in one frame. Raises EncodeError past 2^29 - 1 bytes."""
    if len(data) > _LENGTH:
        raise EncodeError(f"a record of {len(data)} bytes does not fit RecordIO, which holds {_LENGTH}")
    return _FRAME.pack(_MAGIC, len(data)) + data + bytes(-len(data) % 4)

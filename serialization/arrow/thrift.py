"""Thrift's compact protocol, as far as Parquet's metadata needs it: structs and lists to Python, strictly.

A field that comes twice is refused, and a value is handed out only as the kind that was asked for: other readers skip
what is of another kind than they expect, so that one text could mean two things. Work is bounded by a number of values.
"""

from typing import Any

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(1, 14)
_MAX_DEPTH = 16
_INTEGERS = (_I16, _I32, _I64)


class Struct:
    """A struct: its fields by number, each with the kind it was sent as."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[int, tuple[int, Any]]) -> None:
        self._fields = fields

    def i32(self, number: int) -> int | None:
        """A 32-bit integer, None where there is none. ValueError where the field is of another kind, as in all below."""
        return self._of_kind(number, _I32)  # type: ignore[no-any-return]

    def i64(self, number: int) -> int | None:
        """A 64-bit integer."""
        return self._of_kind(number, _I64)  # type: ignore[no-any-return]

    def binary(self, number: int) -> bytes | None:
        """Bytes."""
        return self._of_kind(number, _BINARY)  # type: ignore[no-any-return]

    def struct(self, number: int) -> "Struct | None":
        """A struct."""
        return self._of_kind(number, _STRUCT)  # type: ignore[no-any-return]

    def structs(self, number: int) -> "list[Struct]":
        """A list of structs, empty where there is none."""
        values: list[Struct] = self._of_kind(number, _LIST) or []
        if not all(isinstance(value, Struct) for value in values):
            raise ValueError(f"field {number} of the metadata is not a list of structs")
        return values

    def _of_kind(self, number: int, kind: int) -> Any:
        found = self._fields.get(number)
        if found is None:
            return None
        if found[0] != kind:
            raise ValueError(f"field {number} of the metadata is of another kind than it should be")
        return found[1]


class ThriftReader:
    """Reads structs from a buffer. max_values: fields and elements it reads in all."""

    def __init__(self, buffer: memoryview, at: int, max_values: int) -> None:
        self._buffer = buffer
        self.at = at
        self._values = max_values

    def struct(self, depth: int = 0) -> Struct:
        """The struct at the current place. ValueError where it is malformed, too deep or too long."""
        if depth > _MAX_DEPTH:
            raise ValueError("the metadata is nested too deeply")
        fields: dict[int, tuple[int, Any]] = {}
        number = 0
        while True:
            self._count()
            head = self._byte()
            if head == 0:
                return Struct(fields)
            step, kind = head >> 4, head & 15
            number = number + step if step else self._zigzag()
            if number in fields:
                raise ValueError(f"field {number} of the metadata comes twice")
            fields[number] = kind, self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        return self._scalar(kind)

    def _scalar(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._zigzag()
        if kind == _BYTE:
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        if kind == _BINARY:
            return self._take(self._varint())
        raise ValueError("the metadata holds a kind that Parquet does not use")

    def _list(self, depth: int) -> list[Any]:
        if depth > _MAX_DEPTH:
            raise ValueError("the metadata is nested too deeply")
        head = self._byte()
        length, kind = head >> 4, head & 15
        if length == 15:
            length = self._varint()
        if length > len(self._buffer) - self.at:
            raise ValueError("a list of the metadata is longer than the rest of it")
        self._count(length)
        if kind in (_TRUE, _FALSE):
            return [self._byte() == _TRUE for _ in range(length)]
        return [self._value(kind, depth + 1) for _ in range(length)]

    def _count(self, values: int = 1) -> None:
        self._values -= values
        if self._values < 0:
            raise ValueError("the metadata is too long")

    def _byte(self) -> int:
        if self.at >= len(self._buffer):
            raise ValueError("the metadata is cut off")
        self.at += 1
        return self._buffer[self.at - 1]

    def _take(self, length: int) -> bytes:
        if length > len(self._buffer) - self.at:
            raise ValueError("the metadata is cut off")
        self.at += length
        return bytes(self._buffer[self.at - length : self.at])

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("the metadata holds an integer that is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

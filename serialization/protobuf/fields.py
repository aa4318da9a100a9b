"""One field of a protobuf message: how its value is fetched, and what it is in plain Python and in Arrow."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import cache, cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from serialization.errors import DecodeError

from .wellknown import ARROW_TYPES, READERS

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor

    from .decode import MessagePlan, Reading

_MESSAGES = frozenset({FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_GROUP})
_ARROW = {
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_SINT64: "int64",
    FieldDescriptor.TYPE_SFIXED64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_FIXED64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_SINT32: "int32",
    FieldDescriptor.TYPE_SFIXED32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_FIXED32: "uint32",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "string",
    FieldDescriptor.TYPE_ENUM: "string",
}


class Field:
    """A field of a plan.

    name: as in the schema; an extension's is `[full.name]`. presence: not set is None. repeated, is_map: its form.
    simple: a scalar, which the plan fetches together with the others. child: the plan of the message it holds, None for
    scalars and well-known types. convert: from protobuf's value to the plain one, None where they are the same; a
    scalar's takes None for None.
    get, has: the value that a message holds, and whether it was set.
    """

    def __init__(
        self, descriptor: FieldDescriptor, message_class: Any, plan_of: Callable[[Descriptor], MessagePlan]
    ) -> None:
        self.full_name = descriptor.full_name
        self.default: object = descriptor.default_value
        self.repeated = is_repeated(descriptor)
        self.is_map = is_map(descriptor)
        self.presence = bool(descriptor.has_presence)
        value: Any = descriptor.message_type.fields_by_name["value"] if self.is_map else descriptor  # type: ignore[union-attr]
        holds_message = value.type in _MESSAGES
        self.convert = _converter(value)
        self._key = _converter(descriptor.message_type.fields_by_name["key"]) if self.is_map else None  # type: ignore[union-attr]
        self.child = plan_of(value.message_type) if holds_message and self.convert is None else None
        #: Of texts half as many are read as of numbers: each is an object with memory of its own.
        self._cost = 2 if value.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES) else 1
        self.simple = not (self.repeated or holds_message or descriptor.is_extension)
        self._scalar_type = ARROW_TYPES.get(value.message_type.full_name) if holds_message else _ARROW[value.type]
        has_field = message_class.HasField  # from the class: a field may be called HasField
        self.get: Callable[[Any], Any]
        self.has: Callable[[Any], bool]
        if descriptor.is_extension:
            self.name = f"[{descriptor.full_name}]"
            self.get = lambda message: message.Extensions[descriptor]
            self.has = lambda message: bool(message.HasExtension(descriptor))
        else:
            self.name = name = descriptor.name
            self.get = attrgetter(name)
            self.has = lambda message: has_field(message, name)

    @cached_property
    def nests(self) -> bool:
        """Whether the fields of the message it holds become columns of their own when flattened."""
        return self.child is not None and not self.is_map and not self.child.recursive

    @property
    def arrow_type(self) -> str | None:
        """The Arrow type of its column by name, None where that is nested data."""
        if self._scalar_type is None or self.is_map:
            return None
        return f"list<{self._scalar_type}>" if self.repeated else self._scalar_type

    def read(self, message: Any, reading: Reading) -> object:
        """The plain value of this field of a message. Raises DecodeError."""
        if not self.repeated:
            return self._one(self.get(message), reading) if not self.presence or self.has(message) else None
        values = self.get(message)
        if not len(values):
            return {} if self.is_map else []
        if self.is_map:
            reading.take(len(values), self.full_name)
            keys = list(values) if self._key is None else [self._key(key) for key in values]
            return {key: self._one(values[key], reading) for key in sorted(keys)}
        if self.child is not None:
            return self.child.rows(values, reading)
        reading.take(len(values) * self._cost, self.full_name)
        return list(values) if self.convert is None else [self._one(value, reading) for value in values]

    def read_columns(self, message: Any, reading: Reading) -> object:
        """The same; a repeated message as a dict of columns."""
        if self.nests and self.repeated and self.child is not None:
            return self.child.columns(list(self.get(message)), reading)
        return self.read(message, reading)

    def _one(self, value: Any, reading: Reading) -> object:
        if self.child is not None:
            reading.take(self.child.width, self.full_name)
            return self.child.row(value, reading)
        if self.convert is None:
            return value
        try:
            return self.convert(value)
        except ValueError as error:
            raise DecodeError(f"field {self.full_name} is not valid: {error}") from None


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether a field holds any number of values, under every version of protobuf that we install with."""
    modern = getattr(field, "is_repeated", None)
    if modern is not None:
        return bool(modern)
    return bool(getattr(field, "label", None) == FieldDescriptor.LABEL_REPEATED)


def is_required(field: FieldDescriptor) -> bool:
    """Whether a message is invalid without the field (proto2), under the same versions."""
    modern = getattr(field, "is_required", None)
    if modern is not None:
        return bool(modern)
    return bool(getattr(field, "label", None) == FieldDescriptor.LABEL_REQUIRED)


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _converter(field: Any) -> Callable[[Any], Any] | None:
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _EnumNames(field.enum_type).__getitem__
    if field.type == FieldDescriptor.TYPE_STRING and not _verifies_text(field.file.serialized_pb):
        return _text
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _base64
    if field.type in _MESSAGES:
        return READERS.get(field.message_type.full_name)
    return None


@cache
def _verifies_text(file: bytes) -> bool:
    """Whether protobuf itself refuses text that is not UTF-8, as it does for files in proto3."""
    return FileDescriptorProto.FromString(file).syntax == "proto3"


def _text(value: str | bytes | None) -> str | None:
    """Text of a proto2 field; protobuf gives bytes for what is not UTF-8."""
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode("ascii")


class _EnumNames(dict[int | None, str | int | None]):
    """An enum's names by number; a number without a name stands for itself, and None for None."""

    def __init__(self, enum: EnumDescriptor) -> None:
        super().__init__((number, value.name) for number, value in enum.values_by_number.items())
        self[None] = None

    def __missing__(self, number: int) -> int:
        return number

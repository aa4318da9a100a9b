"""What a model returns, into a response message.

A mapping fills the message's fields by name. Anything else (a list, an array, a table, a number), and a mapping of
columns that are not fields of the message itself, goes into the message's one repeated field; where that holds
messages, a mapping fills one, and a bare value the only field of one. None leaves a field unset. Each error names the
field: `items[3].score`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import EncodeError as GoogleEncodeError

from serialization.errors import EncodeError
from serialization.plain import to_plain

from .wellknown import WRITERS, as_bytes

_FLOATS = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})
_INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)


class Writer:
    """Fills messages of one type."""

    def __init__(self, message_class: Any) -> None:
        self._class = message_class
        self._descriptor: Descriptor = message_class.DESCRIPTOR

    def write(self, prediction: object) -> bytes:
        """The prediction as a serialized message. Raises EncodeError."""
        message = self._class()
        fill_root(message, self._descriptor, to_plain(prediction))
        try:
            return bytes(message.SerializeToString(deterministic=True))
        except (GoogleEncodeError, ValueError) as error:
            raise EncodeError(f"{self._descriptor.full_name} cannot be written: {error}") from None


def fill_root(message: Any, descriptor: Descriptor, value: object) -> None:
    """Fill a response from a plain value of any shape."""
    writer = WRITERS.get(descriptor.full_name)
    if writer is not None:
        _call(writer, message, value, descriptor.full_name)
        return
    if isinstance(value, dict):
        lists = _lists(descriptor)
        own = set(value) <= set(descriptor.fields_by_name)
        if own or len(lists) != 1 or lists[0].message_type is None:
            _fill(message, descriptor, value, "")
            return
        if not set(value) <= set(lists[0].message_type.fields_by_name):
            _fill(message, descriptor, value, "")  # to name the field that is in neither
            return
        value = value if _is_columns(value) else [value]
    field = _only_field(descriptor, value)
    if field.is_repeated and not isinstance(value, (list, dict)):
        value = [value]
    _set(message, field, value, field.name)


def _lists(descriptor: Descriptor) -> list[FieldDescriptor]:
    return [field for field in descriptor.fields if field.is_repeated and not _is_map(field)]


def _only_field(descriptor: Descriptor, value: object) -> FieldDescriptor:
    lists = _lists(descriptor)
    if len(lists) == 1:
        return lists[0]
    if len(descriptor.fields) == 1 and not isinstance(value, list):
        return descriptor.fields[0]
    raise EncodeError(
        f"predictions are a {type(value).__name__}, and {descriptor.full_name} has {len(lists)} repeated fields to put them in; "
        f"return a dict with {', '.join(field.name for field in descriptor.fields) or 'no fields'}"
    )


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _is_columns(value: Mapping[str, object]) -> bool:
    return bool(value) and all(isinstance(column, list) for column in value.values())


def _fill(message: Any, descriptor: Descriptor, value: Mapping[str, object], path: str) -> None:
    for name, item in value.items():
        field = descriptor.fields_by_name.get(name)
        at = f"{path}.{name}" if path else name
        if field is None:
            known = ", ".join(other.name for other in descriptor.fields) or "no fields"
            raise EncodeError(f"{at} is not a field of {descriptor.full_name}, which has {known}")
        if item is not None:
            _set(message, field, item, at)


def _set(message: Any, field: FieldDescriptor, value: object, path: str) -> None:
    if _is_map(field):
        _set_map(message, field, value, path)
    elif field.is_repeated:
        _set_list(getattr(message, field.name), field, value, path)
    elif field.message_type is not None:
        _set_message(getattr(message, field.name), field.message_type, value, path)
    else:
        _assign(lambda plain: setattr(message, field.name, plain), field, value, path)


def _set_list(container: Any, field: FieldDescriptor, value: object, path: str) -> None:
    if field.message_type is None:
        items = _flat(value, path)
        try:
            container.extend(items)
            return
        except (TypeError, ValueError):
            del container[:]
        for at, item in enumerate(items):
            _assign(container.append, field, item, f"{path}[{at}]")
        return
    for at, item in enumerate(_rows(value, path)):
        _set_message(container.add(), field.message_type, item, f"{path}[{at}]")


def _flat(value: object, path: str) -> Sequence[object]:
    """A list of values; one of shape (n, 1) as n values."""
    if not isinstance(value, list):
        raise EncodeError(f"{path} takes a list of values, not {_kind(value)}")
    if value and all(isinstance(item, list) and len(item) == 1 for item in value):
        return [item[0] for item in value]
    return value


def _rows(value: object, path: str) -> Sequence[object]:
    """A list of items; a mapping of columns as its rows."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and _is_columns(value):
        lengths = {name: len(column) for name, column in value.items()}
        if len(set(lengths.values())) > 1:
            raise EncodeError(f"{path} has columns of different lengths: {lengths}")
        return [dict(zip(value, row)) for row in zip(*value.values())]  # noqa: B905
    raise EncodeError(f"{path} takes a list of rows or a mapping of columns, not {_kind(value)}")


def _set_message(message: Any, descriptor: Descriptor, value: object, path: str) -> None:
    writer = WRITERS.get(descriptor.full_name)
    if writer is not None:
        _call(writer, message, value, path)
        return
    if not isinstance(value, dict):
        if len(descriptor.fields) != 1 or value is None:
            names = ", ".join(field.name for field in descriptor.fields) or "no fields"
            raise EncodeError(f"{path} takes a mapping with {names}, not {_kind(value)}")
        value = {descriptor.fields[0].name: value}
    type(message).SetInParent(message)
    _fill(message, descriptor, value, path)


def _set_map(message: Any, field: FieldDescriptor, value: object, path: str) -> None:
    if not isinstance(value, dict):
        raise EncodeError(f"{path} takes a mapping, not {_kind(value)}")
    entries = getattr(message, field.name)
    key_field, value_field = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    for text, item in value.items():
        at = f"{path}[{text!r}]"
        key = _map_key(key_field, text, at)
        if value_field.message_type is not None:
            _set_message(entries[key], value_field.message_type, item, at)
        else:
            _assign(lambda plain, key=key: entries.__setitem__(key, plain), value_field, item, at)  # type: ignore[misc]


def _map_key(field: FieldDescriptor, text: str, path: str) -> object:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        raise EncodeError(f"{path} has a key that is no {_kind_of(field)}") from None


def _assign(store: Any, field: FieldDescriptor, value: object, path: str) -> None:
    """Store one scalar, converted where that loses nothing. Raises EncodeError with the field's path."""
    try:
        store(_scalar(field, value))
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodeError(f"{path} is {_kind_of(field)} and cannot hold {_kind(value)}: {error}") from None


def _scalar(field: FieldDescriptor, value: object) -> object:
    kind = field.cpp_type
    if kind in _INTEGERS and isinstance(value, float) and value.is_integer():
        return int(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return as_bytes(value)
    if kind == FieldDescriptor.CPPTYPE_ENUM and isinstance(value, str):
        named = field.enum_type.values_by_name.get(value)
        if named is None:
            raise ValueError(f"the enum has {', '.join(field.enum_type.values_by_name)}")
        return named.number
    if kind in _FLOATS and isinstance(value, (str, bool)):
        raise TypeError("a number is needed")
    return value


def _call(writer: Any, message: Any, value: object, path: str) -> None:
    try:
        writer(message, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodeError(f"{path} cannot hold {_kind(value)}: {error}") from None


def _kind(value: object) -> str:
    if isinstance(value, (dict, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {str(value)[:40]!r}"


def _kind_of(field: FieldDescriptor) -> str:
    names = {
        FieldDescriptor.CPPTYPE_BOOL: "bool",
        FieldDescriptor.CPPTYPE_DOUBLE: "double",
        FieldDescriptor.CPPTYPE_FLOAT: "float",
        FieldDescriptor.CPPTYPE_INT32: "int32",
        FieldDescriptor.CPPTYPE_INT64: "int64",
        FieldDescriptor.CPPTYPE_UINT32: "uint32",
        FieldDescriptor.CPPTYPE_UINT64: "uint64",
        FieldDescriptor.CPPTYPE_ENUM: "an enum",
        FieldDescriptor.CPPTYPE_STRING: "string",
    }
    return "bytes" if field.type == FieldDescriptor.TYPE_BYTES else names.get(field.cpp_type, "a message")

"""What a model returns, into a response message.

A mapping fills the message's fields by name. Anything else (a list, an array, a table, a number), and a mapping whose
names are not the message's but those of its one repeated message, goes into the message's one repeated field; where
that holds messages, a mapping fills one, and a bare value the only field of one. None leaves a field unset. A value is
converted only where nothing is lost: 3.0 fits an integer field, 3.5 does not. Each error names the field:
`items[3].score`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import EncodeError as GoogleEncodeError

from serialization.errors import EncodeError
from serialization.plain import WITH_DECIMALS, to_plain

from .fields import is_map, is_repeated
from .wellknown import WRITERS, as_bytes, as_float, as_integer, is_past_float

_INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
_JSON_VALUES = ("google.protobuf.Value", "google.protobuf.ListValue")
_SCALARS = {
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_DOUBLE: "double",
    FieldDescriptor.CPPTYPE_ENUM: "enum",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
    FieldDescriptor.CPPTYPE_INT32: "int32",
    FieldDescriptor.CPPTYPE_INT64: "int64",
    FieldDescriptor.CPPTYPE_STRING: "string",
    FieldDescriptor.CPPTYPE_UINT32: "uint32",
    FieldDescriptor.CPPTYPE_UINT64: "uint64",
}


class MessageWriter:
    """Fills messages of one type. Made by `compile_writer`; safe to share between threads."""

    def __init__(self, descriptor: Descriptor, known: dict[str, MessageWriter]) -> None:
        self.name = descriptor.full_name
        known[self.name] = self
        self._known = WRITERS.get(self.name)
        self._slots = {field.name: Slot(field, known) for field in descriptor.fields}
        lists = [slot for slot in self._slots.values() if slot.is_list]
        self._list = lists[0] if len(lists) == 1 else None
        self._listed = ", ".join(self._slots) or "no fields"
        self._direct = all(slot.direct for slot in self._slots.values())
        self._floats = [slot.name for slot in self._slots.values() if slot.is_float]
        extensions = (Slot(field, known) for field in descriptor.file.pool.FindAllExtensions(descriptor))
        self._extensions = {slot.name: slot for slot in extensions}

    def write(self, message: Any, prediction: object) -> bytes:
        """Fill an empty message of this type with a prediction, and serialize it. Raises EncodeError."""
        self._fill_root(message, to_plain(prediction, WITH_DECIMALS))
        try:
            return bytes(type(message).SerializeToString(message, deterministic=True))
        except (GoogleEncodeError, ValueError) as error:
            raise EncodeError(f"the {self.name} message cannot be written: {error}") from None

    def fill(self, message: Any, value: object, path: str) -> None:
        """Fill a message from a mapping, a well-known type from its value, a message of one field from that alone."""
        if self._known is not None:
            is_number = self.name.endswith("Value") and isinstance(value, Decimal) and self.name not in _JSON_VALUES
            _attempt(self._known, message, value if is_number else to_plain(value), path, self.name)
            return
        if not isinstance(value, dict):
            if len(self._slots) != 1:
                raise EncodeError(f"{path} takes a mapping with {self._listed}, not {_shown(value)}")
            value = {next(iter(self._slots)): value}
        type(message).SetInParent(message)
        for name, item in value.items():
            slot = self._slots.get(name) or self._extensions.get(name)
            at = f"{path}.{name}" if path else name
            if slot is None:
                raise EncodeError(f"{at} is not a field of {self.name}, which has {self._listed}")
            if item is not None:
                slot.set(message, item, at)

    def add_all(self, container: Any, rows: Sequence[object], path: str) -> None:
        """Append a message for each row to a repeated field."""
        for at, row in enumerate(rows):
            if (
                self._direct
                and isinstance(row, dict)
                and not any(is_past_float(row.get(name)) for name in self._floats)
            ):
                try:
                    container.add(**row)
                    continue
                except (TypeError, ValueError):
                    del container[at:]  # what was begun; once more, to convert or to name the field
            self.fill(container.add(), row, f"{path}[{at}]")

    def _fill_root(self, message: Any, value: object) -> None:
        if self._known is not None:
            self.fill(message, value, self.name)
        elif isinstance(value, dict) and not self._belongs_to_items(value):
            self.fill(message, value, "")
        elif self._list is not None:
            items = value if isinstance(value, list) or _are_columns(value) else [value]
            self._list.set(message, items, self._list.name)
        elif len(self._slots) == 1:
            slot = next(iter(self._slots.values()))
            slot.set(message, value, slot.name)
        else:
            raise EncodeError(
                f"predictions are {_shown(value)}, and {self.name} has no single repeated field to hold them; "
                f"return a dict with {self._listed}"
            )

    def _belongs_to_items(self, value: Mapping[str, object]) -> bool:
        """Whether a mapping's names are those of the one repeated message and not those of this one."""
        if value.keys() <= self._slots.keys() or self._list is None or self._list.child is None:
            return False
        return value.keys() <= self._list.child._slots.keys()


def compile_writer(descriptor: Any) -> MessageWriter:
    """The writer of a message type and of all types below it."""
    return MessageWriter(descriptor, {})


class Slot:
    """Where one field's value goes. direct: protobuf itself takes plain values for it, without conversion.

    An extension's name is `[full.name]`.
    """

    def __init__(self, field: FieldDescriptor, known: dict[str, MessageWriter]) -> None:
        self._extension = field if field.is_extension else None
        self.name = f"[{field.full_name}]" if field.is_extension else field.name
        self._is_map = is_map(field)
        self.is_list = is_repeated(field) and not self._is_map
        value: Any = field.message_type.fields_by_name["value"] if self._is_map else field  # type: ignore[union-attr]
        self._key: Any = field.message_type.fields_by_name["key"] if self._is_map else None  # type: ignore[union-attr]
        of_message = value.message_type
        self.child = None if of_message is None else known.get(of_message.full_name) or MessageWriter(of_message, known)
        self._convert = None if self.child else _converter(value)
        self.is_float = value.cpp_type == FieldDescriptor.CPPTYPE_FLOAT
        is_bytes = value.type == FieldDescriptor.TYPE_BYTES
        self._kind = self.child.name if self.child else "bytes" if is_bytes else _SCALARS[value.cpp_type]
        self.direct = self.child is None and not self._is_map and not is_bytes

    def set(self, message: Any, value: object, path: str) -> None:
        """Fill this field of a message. Raises EncodeError, which names the path."""
        if self._is_map:
            self._set_map(self._held(message), value, path)
        elif self.is_list and self.child is not None:
            self.child.add_all(self._held(message), _rows(value, path), path)
        elif self.is_list:
            self._set_list(self._held(message), _flat(value, path), path)
        elif self.child is not None:
            self.child.fill(self._held(message), value, path)
        else:
            self._store(partial(self._put, message), value, path)

    def _held(self, message: Any) -> Any:
        """Returns the message or the container that the field holds."""
        return getattr(message, self.name) if self._extension is None else message.Extensions[self._extension]

    def _put(self, message: Any, value: Any) -> None:
        if self._extension is None:
            setattr(message, self.name, value)
        else:
            message.Extensions[self._extension] = value

    def _set_list(self, container: Any, values: Sequence[object], path: str) -> None:
        if self.direct and not (self.is_float and any(map(is_past_float, values))):
            try:
                container.extend(values)
                return
            except (TypeError, ValueError):
                del container[:]
        for at, value in enumerate(values):
            self._store(container.append, value, f"{path}[{at}]")

    def _set_map(self, entries: Any, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise EncodeError(f"{path} takes a mapping, not {_shown(value)}")
        for text, item in value.items():
            at = f"{path}[{text!r}]"
            key = self._map_key(text, at)
            if self.child is not None:
                self.child.fill(_entry(entries, key, at), item, at)
            else:
                self._store(partial(entries.__setitem__, key), item, at)

    def _map_key(self, text: str, path: str) -> object:
        kind = self._key.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return text
        try:
            return {"true": True, "false": False}[text] if kind == FieldDescriptor.CPPTYPE_BOOL else int(text)
        except (KeyError, ValueError):
            raise EncodeError(f"{path} has a key that is no {_SCALARS[kind]}") from None

    def _store(self, store: Callable[[Any], object], value: object, path: str) -> None:
        def convert_and_store(_: Any, plain: object) -> None:
            store(plain if self._convert is None else self._convert(plain))

        _attempt(convert_and_store, None, value, path, self._kind)


def _converter(field: Any) -> Callable[[object], object] | None:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return as_bytes
    if field.cpp_type in _INTEGERS:
        return as_integer
    if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
        return as_float
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return to_plain  # a decimal as its text
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        numbers = {name: value.number for name, value in field.enum_type.values_by_name.items()}

        def number(value: object) -> object:
            if isinstance(value, str) and value not in numbers:
                raise ValueError(f"its values are {', '.join(numbers)}")
            return numbers[value] if isinstance(value, str) else as_integer(value)

        return number
    return None


def _entry(entries: Any, key: object, path: str) -> Any:
    try:
        return entries[key]
    except (TypeError, ValueError) as error:
        raise EncodeError(f"{path} has a key that its map cannot hold: {error}") from None


def _attempt(store: Callable[[Any, object], None], message: Any, value: object, path: str, kind: str) -> None:
    try:
        store(message, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodeError(f"{path} is of type {kind} and cannot hold {_shown(value)}: {error}") from None


def _flat(value: object, path: str) -> Sequence[object]:
    """A list of values; one of shape (n, 1) as n values."""
    if not isinstance(value, list):
        raise EncodeError(f"{path} takes a list of values, not {_shown(value)}")
    if value and all(isinstance(item, list) and len(item) == 1 for item in value):
        return [item[0] for item in value]
    return value


def _rows(value: object, path: str) -> Sequence[object]:
    """A list of items; a mapping of columns as its rows."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or not _are_columns(value):
        raise EncodeError(f"{path} takes a list of rows or a mapping of columns, not {_shown(value)}")
    lengths = {name: len(column) for name, column in value.items()}
    if len(set(lengths.values())) > 1:
        raise EncodeError(f"{path} has columns of different lengths: {lengths}")
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]


def _are_columns(value: object) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(column, list) for column in value.values())


def _shown(value: object) -> str:
    if isinstance(value, (dict, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"the {type(value).__name__} {str(value)[:40]!r}"

"""Protobuf messages to plain Python, fast, and without what the JSON mapping loses.

| field | becomes |
| --- | --- |
| int32 … uint64, float, double, bool, string | int, float, bool, str; a 64-bit integer stays an int |
| with presence (`optional`, `oneof`, proto2), not set | None |
| without presence (proto3), not set | its zero |
| message, not set | None |
| message | dict; Google's well-known types as `wellknown` says |
| enum | its name; a number that has none stays a number |
| bytes | base64 text |
| repeated | list; of messages a list of dicts, or a dict of columns |
| map | dict, its keys sorted |
| extension (proto2) | under `[full.name]` |
| unknown field | counted |

How it is fast: each message type is compiled once into a plan. One `attrgetter` fetches all scalars of a message in one
call into C, where `ListFields` or the JSON mapping cross into Python for each field. Presence costs a call only for
values that equal the default: what differs from it must have been set.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError as GoogleDecodeError
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from serialization.errors import DecodeError
from serialization.limits import Limits

from .message import Message
from .wellknown import READERS

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

_MESSAGE_KINDS = frozenset({FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_GROUP})
_Convert = Callable[[Any], object]


class Reading:
    """What one body may still cost, and what was found in it."""

    __slots__ = ("depth", "items", "limits", "unknown")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.items = limits.max_items
        self.depth = 0
        self.unknown = 0

    def take(self, items: int, name: str) -> None:
        """Count values that are about to be made. Raises DecodeError past the limit."""
        self.items -= items
        if self.items < 0:
            raise DecodeError(
                f"the message has more than {self.limits.max_items} values, at {name}; send fewer items in one request"
            )


class Field:
    """One field of a plan: how its value is fetched, and what it is.

    child: the plan of the message it holds, None for scalars and well-known types. presence: not set is None.
    convert: from the value that protobuf gives to the plain one; None where they are the same.
    """

    __slots__ = ("child", "convert", "descriptor", "get", "has", "is_map", "name", "presence", "repeated", "simple")

    def __init__(self, descriptor: FieldDescriptor, message_class: Any, plan_of: Callable[[Descriptor], Plan]) -> None:
        self.descriptor = descriptor
        self.repeated = bool(descriptor.is_repeated)
        self.presence = bool(descriptor.has_presence)
        entry = descriptor.message_type
        self.is_map = entry is not None and entry.GetOptions().map_entry
        value = entry.fields_by_name["value"] if self.is_map else descriptor
        holds_message = value.type in _MESSAGE_KINDS
        self.convert = _converter(value)
        self.child = plan_of(value.message_type) if holds_message and self.convert is None else None
        self.simple = not (self.repeated or holds_message)
        self.get: Callable[[Any], Any]
        self.has: Callable[[Any], bool]
        if descriptor.is_extension:
            self.name = f"[{descriptor.full_name}]"
            self.simple = False
            self.get = lambda message: message.Extensions[descriptor]
            self.has = lambda message: bool(message.HasExtension(descriptor))
        else:
            self.name = name = descriptor.name
            has_field = message_class.HasField  # of the class: a field may be called HasField
            self.get = attrgetter(name)
            self.has = lambda message: bool(has_field(message, name))

    def read(self, message: Any, reading: Reading) -> object:
        """The plain value of this field of a message."""
        if not self.repeated:
            return self._one(self.get(message), reading) if not self.presence or self.has(message) else None
        values = self.get(message)
        count = len(values)
        if not count:
            return {} if self.is_map else []
        reading.take(count, self.descriptor.full_name)
        if self.is_map:
            return {key: self._one(values[key], reading) for key in sorted(values)}
        if self.child is not None:
            return self.child.rows(values, reading)
        return list(values) if self.convert is None else [self._one(value, reading) for value in values]

    def _one(self, value: Any, reading: Reading) -> object:
        if self.child is not None:
            return self.child.row(value, reading)
        if self.convert is None:
            return value
        try:
            return self.convert(value)
        except ValueError as error:
            raise DecodeError(f"field {self.descriptor.full_name} is not valid: {error}") from None


def _converter(field: FieldDescriptor) -> _Convert | None:
    if field.type == FieldDescriptor.TYPE_ENUM:
        names = _enum_names(field.enum_type)
        return lambda number: names.get(number, number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: b64encode(value).decode("ascii")
    if field.type in _MESSAGE_KINDS:
        return READERS.get(field.message_type.full_name)
    return None


def _enum_names(enum: EnumDescriptor) -> dict[int, str]:
    return {number: value.name for number, value in enum.values_by_number.items()}


class Plan:
    """How to read one message type. Made by `compile_plan`; safe to share between threads."""

    def __init__(self, message_class: Any, pool: DescriptorPool, known: dict[str, Plan]) -> None:
        self.descriptor: Descriptor = message_class.DESCRIPTOR
        self.name: str = self.descriptor.full_name
        self._class = message_class
        known[self.name] = self

        def plan_of(descriptor: Descriptor) -> Plan:
            found = known.get(descriptor.full_name)
            return found or Plan(GetMessageClass(descriptor), pool, known)

        extensions = pool.FindAllExtensions(self.descriptor)
        self.fields = [Field(field, message_class, plan_of) for field in (*self.descriptor.fields, *extensions)]
        self.width = max(1, len(self.fields))
        self._has = message_class.HasField
        simple = [field for field in self.fields if field.simple]
        self._names = tuple(field.name for field in simple)
        self._fetch = _fetcher(self._names)
        present = [field for field in simple if field.presence]
        self._optional = tuple(field.name for field in present if not field.descriptor.default_value)
        self._defaulted = tuple(field.name for field in present if field.descriptor.default_value)
        self._convert = tuple((field.name, field.convert) for field in simple if field.convert is not None)
        self._complex = tuple(field for field in self.fields if not field.simple)
        self._template = dict.fromkeys(field.name for field in self.fields)

    @property
    def recursive(self) -> bool:
        """Whether a message of this type can contain one of its own type."""
        return self.name in {plan.name for plan in self._below()}

    def _below(self) -> Iterator[Plan]:
        seen: set[str] = set()
        pending = [field.child for field in self.fields]
        while pending:
            plan = pending.pop()
            if plan is not None and plan.name not in seen:
                seen.add(plan.name)
                yield plan
                pending.extend(field.child for field in plan.fields)

    def read(self, body: bytes | bytearray | memoryview, limits: Limits, columns: bool = False) -> Any:
        """A whole body as a `Message`, or as the value of a well-known type. Raises DecodeError."""
        try:
            message = self._class.FromString(bytes(body))
        except GoogleDecodeError:
            raise DecodeError(
                f"the body is not a {self.name} message: it is malformed, cut off or of another type; "
                "check messageType= and the schema"
            ) from None
        if not message.IsInitialized():
            raise DecodeError(
                f"the {self.name} message lacks required fields: {', '.join(message.FindInitializationErrors())}"
            )
        if len(UnknownFieldSet(message)) and not message.ListFields():
            raise DecodeError(f"no field of the body belongs to {self.name}; check messageType= and the schema")
        reading = Reading(limits)
        reading.take(self.width, self.name)
        reader = READERS.get(self.name)
        try:
            if reader is not None:
                value = reader(message)
                return Message(value) if isinstance(value, dict) else value
            values = self.row(message, reading)
            return Message(values, self, reading.unknown)
        except UnicodeDecodeError as error:
            raise DecodeError(f"a text field of the {self.name} message is not valid UTF-8: {error.reason}") from None
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"the {self.name} message is not valid: {error}") from None

    def row(self, message: Any, reading: Reading) -> dict[str, object]:
        """One message as a dict."""
        values: dict[str, Any] = self._template.copy()
        values.update(zip(self._names, self._fetch(message)))  # noqa: B905
        for name in self._optional:
            if not values[name] and not self._has(message, name):
                values[name] = None
        for name in self._defaulted:
            if not self._has(message, name):
                values[name] = None
        for name, convert in self._convert:
            if values[name] is not None:
                values[name] = convert(values[name])
        if self._complex:
            reading.depth += 1
            if reading.depth > reading.limits.max_depth:
                raise DecodeError(
                    f"the message is nested more than {reading.limits.max_depth} levels deep; send flatter data"
                )
            for field in self._complex:
                values[field.name] = field.read(message, reading)
            reading.depth -= 1
        reading.unknown += len(UnknownFieldSet(message))
        return values

    def rows(self, messages: Any, reading: Reading) -> list[dict[str, object]]:
        """A repeated field as a list of dicts."""
        reading.take(len(messages) * self.width, self.name)
        if self._complex:
            return [self.row(message, reading) for message in messages]
        names, fetch, has, optional = self._names, self._fetch, self._has, self._optional
        rows: list[dict[str, object]] = []
        for message in messages:
            values = dict(zip(names, fetch(message)))  # noqa: B905
            for name in optional:
                if not values[name] and not has(message, name):
                    values[name] = None
            rows.append(values)
        for name in self._defaulted:
            for message, values in zip(messages, rows):  # noqa: B905
                if not has(message, name):
                    values[name] = None
        for name, convert in self._convert:
            for values in rows:
                if values[name] is not None:
                    values[name] = convert(values[name])
        reading.unknown += sum(map(len, map(UnknownFieldSet, messages)))
        return rows


def compile_plan(message_class: Any, pool: DescriptorPool) -> Plan:
    """The plan of a message type and of all types below it."""
    return Plan(message_class, pool, {})


def _fetcher(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda message: ()
    if len(names) == 1:
        get = attrgetter(names[0])
        return lambda message: (get(message),)
    return attrgetter(*names)

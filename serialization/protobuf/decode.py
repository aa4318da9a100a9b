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
| repeated | list; of messages a list of dicts, or on request a dict of columns |
| map | dict, its keys sorted |
| extension (proto2) | under `[full.name]` |
| unknown field | counted |

How it is fast: each message type is compiled once into a plan. One `attrgetter` fetches all scalars of a message in one
call into C, where `ListFields` or the JSON mapping cross into Python for each field. Presence costs a call only for
values that equal the default: what differs from it must have been set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import compress, filterfalse
from operator import attrgetter, not_
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError as GoogleDecodeError
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from serialization.errors import DecodeError
from serialization.limits import Limits

from .fields import Field, is_required
from .flatten import join
from .message import Message
from .weight import BodyWeigher
from .wellknown import READERS

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool


_Has = Callable[[str], bool]
_MANY = 4  # messages from which on columns are faster than rows


class Reading:
    """What one body may still cost, and what was found in it."""

    __slots__ = ("_items", "_max_depth", "_max_items", "depth", "unknown")

    def __init__(self, limits: Limits) -> None:
        self._max_items = self._items = limits.max_items
        self._max_depth = limits.max_depth
        self.depth = 0
        self.unknown = 0

    def take(self, items: int, name: str) -> None:
        """Count values that are about to be made. Raises DecodeError past the limit."""
        self._items -= items
        if self._items < 0:
            raise DecodeError(
                f"the message has more than {self._max_items} values, at {name}; send fewer in one request"
            )

    def enter(self) -> None:
        """One level down. Raises DecodeError past the limit."""
        self.depth += 1
        if self.depth > self._max_depth:
            raise DecodeError(f"the message is nested more than {self._max_depth} levels deep; send flatter data")


class MessagePlan:
    """How to read one message type. Made by `compile_plan`; safe to share between threads.

    name: the type's full name. fields: in the schema's order. width: values that one message costs. own_required:
    whether one of its own fields is required.
    """

    def __init__(self, message_class: Any, pool: DescriptorPool, known: dict[str, MessagePlan]) -> None:
        descriptor: Descriptor = message_class.DESCRIPTOR
        self.name: str = descriptor.full_name
        self._class = message_class
        self._pool = pool
        known[self.name] = self

        def plan_of(of: Descriptor) -> MessagePlan:
            return known.get(of.full_name) or MessagePlan(GetMessageClass(of), pool, known)

        declared = (*descriptor.fields, *pool.FindAllExtensions(descriptor))
        self.fields = tuple(Field(field, message_class, plan_of) for field in declared)
        self.width = max(1, len(self.fields))
        self._by_name = {field.name: field for field in self.fields}
        self._template = dict.fromkeys(self._by_name)
        self._has: Callable[[Any, str], bool] = message_class.HasField
        simple = [field for field in self.fields if field.simple]
        self._names = tuple(field.name for field in simple)
        self._fetch = _fetcher(self._names)
        self._optional = tuple(field.name for field in simple if field.presence and not field.default)
        self._defaulted = tuple(field.name for field in simple if field.presence and field.default)
        self._convert = tuple((field.name, field.convert) for field in simple if field.convert is not None)
        self.own_required = any(is_required(field) for field in declared)
        self._complex = tuple(field for field in self.fields if not field.simple)

    def field(self, name: str) -> Field:
        """A field by its name. KeyError where there is none."""
        return self._by_name[name]

    @cached_property
    def recursive(self) -> bool:
        """Whether a message of this type can contain one of its own type."""
        return self in self._below

    @cached_property
    def _requires(self) -> bool:
        """Whether a field of this type or of one below is required."""
        return any(plan.own_required for plan in (self, *self._below))

    @cached_property
    def _scale(self) -> BodyWeigher:
        return BodyWeigher(self._class.DESCRIPTOR, self._pool, {})

    @cached_property
    def _below(self) -> frozenset[MessagePlan]:
        found: set[MessagePlan] = set()
        pending = [field.child for field in self.fields]
        while pending:
            plan = pending.pop()
            if plan is not None and plan not in found:
                found.add(plan)
                pending.extend(field.child for field in plan.fields)
        return frozenset(found)

    def read(self, body: bytes | bytearray | memoryview, limits: Limits, columns: bool = False) -> Any:
        """A whole body as a `Message`, or as the value of a well-known type. Raises DecodeError.

        columns: the repeated messages of the outermost message as dicts of columns.
        """
        body = bytes(body)
        self._scale.check(body, self.name, limits)
        try:
            message = self._class.FromString(body)
        except GoogleDecodeError:
            raise DecodeError(
                f"the body is not a {self.name} message: it is malformed, cut off or of another type; "
                "check messageType= and the schema"
            ) from None
        of_class = self._class
        if self._requires and not of_class.IsInitialized(message):
            missing = ", ".join(of_class.FindInitializationErrors(message))
            raise DecodeError(f"the {self.name} message lacks required fields: {missing[:200]}")
        if len(UnknownFieldSet(message)) and not of_class.ListFields(message):
            raise DecodeError(f"no field of the body belongs to {self.name}; check messageType= and the schema")
        reading = Reading(limits)
        reading.take(self.width, self.name)
        reader = READERS.get(self.name)
        try:
            if reader is not None:
                value = reader(message)
                return Message(value) if isinstance(value, dict) else value
            values = self.row(message, reading, columns)
        except UnicodeDecodeError as error:
            raise DecodeError(f"a text field of the {self.name} message is not valid UTF-8: {error.reason}") from None
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"the {self.name} message is not valid: {error}") from None
        return Message(values, self, reading.unknown)

    def row(self, message: Any, reading: Reading, columns: bool = False) -> dict[str, object]:
        """One message as a dict; its repeated messages as dicts of columns where asked."""
        values: dict[str, Any] = self._template.copy()
        values.update(zip(self._names, self._fetch(message)))  # noqa: B905 - as many as names
        for name in filterfalse(values.get, self._optional):
            if not self._has(message, name):
                values[name] = None
        for name in self._defaulted:
            if not self._has(message, name):
                values[name] = None
        for name, convert in self._convert:
            values[name] = convert(values[name])
        if self._complex:
            reading.enter()
            for field in self._complex:
                values[field.name] = field.read_columns(message, reading) if columns else field.read(message, reading)
            reading.depth -= 1
        reading.unknown += len(UnknownFieldSet(message))
        return values

    def rows(self, messages: Any, reading: Reading) -> list[dict[str, object]]:
        """A repeated field as a list of dicts. Many are fetched column by column, which costs less for each value."""
        reading.take(len(messages) * self.width, self.name)
        if len(messages) < _MANY:
            return [self.row(message, reading) for message in messages]
        messages = list(messages)
        has = self._has_of_each(messages)
        rows: list[dict[str, object]] = [self._template.copy() for _ in messages]
        reading.enter()
        for field in self.fields:
            name = field.name
            for values, value in zip(rows, self._column(field, messages, has, reading)):  # noqa: B905 - as many
                values[name] = value
        reading.depth -= 1
        reading.unknown += sum(map(len, map(UnknownFieldSet, messages)))
        return rows

    def columns(self, messages: Sequence[Any], reading: Reading) -> dict[str, list[object]]:
        """A repeated field as a dict of lists, nested messages flattened as `flatten` names them."""
        reading.take(len(messages) * self.width, self.name)
        taken = {field.name for field in self.fields if not field.nests}
        has = self._has_of_each(messages)
        out: dict[str, list[object]] = {}
        for field in self.fields:
            if field.nests and field.child is not None:
                for child, values in _nested_columns(field, field.child, messages, reading).items():
                    name = join(field.name, child, taken)
                    taken.add(name)
                    out[name] = values
            else:
                out[field.name] = self._column(field, messages, has, reading)
        reading.unknown += sum(map(len, map(UnknownFieldSet, messages)))
        return out

    def _has_of_each(self, messages: Sequence[Any]) -> list[_Has]:
        """`HasField` of each message; a field may be called so and hide the method."""
        if "HasField" in self._by_name:
            return [partial(self._has, message) for message in messages]
        return [message.HasField for message in messages]

    def _column(self, field: Field, messages: Sequence[Any], has: Sequence[_Has], reading: Reading) -> list[object]:
        """One field of many messages."""
        if not field.simple:
            return [field.read(message, reading) for message in messages]
        values: list[Any] = list(map(field.get, messages))
        if field.presence:
            name, each = field.name, range(len(values))
            for at in each if field.default else compress(each, map(not_, values)):
                if not has[at](name):
                    values[at] = None
        return values if field.convert is None else list(map(field.convert, values))


def compile_plan(message_class: Any, pool: DescriptorPool) -> MessagePlan:
    """The plan of a message type and of all types below it."""
    return MessagePlan(message_class, pool, {})


def _nested_columns(
    field: Field, plan: MessagePlan, messages: Sequence[Any], reading: Reading
) -> dict[str, list[object]]:
    """The columns of the message, or the messages, that a field holds; None, or lists, for each of the messages."""
    if field.repeated:
        each = [plan.columns(list(field.get(message)), reading) for message in messages]
        return {name: [columns[name] for columns in each] for name in plan.columns((), reading)}
    given = [field.has(message) for message in messages]
    present = [field.get(message) for message, has in zip(messages, given, strict=True) if has]
    columns = plan.columns(present, reading)
    if len(present) == len(given):
        return columns
    remaining = {name: iter(values) for name, values in columns.items()}
    return {name: [next(values) if has else None for has in given] for name, values in remaining.items()}


def _fetcher(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda message: ()
    if len(names) == 1:
        get = attrgetter(names[0])
        return lambda message: (get(message),)
    return attrgetter(*names)

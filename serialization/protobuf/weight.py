"""What a protobuf body would cost once it is parsed, read from its wire format before the parser takes memory for it.

Two bytes are enough for an empty message in a repeated field, and protobuf's parser takes room for all of its fields:
6 MB of such items with 200 doubles are 5 GB. So the messages of a body are counted first, each with what it costs: its
fields, and `MESSAGE` more for what Python keeps of it. Only levels that can hold messages are read; a message without any
is skipped by its length. A body that is too small to cost much is not read at all (`BodyWeigher.suffices`).

Malformed bodies end the count without an error: the parser says what is wrong with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from serialization.errors import DecodeError

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool

    from serialization.limits import Limits

MESSAGE = 5
"""What a message costs beside its fields, in values."""
_MAP_ENTRY = 3
_MAX_DEPTH = 100
"""Levels after which protobuf's own parser gives up."""
_LARGE = 32_768
"""Bytes from which on a message without messages is read for its unknown fields."""
_MESSAGES = frozenset({FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_GROUP})


class BodyWeigher:
    """Weighs bodies of one message type. cost: what an empty message costs, in values."""

    __slots__ = ("_dearest", "cost", "fields", "holds_messages")

    def __init__(self, descriptor: Descriptor, pool: DescriptorPool, known: dict[str, BodyWeigher]) -> None:
        known[descriptor.full_name] = self
        declared: list[Any] = [*descriptor.fields, *pool.FindAllExtensions(descriptor)]
        is_entry = bool(descriptor.GetOptions().map_entry)
        plain = descriptor.full_name == "google.protobuf.Value"
        self.cost = _MAP_ENTRY if is_entry else MESSAGE + (1 if plain else len(declared))
        #: By field number: the scale of the messages it holds, None for a scalar.
        self.fields: dict[int, BodyWeigher | None] = {}
        for field in declared:
            of = field.message_type if field.type in _MESSAGES else None
            scale = None if of is None else known.get(of.full_name) or BodyWeigher(of, pool, known)
            self.fields[field.number] = scale
        self.holds_messages = any(scale is not None for scale in self.fields.values())
        self._dearest: int | None = None

    def suffices(self, size: int, limits: Limits) -> bool:
        """Whether a body of this many bytes needs no weighing: not even of the dearest messages could it hold too many."""
        if self._dearest is None:
            self._dearest = max(scale.cost for scale in self._all())
        most = size // 2 + 1
        return most * self._dearest <= limits.max_items and most <= limits.max_objects

    def check(self, body: bytes, name: str, limits: Limits) -> None:
        """Raise DecodeError where the body's messages are too many, or cost more than `max_items` values."""
        if self.suffices(len(body), limits):
            return
        try:
            self._check(body, name, limits)
        except IndexError:
            return  # cut off

    def _check(self, body: bytes, name: str, limits: Limits) -> None:
        left, objects = limits.max_items, limits.max_objects
        fields, at, end = self.fields, 0, len(body)
        above: list[tuple[dict[int, BodyWeigher | None], int, bool]] = []
        while True:
            while at >= end:
                if not above:
                    return
                fields, end, _ = above.pop()
            tag = body[at]
            at += 1
            if tag > 127:
                tag, at = _varint(body, at - 1)
            wire = tag & 7
            number = tag >> 3
            if number in fields:
                scale = fields[number]
            else:
                scale = None
                objects -= 1
                if objects < 0:
                    raise _too_many(name, limits)
            size = 0
            if wire == 2:
                size = body[at]
                at += 1
                if size > 127:
                    size, at = _varint(body, at - 1)
            elif wire == 0:
                while body[at] > 127:
                    at += 1
                at += 1
                continue
            elif wire == 1 or wire == 5:
                at += 8 if wire == 1 else 4
                continue
            elif wire == 4:
                if not above or not above[-1][2]:
                    return
                fields, end, _ = above.pop()
                continue
            elif wire != 3:
                return
            if scale is not None:
                left -= scale.cost
                objects -= 1
            if left < 0 or objects < 0:
                raise _too_many(name, limits)
            if len(above) > _MAX_DEPTH:
                return
            if wire == 3:
                above.append((fields, end, True))
                fields = {} if scale is None else scale.fields
            elif scale is not None and (scale.holds_messages or size > _LARGE):
                above.append((fields, end, False))
                fields, end = scale.fields, min(at + size, end)
            else:
                at += size

    def _all(self) -> set[BodyWeigher]:
        found: set[BodyWeigher] = set()
        pending: list[BodyWeigher | None] = [self]
        while pending:
            scale = pending.pop()
            if scale is not None and scale not in found:
                found.add(scale)
                pending.extend(scale.fields.values())
        return found


def _too_many(name: str, limits: Limits) -> DecodeError:
    return DecodeError(
        f"the {name} message unfolds to more than {limits.max_objects} messages and unknown fields, or to messages of "
        f"more than {limits.max_items} fields in all; send fewer items in one request"
    )


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A varint and the place after it."""
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError(at)

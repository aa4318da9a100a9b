"""Random protobuf schemas, random messages of them, and a slow reading of a message to hold the fast one against.

The reading here knows nothing of plans: it asks each field, by reflection, what it is and whether it was set.
"""

import base64
import math

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.serialization.bodies import FIELD, field, map_field

PACKAGE = "random"
INTEGERS = {
    FIELD.TYPE_INT32: (-(2**31), 2**31 - 1),
    FIELD.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FIELD.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FIELD.TYPE_UINT32: (0, 2**32 - 1),
    FIELD.TYPE_FIXED32: (0, 2**32 - 1),
    FIELD.TYPE_INT64: (-(2**63), 2**63 - 1),
    FIELD.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FIELD.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FIELD.TYPE_UINT64: (0, 2**64 - 1),
    FIELD.TYPE_FIXED64: (0, 2**64 - 1),
}
SCALARS = (
    *INTEGERS,
    FIELD.TYPE_DOUBLE,
    FIELD.TYPE_FLOAT,
    FIELD.TYPE_BOOL,
    FIELD.TYPE_STRING,
    FIELD.TYPE_BYTES,
    FIELD.TYPE_ENUM,
)
KEYS = (*INTEGERS, FIELD.TYPE_BOOL, FIELD.TYPE_STRING)
NAMES = st.sampled_from(
    ["a", "b", "a_b", "b_a", "b_a_b", "HasField", "Clear", "from", "None", "items", "value", "x1", "DESCRIPTOR"]
)


@st.composite
def files(draw):
    """A file of one to four messages; a message holds scalars, maps, and messages, which may be of its own kind."""
    syntax = draw(st.sampled_from(["proto3", "proto2"]))
    file = descriptor_pb2.FileDescriptorProto(name="random.proto", package=PACKAGE, syntax=syntax)
    colour = file.enum_type.add(name="Colour")
    for number, name in ((0, "NONE"), (1, "RED"), (-5, "DEEP")):
        colour.value.add(name=name, number=number)
    count = draw(st.integers(2, 4))
    for at in range(count):
        message = file.message_type.add(name=f"M{at}")
        names = draw(st.lists(NAMES, unique_by=json_name, max_size=7))
        for number, name in enumerate(names, start=1):
            add_field(draw, file, message, name, number, at, count)
    return file


def json_name(name):
    """A field's name in JSON, without regard to case: a_b and a__b are one, and protobuf's runtime mixes them up."""
    return name.replace("_", "").lower()


def add_field(draw, file, message, name, number, at, count):
    """Add a field of any kind to the message M{at}."""
    kind = draw(st.sampled_from(("scalar", "scalar", "repeated", "oneof", "message", "messages", "map")))
    scalar = draw(st.sampled_from(SCALARS))
    of = f"{PACKAGE}.Colour" if scalar == FIELD.TYPE_ENUM else None
    other = f"{PACKAGE}.M{draw(st.integers(min(at + 1, count - 1), count - 1) if draw(st.integers(0, 4)) else st.integers(0, at))}"
    match kind:
        case "scalar":
            presence = file.syntax == "proto3" and draw(st.booleans())
            added = field(message, name, number, scalar, optional=presence, of=of)
            if file.syntax == "proto2" and scalar in INTEGERS and draw(st.booleans()):
                added.default_value = "7"
        case "repeated":
            field(message, name, number, scalar, FIELD.LABEL_REPEATED, of=of)
        case "oneof":
            field(message, name, number, scalar, of=of, oneof="choice")
        case "message":
            field(message, name, number, FIELD.TYPE_MESSAGE, of=other)
        case "messages":
            field(message, name, number, FIELD.TYPE_MESSAGE, FIELD.LABEL_REPEATED, of=other)
        case _:
            value = draw(st.sampled_from((*SCALARS, FIELD.TYPE_MESSAGE)))
            of = {FIELD.TYPE_ENUM: f"{PACKAGE}.Colour", FIELD.TYPE_MESSAGE: other}.get(value)
            map_field(message, f"{PACKAGE}.{message.name}", name, number, draw(st.sampled_from(KEYS)), value, of=of)


def message_class(file):
    """The class of M0, in a pool of its own."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.M0"))


def scalars(kind, closed):
    """Values of a scalar field. closed: an enum that holds no unknown numbers (proto2)."""
    if kind in INTEGERS:
        return st.sampled_from((0, 7, *INTEGERS[kind])) | st.integers(*INTEGERS[kind])
    return {
        FIELD.TYPE_DOUBLE: st.floats(),
        FIELD.TYPE_FLOAT: st.floats(width=32),
        FIELD.TYPE_BOOL: st.booleans(),
        FIELD.TYPE_STRING: st.text(max_size=5),
        FIELD.TYPE_BYTES: st.binary(max_size=5),
        FIELD.TYPE_ENUM: st.sampled_from((0, 1, -5) if closed else (0, 1, -5, 99)),
    }[kind]


@st.composite
def messages(draw, file):
    """A message of M0, fields set or not, nested a few levels."""
    message = message_class(file)()
    fill(draw, message, file.syntax == "proto2", 0)
    return message


def fill(draw, message, closed, depth):
    """Set some of the fields of a message."""
    for descriptor in type(message).DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        entry = descriptor.message_type
        if entry is not None and entry.GetOptions().map_entry:
            key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
            target = getattr(message, descriptor.name)
            for chosen in draw(st.lists(scalars(key.type, closed), max_size=3)):
                if value.message_type is None:
                    target[chosen] = draw(scalars(value.type, closed))
                elif depth < 3:
                    fill(draw, target[chosen], closed, depth + 1)
        elif entry is not None and depth >= 3:
            continue
        elif entry is not None and descriptor.is_repeated:
            for _ in range(draw(st.integers(0, 3))):
                fill(draw, getattr(message, descriptor.name).add(), closed, depth + 1)
        elif entry is not None:
            nested = getattr(message, descriptor.name)
            type(nested).SetInParent(nested)
            fill(draw, nested, closed, depth + 1)
        elif descriptor.is_repeated:
            getattr(message, descriptor.name).extend(draw(st.lists(scalars(descriptor.type, closed), max_size=4)))
        else:
            setattr(message, descriptor.name, draw(scalars(descriptor.type, closed)))


def read_slowly(message):
    """A message as a dict, by reflection."""
    return {descriptor.name: _read_field(message, descriptor) for descriptor in type(message).DESCRIPTOR.fields}


def _read_field(message, descriptor):
    value = getattr(message, descriptor.name)
    entry = descriptor.message_type
    if entry is not None and entry.GetOptions().map_entry:
        of = entry.fields_by_name["value"]
        return {key: _read_value(value[key], of) for key in sorted(value)}
    if descriptor.is_repeated:
        return [_read_value(item, descriptor) for item in value]
    if descriptor.has_presence and not type(message).HasField(message, descriptor.name):
        return None
    return _read_value(value, descriptor)


def _read_value(value, descriptor):
    if descriptor.type == FIELD.TYPE_MESSAGE:
        return read_slowly(value)
    if descriptor.type == FIELD.TYPE_ENUM:
        named = descriptor.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    if descriptor.type == FIELD.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return value


def same(left, right):
    """Equal, NaN to NaN, and of one type: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    return type(left) is type(right) and left == right

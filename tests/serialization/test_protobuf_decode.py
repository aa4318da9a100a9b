"""Protobuf to plain values: what the JSON mapping would lose is kept, and what is malformed or too much is refused."""

import math
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given
from hypothesis import strategies as st

from serialization import Codecs, DecodeError, Limits, Message, ProtobufSchema, UnsupportedMediaType
from tests.serialization import bodies
from tests.serialization.bodies import FIELD, PROTOBUF, descriptor_set, field, map_field


def one(name="M", syntax="proto3"):
    """A file with one message `test.M`, to add fields to."""
    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax=syntax)
    return file, file.message_type.add(name=name)


def read(file, fill, **options):
    """Decode what `fill` makes of an empty `test.M`."""
    schema = ProtobufSchema(descriptor_set(file), "test.M")
    message = schema.message_class("test.M")()
    fill(message)
    return schema.decode(message.SerializeToString(), **options)


def test_a_request_keeps_every_kind_of_value():
    value = bodies.request_value()
    read_back = bodies.codecs().decode(
        bodies.codecs().encode(value, f"{PROTOBUF}; messageType=ranking.Request")[0], PROTOBUF
    )
    assert isinstance(read_back, Message)
    assert read_back.plan is not None
    assert read_back == value | {"planes": {7: value["planes"]["7"]}}
    assert list(read_back) == [field.name for field in read_back.plan.fields]
    flights: Any = read_back["flights"]
    assert list(flights[0]) == list(value["flights"][0])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (FIELD.TYPE_INT64, 2**63 - 1),
        (FIELD.TYPE_INT64, -(2**63)),
        (FIELD.TYPE_UINT64, 2**64 - 1),
        (FIELD.TYPE_FIXED64, 2**53 + 1),
        (FIELD.TYPE_DOUBLE, 0.1),
        (FIELD.TYPE_DOUBLE, -0.0),
        (FIELD.TYPE_DOUBLE, math.inf),
        (FIELD.TYPE_FLOAT, 0.10000000149011612),
        (FIELD.TYPE_STRING, "ü\x00😀"),
        (FIELD.TYPE_BOOL, True),
    ],
)
def test_a_scalar_keeps_its_value_and_its_type(kind, value):
    file, message = one()
    field(message, "x", 1, kind)
    decoded = read(file, lambda made: setattr(made, "x", value))["x"]
    assert type(decoded) is type(value)
    assert (decoded, math.copysign(1, decoded) if isinstance(decoded, float) else 0) == (
        value,
        math.copysign(1, value) if isinstance(value, float) else 0,
    )


@pytest.mark.parametrize(
    ("kind", "zero"),
    [(FIELD.TYPE_INT64, 0), (FIELD.TYPE_DOUBLE, 0.0), (FIELD.TYPE_STRING, ""), (FIELD.TYPE_BOOL, False)],
)
def test_not_set_is_none_where_presence_is_known_and_zero_where_it_is_not(kind, zero):
    file, message = one()
    field(message, "implicit", 1, kind)
    field(message, "unset", 2, kind, optional=True)
    field(message, "zero", 3, kind, optional=True)
    field(message, "other", 4, kind, oneof="choice")
    field(message, "chosen", 5, kind, oneof="choice")
    field(message, "some", 6, FIELD.TYPE_INT32)

    def fill(made):
        made.zero = made.chosen = zero
        made.some = 1

    assert read(file, fill) == {"implicit": zero, "unset": None, "zero": zero, "other": None, "chosen": zero, "some": 1}


def test_a_default_of_proto2_is_none_until_it_is_set():
    file, message = one(syntax="proto2")
    for number, name in enumerate(("unset", "set"), start=1):
        field(message, name, number, FIELD.TYPE_INT32, default="7")
        field(message, f"nan_{name}", number + 2, FIELD.TYPE_DOUBLE, default="nan")

    def fill(made):
        made.set = 7
        made.nan_set = math.nan

    schema = ProtobufSchema(descriptor_set(file), "test.M")
    made = schema.message_class("test.M")()
    fill(made)
    for decoded in (schema.decode(made.SerializeToString()), schema.decode(made.SerializeToString(), columns=True)):
        assert (decoded["unset"], decoded["set"], decoded["nan_unset"]) == (None, 7, None)
        assert math.isnan(decoded["nan_set"])


def test_an_enum_is_its_name_and_a_number_without_one_stays_a_number():
    file, message = one()
    colour = file.enum_type.add(name="Colour")
    colour.options.allow_alias = True
    for name, number in (("NONE", 0), ("RED", 1), ("ROT", 1)):
        colour.value.add(name=name, number=number)
    field(message, "one", 1, FIELD.TYPE_ENUM, of="test.Colour")
    field(message, "many", 2, FIELD.TYPE_ENUM, FIELD.LABEL_REPEATED, of="test.Colour")
    map_field(message, "test.M", "mapped", 3, FIELD.TYPE_STRING, FIELD.TYPE_ENUM, of="test.Colour")

    def fill(made):
        made.one = 9
        made.many.extend([0, 1, -1])
        made.mapped["k"] = 1

    decoded = read(file, fill)
    assert (decoded["one"], decoded["many"], decoded["mapped"]) == (
        9,
        ["NONE", decoded["mapped"]["k"], -1],
        decoded["mapped"],
    )
    assert decoded["mapped"]["k"] in ("RED", "ROT")


def test_an_unknown_number_of_a_proto2_enum_is_an_unknown_field():
    file, message = one(syntax="proto2")
    file.enum_type.add(name="Colour").value.add(name="NONE", number=0)
    field(message, "one", 1, FIELD.TYPE_ENUM, of="test.Colour")
    field(message, "x", 2, FIELD.TYPE_INT32)
    decoded = ProtobufSchema(descriptor_set(file), "test.M").decode(b"\x08\x09\x10\x01")
    assert (decoded, decoded.unknown_fields) == ({"one": None, "x": 1}, 1)


@pytest.mark.parametrize(
    ("name", "fill", "value"),
    [
        ("Timestamp", {"seconds": 1372654800}, "2013-07-01T05:00:00Z"),
        ("Timestamp", {"seconds": 1372654800, "nanos": 120_000_000}, "2013-07-01T05:00:00.120Z"),
        ("Timestamp", {"seconds": -1, "nanos": 999_999_999}, "1969-12-31T23:59:59.999999999Z"),
        ("Timestamp", {"seconds": -62135596800}, "0001-01-01T00:00:00Z"),
        ("Timestamp", {"seconds": 253402300799, "nanos": 999_999_999}, "9999-12-31T23:59:59.999999999Z"),
        ("Duration", {"seconds": -1, "nanos": -500_000_000}, -1.5),
        ("Duration", {"nanos": 1}, 1e-9),
        ("Int64Value", {"value": 2**62 + 1}, 2**62 + 1),
        ("BoolValue", {}, False),
        ("StringValue", {"value": "ü"}, "ü"),
        ("BytesValue", {"value": b"\x00\xff"}, "AP8="),
        ("FieldMask", {"paths": ["a", "b.c"]}, "a,b.c"),
    ],
)
def test_a_well_known_type_is_its_value_and_none_when_absent(name, fill, value):
    file, message = one()
    source = {"Timestamp": "timestamp", "Duration": "duration", "FieldMask": "field_mask"}.get(name, "wrappers")
    file.dependency.append(f"google/protobuf/{source}.proto")
    field(message, "x", 1, FIELD.TYPE_MESSAGE, of=f"google.protobuf.{name}")
    field(message, "absent", 2, FIELD.TYPE_MESSAGE, of=f"google.protobuf.{name}")
    field(message, "many", 3, FIELD.TYPE_MESSAGE, FIELD.LABEL_REPEATED, of=f"google.protobuf.{name}")
    map_field(message, "test.M", "mapped", 4, FIELD.TYPE_INT32, FIELD.TYPE_MESSAGE, of=f"google.protobuf.{name}")

    def set_all(made):
        for target in (made.x, made.many.add(), made.mapped[1]):
            target.SetInParent()
            for part, given_value in fill.items():
                if isinstance(given_value, list):
                    getattr(target, part).extend(given_value)
                else:
                    setattr(target, part, given_value)

    assert read(file, set_all) == {"x": value, "absent": None, "many": [value], "mapped": {1: value}}


@pytest.mark.parametrize(
    ("name", "seconds", "nanos"),
    [
        ("Timestamp", 253402300800, 0), ("Timestamp", -62135596801, 0), ("Timestamp", 0, -1), ("Timestamp", 0, 10**9),
        ("Duration", 315576000001, 0), ("Duration", 1, -1), ("Duration", -1, 1), ("Duration", 0, 10**9),
    ],
)  # fmt: skip
def test_a_time_that_does_not_exist_is_refused_by_its_fields_name(name, seconds, nanos):
    file, message = one()
    file.dependency.append(f"google/protobuf/{name.lower()}.proto")
    field(message, "when", 1, FIELD.TYPE_MESSAGE, of=f"google.protobuf.{name}")

    def fill(made):
        made.when.seconds, made.when.nanos = seconds, nanos

    with pytest.raises(DecodeError, match=r"field test\.M\.when is not valid"):
        read(file, fill)


def test_a_struct_is_the_json_it_stands_for():
    value = bodies.request_value()
    options: dict[str, Any] = {
        "none": None,
        "yes": True,
        "number": -1.5,
        "text": "x",
        "list": [1.0, [None, {}]],
        "dict": {"a": {"b": []}},
    }
    body = bodies.ranking().encode(value | {"options": options}, "ranking.Request")
    assert bodies.ranking().decode(body)["options"] == options


def test_a_well_known_type_can_be_the_whole_request():
    file, message = one()
    file.dependency.append("google/protobuf/struct.proto")
    field(message, "x", 1, FIELD.TYPE_MESSAGE, of="google.protobuf.Struct")
    schema = ProtobufSchema(descriptor_set(file), "google.protobuf.Struct", "google.protobuf.Struct")
    assert schema.decode(schema.encode({"a": [1.0]})) == {"a": [1.0]}


@given(
    st.dictionaries(st.integers(-(2**31), 2**31 - 1), st.binary(max_size=3)),
    st.dictionaries(st.booleans(), st.floats(allow_nan=False)),
)
def test_maps_keep_the_types_of_their_keys_in_order(integers, flags):
    file, message = one()
    map_field(message, "test.M", "integers", 1, FIELD.TYPE_SINT32, FIELD.TYPE_BYTES)
    map_field(message, "test.M", "flags", 2, FIELD.TYPE_BOOL, FIELD.TYPE_DOUBLE)
    field(message, "some", 3, FIELD.TYPE_INT32)

    def fill(made):
        made.integers.update(integers)
        made.flags.update(flags)
        made.some = 1

    decoded = read(file, fill)
    assert list(decoded["integers"]) == sorted(integers)
    assert decoded["flags"] == flags
    assert all(type(key) is bool for key in decoded["flags"])


def test_an_extension_is_read_under_its_full_name_and_a_group_as_a_message():
    file, message = one(syntax="proto2")
    message.extension_range.add(start=100, end=200)
    field(message, "x", 1, FIELD.TYPE_INT32)
    group = message.nested_type.add(name="Part")
    field(group, "y", 1, FIELD.TYPE_INT32)
    field(message, "part", 2, FIELD.TYPE_GROUP, of="test.M.Part")
    for name, number, label in (("note", 100, FIELD.LABEL_OPTIONAL), ("tags", 101, FIELD.LABEL_REPEATED)):
        file.extension.add(name=name, number=number, type=FIELD.TYPE_STRING, label=label, extendee=".test.M")
    schema = ProtobufSchema(descriptor_set(file), "test.M")
    body = b"\x08\x01\x13\x08\x05\x14\xa2\x06\x01n\xaa\x06\x01a\xaa\x06\x01b"
    decoded = schema.decode(body)
    assert decoded == {"x": 1, "part": {"y": 5}, "[test.note]": "n", "[test.tags]": ["a", "b"]}
    assert decoded.unknown_fields == 0


def test_unknown_fields_are_counted_at_every_level_in_rows_and_in_columns():
    flight = b"\x0a\x02N1" + b"\x98\x06\x01" + b"\xa0\x06\x01"
    body = b"\x0a\x03JFK" + b"\x3a" + bytes([len(flight)]) + flight + b"\xf8\x07\x01"
    for columns in (False, True):
        payload = bodies.codecs().read(body, PROTOBUF, columns=columns)
        assert payload.unknown_fields == payload.value.unknown_fields == 3
        assert (payload.value["flights"]["tail"] if columns else [payload.value["flights"][0]["tail"]]) == ["N1"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xff", "not a ranking.Request message: it is malformed, cut off"),
        (b"\x0a\x05JFK", "cut off"),
        (b"\x0a\x02\xff\xff", "malformed"),
        (b'{"airport": "JFK"}', "ranking.Request"),
        (b"\xf8\x07\x01", "no field of the body belongs to ranking.Request; check messageType="),
    ],
)
def test_what_is_not_the_message_is_refused_with_its_name(body, says):
    with pytest.raises(DecodeError, match=says):
        bodies.codecs().decode(body, PROTOBUF)


def test_a_message_without_its_required_fields_is_refused_by_their_names():
    file, message = one(syntax="proto2")
    field(message, "needed", 1, FIELD.TYPE_INT32, FIELD.LABEL_REQUIRED)
    field(message, "inner", 2, FIELD.TYPE_MESSAGE, of="test.M")
    schema = ProtobufSchema(descriptor_set(file), "test.M")
    with pytest.raises(DecodeError, match=r"lacks required fields: needed, inner\.needed"):
        schema.decode(b"\x12\x00")


@pytest.mark.parametrize("body", [b"\x0a\x01\xff\x10\x01", b"\x1a\x06\x0a\x01\xff\x12\x01x\x10\x01"])
def test_text_of_proto2_that_is_not_utf8_is_refused(body):
    file, message = one(syntax="proto2")
    field(message, "text", 1, FIELD.TYPE_STRING)
    field(message, "some", 2, FIELD.TYPE_INT32)
    map_field(message, "test.M", "mapped", 3, FIELD.TYPE_STRING, FIELD.TYPE_STRING)
    for columns in (False, True):
        with pytest.raises(DecodeError, match="not valid UTF-8"):
            ProtobufSchema(descriptor_set(file), "test.M").decode(body, columns=columns)


def test_nesting_beyond_the_limit_is_refused():
    body = b"\x08\x01"
    for _ in range(60):
        body = (
            b"\x12" + (bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])) + body
        )
    kind = f"{PROTOBUF}; messageType=ranking.Node"
    assert bodies.codecs().decode(body, kind)["next"]["value"] == 0
    with pytest.raises(DecodeError, match="nested more than 20 levels"):
        Codecs(protobuf=bodies.ranking(), limits=Limits(max_depth=20)).decode(body, kind)
    bomb = b"".join(b"\x12\xff\xff\xff\x7f" for _ in range(100_000))
    with pytest.raises(DecodeError):
        bodies.codecs().decode(bomb, kind)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\x3a\x00" * 1000, PROTOBUF),
        (b"\x3a\x06\x42\x00\x42\x00\x42\x00" * 300, PROTOBUF),
        (b"\x4a\x04\x08\x01\x12\x00" + b"".join(b"\x4a\x05\x08" + bytes([128 | at & 127, at >> 7]) + b"\x12\x00" for at in range(999)), PROTOBUF),
        (b"\x0a\x87\x27" + bytes(8) * 625, f"{PROTOBUF}; messageType=ranking.Scores"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("columns", [False, True])
def test_empty_items_cannot_unfold_past_the_limit(body, kind, columns):
    body = body if kind == PROTOBUF else b"\x0a\x88\x27" + bytes(8) * 625
    with pytest.raises(DecodeError, match=r"more than 600 (fields|values)"):
        Codecs(protobuf=bodies.ranking(), limits=Limits(max_items=600)).decode(body, kind, columns=columns)


def test_the_content_type_names_the_message_and_wins_over_the_settings():
    codecs = bodies.codecs()
    body = codecs.encode([{"tail": "N1"}], PROTOBUF)[0]
    assert codecs.decode(body, f'{PROTOBUF}; messageType="ranking.Response"')["items"][0]["tail"] == "N1"
    with pytest.raises(UnsupportedMediaType, match=r"messageType=no\.Such is not known; there are ranking\.Flight"):
        codecs.decode(body, f"{PROTOBUF}; messageType=no.Such")
    nameless: Any = Codecs(protobuf=ProtobufSchema(descriptor_set(bodies.ranking_file())))
    with pytest.raises(UnsupportedMediaType, match=r"add messageType= to the content type, or set PROTOBUF_REQUEST"):
        nameless.decode(body, PROTOBUF)
    assert nameless.decode(body, f"{PROTOBUF}; messageType=ranking.Response")["items"][0]["tail"] == "N1"


def test_fields_may_be_called_what_protobuf_calls_its_own_methods():
    file, message = one()
    names = (
        "HasField",
        "ListFields",
        "Clear",
        "DESCRIPTOR",
        "IsInitialized",
        "from",
        "None",
        "SetInParent",
        "Extensions",
    )
    for number, name in enumerate(names, start=1):
        field(message, name, number, FIELD.TYPE_INT32, optional=number % 2 == 0)
    schema = ProtobufSchema(descriptor_set(file), "test.M", "test.M")
    body = schema.encode({name: number for number, name in enumerate(names)})
    assert schema.decode(body) == {name: number for number, name in enumerate(names)}
    assert schema.decode(b"\x08\x05") == {name: [0, None][at % 2] if at else 5 for at, name in enumerate(names)}


def test_a_message_copies_as_a_plain_dict():
    import copy

    decoded = bodies.ranking().decode(b"\x0a\x03JFK")
    assert type(copy.deepcopy(decoded)) is dict
    assert copy.deepcopy(decoded) == decoded

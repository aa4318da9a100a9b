"""Nested messages as columns, and the names that they get."""

import pytest
from google.protobuf import descriptor_pb2

from serialization import ProtobufSchema, flatten, split
from tests.serialization import bodies
from tests.serialization.bodies import FIELD, descriptor_set, field


def request(columns=False):
    body = bodies.ranking().encode(bodies.request_value(), "ranking.Request")
    return bodies.ranking().decode(body, columns=columns)


FLIGHTS: dict[str, list[object]] = {
    "tail": ["N1", ""], "number": [2**62 + 1, 0], "distance": [1.5, 0.0], "delay": [0.0, None], "carrier": ["DELTA", "UNKNOWN"],
    "plane_seats": [180, None], "plane_year": [None, None], "embedding": [[0.5, -1.0], []], "legs_code": [["A"], []],
    "legs_miles": [[3.0], []], "gate": [None, "B4"], "stand": [0, None], "raw": ["AAE=", ""], "cancelled": [False, None],
}  # fmt: skip
ABOVE = {
    "airport": "JFK", "hour": "2013-07-01T05:00:00.000000001Z", "wait": -1.5, "limit": 0,
    "options": {"a": [1.0, None, "x", True], "b": {}}, "mask": "a,b.c",
}  # fmt: skip
MAPS = {"weights": {"x": 1.0, "y": 0.0}, "planes": {7: {"seats": 180, "year": None}}}


@pytest.mark.parametrize("columns", [False, True])
def test_a_nested_field_is_called_parent_and_child(columns):
    flat = flatten(request(columns))
    assert flat == ABOVE | {f"flights_{name}": values for name, values in FLIGHTS.items()} | MAPS
    assert list(flat) == [*ABOVE, *(f"flights_{name}" for name in FLIGHTS), *MAPS]


@pytest.mark.parametrize("columns", [False, True])
def test_a_request_splits_into_what_stands_above_its_items_and_the_items(columns):
    above, items = split(request(columns))
    assert above == ABOVE | MAPS
    assert items == [{name: values[at] for name, values in FLIGHTS.items()} for at in (0, 1)]


def test_columns_are_what_decoding_gives_when_asked():
    assert request(columns=True)["flights"] == FLIGHTS
    assert bodies.ranking().decode(b"\x0a\x03JFK", columns=True)["flights"] == {name: [] for name in FLIGHTS}


def test_every_column_has_its_arrow_type():
    assert request().types == {
        "airport": "string", "hour": "string", "wait": "double", "limit": "int64", "mask": "string",
        "tail": "string", "number": "int64", "distance": "double", "delay": "float", "carrier": "string",
        "plane_seats": "int32", "plane_year": "int32", "embedding": "list<float>", "legs_code": "list<string>",
        "legs_miles": "list<double>", "gate": "string", "stand": "uint32", "raw": "string", "cancelled": "bool",
    }  # fmt: skip


def test_a_message_without_items_is_one_item():
    message = bodies.ranking().decode(b"\x08\x05", "ranking.Plane")
    assert split(message) == ({}, [{"seats": 5, "year": None}])
    assert message.types == {"seats": "int32", "year": "int32"}


def test_a_message_that_contains_itself_stays_nested():
    node = bodies.ranking().decode(b"\x08\x01\x12\x06\x08\x02\x1a\x02\x08\x03", "ranking.Node")
    assert flatten(node) == dict(node)
    assert split(node) == ({}, [dict(node)])
    assert node.types == {"value": "int32"}


def colliding():
    """`test.M` with items, and names that meet when joined: a { b, c { d } }, a_b, a_c_d, and items called like them."""
    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto3")
    inner = file.message_type.add(name="Inner")
    field(inner, "d", 1, FIELD.TYPE_INT32)
    nested = file.message_type.add(name="Nested")
    field(nested, "b", 1, FIELD.TYPE_INT32)
    field(nested, "c", 2, FIELD.TYPE_MESSAGE, of="test.Inner")
    item = file.message_type.add(name="Item")
    field(item, "a_b", 1, FIELD.TYPE_DOUBLE)
    field(item, "own", 2, FIELD.TYPE_INT32)
    message = file.message_type.add(name="M")
    field(message, "a", 1, FIELD.TYPE_MESSAGE, of="test.Nested")
    field(message, "a_b", 2, FIELD.TYPE_INT32)
    field(message, "a_c_d", 3, FIELD.TYPE_INT32)
    field(message, "items", 4, FIELD.TYPE_MESSAGE, FIELD.LABEL_REPEATED, of="test.Item")
    return ProtobufSchema(descriptor_set(file), "test.M", "test.M")


def test_names_that_meet_get_one_more_underscore_and_a_field_keeps_its_own():
    schema = colliding()
    value = {"a": {"b": 1, "c": {"d": 2}}, "a_b": 3, "a_c_d": 4, "items": [{"a_b": 0.5, "own": 5}]}
    message = schema.decode(schema.encode(value))
    assert flatten(message) == {"a__b": 1, "a__c_d": 2, "a_b": 3, "a_c_d": 4, "items_a_b": [0.5], "items_own": [5]}
    assert flatten(dict(message)) == flatten(message)
    assert split(message) == ({"a__b": 1, "a__c_d": 2, "a_b": 3, "a_c_d": 4}, [{"items_a_b": 0.5, "own": 5}])
    assert message.types == {
        "a__b": "int32", "a__c_d": "int32", "a_b": "int32", "a_c_d": "int32", "items_a_b": "double", "own": "int32",
    }  # fmt: skip


def test_an_absent_message_gives_its_columns_all_the_same():
    assert flatten(colliding().decode(b"\x10\x03")) == {
        "a__b": None, "a__c_d": None, "a_b": 3, "a_c_d": 0, "items_a_b": [], "items_own": [],
    }  # fmt: skip


def test_a_plain_dict_is_flattened_by_what_it_holds():
    plain = {"a": {"b": 1}, "rows": [{"x": 1, "y": {"z": 2}}, {"x": 3}], "list": [1, 2], "empty": {}, "none": None}
    assert flatten(plain) == {
        "a_b": 1,
        "rows_x": [1, 3],
        "rows_y_z": [2, None],
        "list": [1, 2],
        "empty": {},
        "none": None,
    }
    assert split(plain) == ({"a_b": 1, "list": [1, 2], "empty": {}, "none": None}, [{"x": 1, "y_z": 2}, {"x": 3}])


def test_which_repeated_message_holds_the_items_must_be_said_where_there_are_several():
    plain = {"a": [{"x": 1}], "b": [{"y": 2}]}
    with pytest.raises(ValueError, match="which of a, b are the items"):
        split(plain)
    assert split(plain, "b") == ({"a_x": [1]}, [{"y": 2}])
    with pytest.raises(ValueError, match="'c' is not a repeated message; there are a, b"):
        split(plain, "c")

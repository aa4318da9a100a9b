"""A message's numbers in the types of its schema: the same values, and nothing else is touched."""

import numpy as np
import pytest
from google.protobuf import descriptor_pb2

from serialization import Message, ProtobufSchema
from tests.serialization.bodies import FIELD, descriptor_set, field

KINDS = {
    "small": (FIELD.TYPE_SINT32, -7, np.int32),
    "small_unsigned": (FIELD.TYPE_FIXED32, 2**32 - 1, np.uint32),
    "large": (FIELD.TYPE_INT64, 2**53 + 1, np.int64),
    "large_unsigned": (FIELD.TYPE_UINT64, 2**64 - 1, np.uint64),
    "single": (FIELD.TYPE_FLOAT, 0.5, np.float32),
    "double": (FIELD.TYPE_DOUBLE, 0.1, float),
    "yes": (FIELD.TYPE_BOOL, True, bool),
    "text": (FIELD.TYPE_STRING, "1", str),
}


@pytest.fixture(scope="module")
def schema():
    file = descriptor_pb2.FileDescriptorProto(name="typed.proto", package="typed", syntax="proto3")
    message = file.message_type.add(name="Numbers")
    for number, (name, (kind, _, _)) in enumerate(KINDS.items(), start=1):
        field(message, name, number, kind)
        field(message, f"{name}_list", 20 + number, kind, FIELD.LABEL_REPEATED)
    field(message, "unset", 50, FIELD.TYPE_INT32, optional=True)
    field(message, "inner", 51, FIELD.TYPE_MESSAGE, of="typed.Numbers")
    return ProtobufSchema(descriptor_set(file), "typed.Numbers", "typed.Numbers")


def decoded(schema, value):
    message = schema.decode(schema.encode(value))
    assert isinstance(message, Message)
    return message


def test_numbers_have_the_types_of_their_schema_and_the_values_they_had(schema):
    typed = decoded(schema, {name: value for name, (_, value, _) in KINDS.items()}).typed()

    assert {name: type(typed[name]) for name in KINDS} == {name: kind for name, (_, _, kind) in KINDS.items()}
    assert {name: typed[name] for name in KINDS} == {name: value for name, (_, value, _) in KINDS.items()}


def test_lists_of_numbers_are_arrays_of_their_type_the_empty_ones_too(schema):
    typed = decoded(
        schema, {"small_list": [1, -2], "double_list": [0.1], "text_list": ["a"], "yes_list": [True]}
    ).typed()

    assert (typed["small_list"].dtype, typed["small_list"].tolist()) == (np.int32, [1, -2])
    assert (typed["double_list"].dtype, typed["double_list"].tolist()) == (np.float64, [0.1])
    assert (typed["single_list"].dtype, typed["single_list"].size) == (np.float32, 0)
    assert (typed["text_list"], typed["yes_list"]) == (["a"], [True])


def test_what_is_not_set_and_what_is_nested_stay_as_they_are(schema):
    message = decoded(schema, {"small": 1, "inner": {"small": 2}})
    typed = message.typed()

    assert typed["unset"] is None
    assert typed["inner"] is message["inner"]
    assert type(message["small"]) is int, "the message itself is the model's, and is not changed"


@pytest.mark.parametrize(
    ("name", "value"),
    [("small", 1.5), ("small", 2**40), ("small", True), ("small", "1"), ("single", 0.1), ("single", 1e300), ("small_list", [1, None])],
)  # fmt: skip
def test_a_value_that_was_made_into_something_else_is_not_bent_into_the_type(schema, name, value):
    message = decoded(schema, {"small": 1})
    message[name] = value

    assert message.typed()[name] is value


def test_not_a_number_stays_one(schema):
    typed = decoded(schema, {"single": float("nan"), "small_list": [1]}).typed()

    assert type(typed["single"]) is np.float32
    assert np.isnan(typed["single"])


def test_a_dict_of_no_schema_stays_as_it_is():
    assert Message({"a": 1}).typed() == {"a": 1}

"""Descriptor sets: what is loaded, and what is refused at start with what to do."""

import pytest
from google.protobuf import descriptor_pb2

from serialization import ProtobufSchema, SchemaError
from tests.serialization import bodies
from tests.serialization.bodies import FIELD, descriptor_set, field


def test_a_file_is_loaded_with_the_messages_that_are_named(tmp_path):
    path = tmp_path / "schema.desc"
    path.write_bytes(descriptor_set(bodies.ranking_file()))
    schema = ProtobufSchema.load(path, "ranking.Request", "ranking.Response")
    assert (schema.request, schema.response) == ("ranking.Request", "ranking.Response")
    assert schema.has("ranking.Flight")
    assert not schema.has("ranking.Request.WeightsEntry")
    assert ProtobufSchema.load(path, None, None).request is None


def test_files_may_come_in_any_order_and_without_googles_own():
    user = descriptor_pb2.FileDescriptorProto(name="user.proto", package="test", syntax="proto3")
    user.dependency.extend(["base.proto", "google/protobuf/timestamp.proto"])
    message = user.message_type.add(name="M")
    field(message, "base", 1, FIELD.TYPE_MESSAGE, of="base.B")
    field(message, "time", 2, FIELD.TYPE_MESSAGE, of="google.protobuf.Timestamp")
    base = descriptor_pb2.FileDescriptorProto(name="base.proto", package="base", syntax="proto3")
    field(base.message_type.add(name="B"), "x", 1, FIELD.TYPE_INT32)
    schema = ProtobufSchema(descriptor_set(user, base), "test.M")
    assert schema.decode(b"\x0a\x02\x08\x01\x12\x00") == {"base": {"x": 1}, "time": "1970-01-01T00:00:00Z"}


def test_two_schemas_may_have_messages_of_one_name():
    schemas = []
    for kind in (FIELD.TYPE_INT32, FIELD.TYPE_BOOL):
        file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto3")
        field(file.message_type.add(name="M"), "x", 1, kind)
        schemas.append(ProtobufSchema(descriptor_set(file), "test.M"))
    assert [schema.decode(b"\x08\x01") for schema in schemas] == [{"x": 1}, {"x": True}]


def broken(**changes):
    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto3", **changes)
    message = file.message_type.add(name="M")
    field(message, "x", 1, FIELD.TYPE_INT32)
    return file


def shared_json_name():
    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto2")
    message = file.message_type.add(name="M")
    field(message, "a_b", 1, FIELD.TYPE_MESSAGE, of="test.M")
    field(message, "a__b", 2, FIELD.TYPE_INT32)
    return file


def circle():
    return [
        descriptor_pb2.FileDescriptorProto(name="a.proto", dependency=["b.proto"]),
        descriptor_pb2.FileDescriptorProto(name="b.proto", dependency=["a.proto"]),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xff", "not a FileDescriptorSet; make it with protoc"),
        (b"", "holds no file"),
        (b"syntax = 'proto3';", "not a FileDescriptorSet|holds no file"),
        (
            descriptor_set(broken(dependency=["other.proto"])),
            "lacks 'other.proto', which 'test.proto' imports; add --include_imports",
        ),
        (descriptor_set(broken(dependency=["google/protobuf/no_such.proto"])), "lacks 'google/protobuf/no_such.proto'"),
        (descriptor_set(broken(dependency=["google/protobuf/../../os.proto"])), "lacks"),
        (descriptor_set(*circle()), "import each other in a circle: a.proto, b.proto, a.proto"),
        (descriptor_set(shared_json_name()), "fields 'a_b' and 'a__b' of test.M have one name in JSON"),
    ],
)
def test_a_set_that_cannot_be_used_is_refused_with_what_to_do(content, says):
    with pytest.raises(SchemaError, match=says):
        ProtobufSchema(content)


def test_a_field_of_an_unknown_type_is_refused():
    file = broken()
    field(file.message_type[0], "y", 2, FIELD.TYPE_MESSAGE, of="test.NoSuch")
    with pytest.raises(SchemaError, match=r"'test\.proto' of the descriptor set is not valid"):
        ProtobufSchema(descriptor_set(file))


@pytest.mark.parametrize("setting", ["request", "response"])
def test_a_message_that_is_not_there_is_refused_with_those_that_are(setting):
    with pytest.raises(
        SchemaError, match=rf"the {setting} message 'no\.Such' is not in the descriptor set, which has ranking\.Flight"
    ):
        ProtobufSchema(descriptor_set(bodies.ranking_file()), **{setting: "no.Such"})


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SchemaError, match=r"nowhere\.desc cannot be read: No such file"):
        ProtobufSchema.load(tmp_path / "nowhere.desc", None, None)

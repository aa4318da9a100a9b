"""The schema that people read and the one that the endpoint reads say the same."""

import re
from pathlib import Path

from google.protobuf import descriptor_pb2

import examples.flights
from examples.flights import schema

PROTO = Path(examples.flights.__file__).with_name("schema.proto").read_text()


def test_the_readable_schema_and_the_compiled_one_agree():
    text = re.sub(r"//.*", "", PROTO)
    readable = {
        message: [
            (*field.split()[:-1], field.split()[-1], int(number))
            for field, number in re.findall(r"([\w ]+?)\s*=\s*(\d+);", body)
        ]
        for message, body in re.findall(r"message (\w+) \{(.*?)\}", text, re.DOTALL)
    }
    compiled = descriptor_pb2.FileDescriptorSet.FromString(schema.descriptor_set()).file[0]

    assert re.findall(r'syntax = "(\w+)";', text) == [compiled.syntax]
    assert re.findall(r"package (\w+);", text) == [compiled.package]
    assert readable == {
        message.name: [(*words(field), field.name, field.number) for field in message.field]
        for message in compiled.message_type
    }


def words(field):
    kinds = {field.TYPE_STRING: "string", field.TYPE_INT32: "int32", field.TYPE_FLOAT: "float"}
    kind = kinds.get(field.type) or field.type_name.removeprefix(".flights.")
    if field.label == field.LABEL_REPEATED:
        return ["repeated", kind]
    return ["optional", kind] if field.proto3_optional else [kind]


def test_an_unset_tail_number_is_told_from_an_empty_one():
    request = schema.DeparturesRequest(flights=[{"carrier": "B6"}, {"carrier": "B6", "tailnum": ""}])
    unset, empty = schema.DeparturesRequest.FromString(request.SerializeToString()).flights

    assert not unset.HasField("tailnum")
    assert empty.HasField("tailnum")

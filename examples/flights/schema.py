"""The protobuf messages of the flights endpoint, built with protobuf's own API: no compiler, no generated code.

`schema.proto` is the same for people to read. `descriptor_set` is what goes into the artefact; `DeparturesRequest` and
`DeparturesResponse` are message classes for whoever plays the caller.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

REQUEST = "flights.DeparturesRequest"
RESPONSE = "flights.DeparturesResponse"

_SCALARS = {"string": Field.TYPE_STRING, "int32": Field.TYPE_INT32, "float": Field.TYPE_FLOAT}

_MESSAGES = {
    "DeparturesRequest": ["string airport", "string hour", "repeated Flight flights"],
    "Flight": [
        "string carrier",
        "int32 flight",
        "optional string tailnum",
        "string dest",
        "int32 distance",
        "int32 minute",
        "int32 sched_arr_minute",
    ],
    "DeparturesResponse": ["repeated Prediction predictions"],
    "Prediction": ["float risk", "int32 rank"],
}


def file_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """The schema as `protoc` would compile it; fields are numbered from 1 in their order."""
    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package="flights", syntax="proto3")
    for message_name, declarations in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for number, declaration in enumerate(declarations, start=1):
            *label, kind, name = declaration.split()
            field = message.field.add(name=name, json_name=_json_name(name), number=number)
            field.label = Field.LABEL_REPEATED if label == ["repeated"] else Field.LABEL_OPTIONAL
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type, field.type_name = Field.TYPE_MESSAGE, f".flights.{kind}"
            if label == ["optional"]:  # presence in proto3 is a oneof of its own, as protoc writes it
                field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{name}")
    return file


def descriptor_set() -> bytes:
    """The serialized `FileDescriptorSet` (`protoc --descriptor_set_out`)."""
    return descriptor_pb2.FileDescriptorSet(file=[file_descriptor()]).SerializeToString(deterministic=True)


def _json_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_pool = descriptor_pool.DescriptorPool()
_pool.Add(file_descriptor())

DeparturesRequest: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName(REQUEST))
DeparturesResponse: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName(RESPONSE))

"""`aialgs.data.Record`, the message that SageMaker's algorithms read, as a descriptor written out here.

A record maps names to values, for features and for labels; a value is a tensor (dense, or sparse with keys and a
shape) of float32, float64 or int32, or a list of bytes. `uid`, `metadata` and `configuration` are text.
"""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from serialization.protobuf.weight import BodyWeigher


@cache
def record_class() -> Any:
    """The class of `aialgs.data.Record`, made once."""
    return GetMessageClass(_pool().FindMessageTypeByName("aialgs.data.Record"))


@cache
def record_scale() -> BodyWeigher:
    """What weighs a record before it is parsed, made once."""
    return BodyWeigher(record_class().DESCRIPTOR, _pool(), {})


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    field: Any = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs.data", syntax="proto2")

    def add(message: Any, name: str, number: int, kind: int, label: int, **more: Any) -> Any:
        return message.field.add(name=name, number=number, type=kind, label=label, **more)

    for name, kind in (
        ("Float32Tensor", field.TYPE_FLOAT),
        ("Float64Tensor", field.TYPE_DOUBLE),
        ("Int32Tensor", field.TYPE_INT32),
    ):
        tensor = file.message_type.add(name=name)
        for number, (part, of) in enumerate(
            (("values", kind), ("keys", field.TYPE_UINT64), ("shape", field.TYPE_UINT64)), start=1
        ):
            add(tensor, part, number, of, field.LABEL_REPEATED).options.packed = True
    several = file.message_type.add(name="Bytes")
    add(several, "value", 1, field.TYPE_BYTES, field.LABEL_REPEATED)
    add(several, "content_type", 2, field.TYPE_STRING, field.LABEL_OPTIONAL)
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    for name, number, of in (
        ("float32_tensor", 2, "Float32Tensor"),
        ("float64_tensor", 3, "Float64Tensor"),
        ("int32_tensor", 7, "Int32Tensor"),
        ("bytes", 9, "Bytes"),
    ):
        add(
            value, name, number, field.TYPE_MESSAGE, field.LABEL_OPTIONAL, type_name=f".aialgs.data.{of}", oneof_index=0
        )
    record = file.message_type.add(name="Record")
    for number, (name, entry_name) in enumerate((("features", "FeaturesEntry"), ("label", "LabelEntry")), start=1):
        entry = record.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        add(entry, "key", 1, field.TYPE_STRING, field.LABEL_OPTIONAL)
        add(entry, "value", 2, field.TYPE_MESSAGE, field.LABEL_OPTIONAL, type_name=".aialgs.data.Value")
        of = f".aialgs.data.Record.{entry_name}"
        add(record, name, number, field.TYPE_MESSAGE, field.LABEL_REPEATED, type_name=of)
    for number, name in enumerate(("uid", "metadata", "configuration"), start=3):
        add(record, name, number, field.TYPE_STRING, field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool

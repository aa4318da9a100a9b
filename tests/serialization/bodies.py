"""Valid bodies of every format, and the protobuf schema that the tests of this room share."""

import io
import struct
from functools import cache
from typing import Any

import numpy
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
from google.protobuf import descriptor_pb2

from serialization import Codecs, Limits, ProtobufSchema

FIELD = descriptor_pb2.FieldDescriptorProto
JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/x-parquet"
RECORDIO = "application/x-recordio-protobuf"
PROTOBUF = "application/x-protobuf"
ALL = (JSON, JSON_LINES, CSV, NPY, ARROW, PARQUET, RECORDIO, PROTOBUF)


def field(
    message, name, number, kind, label=FIELD.LABEL_OPTIONAL, *, optional=False, of=None, oneof=None, default=None
):
    """Add a field; `optional` gives a proto3 scalar presence, `of` is a message's or enum's full name."""
    added = message.field.add(name=name, number=number, type=kind, label=label)
    if of is not None:
        added.type_name = f".{of}"
    if default is not None:
        added.default_value = default
    if optional:
        added.proto3_optional = True
        added.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    if oneof is not None:
        names = [declared.name for declared in message.oneof_decl]
        if oneof not in names:
            names.insert(0, oneof)  # before those of optional fields, as protobuf wants it
            del message.oneof_decl[:]
            for name_of_one in names:
                message.oneof_decl.add(name=name_of_one)
            for other in message.field:
                if other is not added and other.HasField("oneof_index"):
                    other.oneof_index += 1
        added.oneof_index = names.index(oneof)
    return added


def map_field(message, package_and_name, name, number, key, value, of=None):
    """Add a map field with its entry type."""
    entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    field(entry, "key", 1, key)
    field(entry, "value", 2, value, of=of)
    field(message, name, number, FIELD.TYPE_MESSAGE, FIELD.LABEL_REPEATED, of=f"{package_and_name}.{entry_name}")


def descriptor_set(*files):
    """Files as a serialized FileDescriptorSet."""
    return descriptor_pb2.FileDescriptorSet(file=files).SerializeToString()


@cache
def ranking_file():
    """A ranking service: a request with nested, repeated, optional, oneof, enum, map, well-known and bytes fields."""
    file = descriptor_pb2.FileDescriptorProto(name="ranking.proto", package="ranking", syntax="proto3")
    file.dependency.extend(
        f"google/protobuf/{name}.proto" for name in ("timestamp", "duration", "wrappers", "struct", "field_mask")
    )
    carrier = file.enum_type.add(name="Carrier")
    for number, name in enumerate(("UNKNOWN", "DELTA", "UNITED")):
        carrier.value.add(name=name, number=number)
    plane = file.message_type.add(name="Plane")
    field(plane, "seats", 1, FIELD.TYPE_INT32)
    field(plane, "year", 2, FIELD.TYPE_INT32, optional=True)
    leg = file.message_type.add(name="Leg")
    field(leg, "code", 1, FIELD.TYPE_STRING)
    field(leg, "miles", 2, FIELD.TYPE_DOUBLE)
    flight = file.message_type.add(name="Flight")
    field(flight, "tail", 1, FIELD.TYPE_STRING)
    field(flight, "number", 2, FIELD.TYPE_INT64)
    field(flight, "distance", 3, FIELD.TYPE_DOUBLE)
    field(flight, "delay", 4, FIELD.TYPE_FLOAT, optional=True)
    field(flight, "carrier", 5, FIELD.TYPE_ENUM, of="ranking.Carrier")
    field(flight, "plane", 6, FIELD.TYPE_MESSAGE, of="ranking.Plane")
    field(flight, "embedding", 7, FIELD.TYPE_FLOAT, FIELD.LABEL_REPEATED)
    field(flight, "legs", 8, FIELD.TYPE_MESSAGE, FIELD.LABEL_REPEATED, of="ranking.Leg")
    field(flight, "gate", 9, FIELD.TYPE_STRING, oneof="place")
    field(flight, "stand", 10, FIELD.TYPE_UINT32, oneof="place")
    field(flight, "raw", 11, FIELD.TYPE_BYTES)
    field(flight, "cancelled", 12, FIELD.TYPE_BOOL, optional=True)
    request = file.message_type.add(name="Request")
    field(request, "airport", 1, FIELD.TYPE_STRING)
    field(request, "hour", 2, FIELD.TYPE_MESSAGE, of="google.protobuf.Timestamp")
    field(request, "wait", 3, FIELD.TYPE_MESSAGE, of="google.protobuf.Duration")
    field(request, "limit", 4, FIELD.TYPE_MESSAGE, of="google.protobuf.Int64Value")
    field(request, "options", 5, FIELD.TYPE_MESSAGE, of="google.protobuf.Struct")
    field(request, "mask", 6, FIELD.TYPE_MESSAGE, of="google.protobuf.FieldMask")
    field(request, "flights", 7, FIELD.TYPE_MESSAGE, FIELD.LABEL_REPEATED, of="ranking.Flight")
    map_field(request, "ranking.Request", "weights", 8, FIELD.TYPE_STRING, FIELD.TYPE_DOUBLE)
    map_field(request, "ranking.Request", "planes", 9, FIELD.TYPE_INT32, FIELD.TYPE_MESSAGE, of="ranking.Plane")
    node = file.message_type.add(name="Node")
    field(node, "value", 1, FIELD.TYPE_INT32)
    field(node, "next", 2, FIELD.TYPE_MESSAGE, of="ranking.Node")
    field(node, "children", 3, FIELD.TYPE_MESSAGE, FIELD.LABEL_REPEATED, of="ranking.Node")
    scores = file.message_type.add(name="Scores")
    field(scores, "scores", 1, FIELD.TYPE_DOUBLE, FIELD.LABEL_REPEATED)
    field(scores, "model", 2, FIELD.TYPE_STRING)
    ranked = file.message_type.add(name="Ranked")
    field(ranked, "tail", 1, FIELD.TYPE_STRING)
    field(ranked, "score", 2, FIELD.TYPE_DOUBLE)
    field(ranked, "rank", 3, FIELD.TYPE_INT32, optional=True)
    response = file.message_type.add(name="Response")
    field(response, "items", 1, FIELD.TYPE_MESSAGE, FIELD.LABEL_REPEATED, of="ranking.Ranked")
    field(response, "model", 2, FIELD.TYPE_STRING)
    return file


@cache
def ranking() -> ProtobufSchema:
    """The schema of the ranking service."""
    return ProtobufSchema(descriptor_set(ranking_file()), "ranking.Request", "ranking.Response")


@cache
def codecs() -> Any:
    """Codecs with the ranking schema and the default limits."""
    return Codecs(protobuf=ranking(), limits=Limits())


def request_value() -> dict[str, Any]:
    """A request that sets every kind of field, as decoding gives it."""
    plane = {"seats": 180, "year": None}
    flight: dict[str, Any] = {
        "tail": "N1", "number": 2**62 + 1, "distance": 1.5, "delay": 0.0, "carrier": "DELTA", "plane": plane,
        "embedding": [0.5, -1.0], "legs": [{"code": "A", "miles": 3.0}], "gate": None, "stand": 0, "raw": "AAE=",
        "cancelled": False,
    }  # fmt: skip
    other = {
        "tail": "", "number": 0, "distance": 0.0, "delay": None, "carrier": "UNKNOWN", "plane": None, "embedding": [],
        "legs": [], "gate": "B4", "stand": None, "raw": "", "cancelled": None,
    }  # fmt: skip
    return {
        "airport": "JFK", "hour": "2013-07-01T05:00:00.000000001Z", "wait": -1.5, "limit": 0,
        "options": {"a": [1.0, None, "x", True], "b": {}}, "mask": "a,b.c", "flights": [flight, other],
        "weights": {"x": 1.0, "y": 0.0}, "planes": {"7": plane},
    }  # fmt: skip


def npy(array) -> bytes:
    """What numpy.save writes."""
    out = io.BytesIO()
    numpy.save(out, array, allow_pickle=False)
    return out.getvalue()


def arrow_stream(table, compression=None) -> bytes:
    """A table as an Arrow stream."""
    out = io.BytesIO()
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with pyarrow.ipc.new_stream(out, table.schema, options=options) as writer:
        writer.write(table)
    return out.getvalue()


def parquet(table, **options) -> bytes:
    """A table as a Parquet file."""
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, **options)
    return out.getvalue()


def frame(data: bytes, flag: int = 0) -> bytes:
    """One RecordIO frame."""
    return struct.pack("<II", 0xCED7230A, flag << 29 | len(data)) + data + bytes(-len(data) % 4)


def table():
    """A table with a column of each kind that Arrow and Parquet bodies may have."""
    return pyarrow.table(
        {
            "integer": pyarrow.array([1, None, 3], pyarrow.int64()),
            "small": pyarrow.array([1, 2, None], pyarrow.int8()),
            "number": pyarrow.array([0.5, None, -1.0]),
            "flag": pyarrow.array([True, None, False]),
            "text": pyarrow.array(["a", None, "ü"]),
            "large": pyarrow.array(["a", None, "b"], pyarrow.large_string()),
            "view": pyarrow.array(["a", None, "b" * 20], pyarrow.string_view()),
            "bytes": pyarrow.array([b"a", None, b""]),
            "fixed": pyarrow.array([b"ab", None, b"cd"], pyarrow.binary(2)),
            "category": pyarrow.array(["u", "v", None]).dictionary_encode(),
            "list": pyarrow.array([["p"], None, ["q", None]]),
            "vector": pyarrow.array([[1.0, 2.0], None, [3.0, 4.0]], pyarrow.list_(pyarrow.float64(), 2)),
            "struct": pyarrow.array([{"k": "v", "n": [1]}, None, {"k": None, "n": None}]),
            "map": pyarrow.array([[("a", 1)], None, []], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
            "time": pyarrow.array([1, None, 3], pyarrow.timestamp("us", "UTC")),
            "date": pyarrow.array([1, None, 3], pyarrow.date32()),
            "money": pyarrow.array([1, None, 3], pyarrow.decimal128(10, 2)),
        }
    )


@cache
def valid() -> tuple[tuple[str, bytes], ...]:
    """(content type, body) of valid bodies, small, several of each format."""
    made = codecs()
    both = [
        {"a": 1, "b": [1.5, None, 'text: \\ " {}'], "c": {"d": {"e": []}}},
        [[1.0, 2.0], [3.0, 4.0]],
        [{"x": 1, "y": "z"}, {"x": None, "y": ""}],
    ]
    return (
        *((JSON, made.encode(value, JSON)[0]) for value in both),
        (JSON, b'{"instances": [[1, 2], [3, 4]]}'),
        (JSON, ' {"\\u00fc": [true, false, null, -1.5e-3, 12345678901234567890, "\\ud83d\\ude00ü"]} '.encode()),
        *((JSON_LINES, made.encode(value, JSON_LINES)[0]) for value in both),
        (CSV, b"1,2.5,-3e4\n4,,6\n"),
        (CSV, b'1,"a ""quoted"", text"\r\n2,\xc3\xbc\r\n'),
        (f"{CSV}; header=present", b"a,b\n1,x\n2,\n"),
        (f"{CSV}; charset=utf-16", "1,ü\n".encode("utf-16")),
        (NPY, npy(numpy.arange(12.0).reshape(3, 4))),
        (NPY, npy(numpy.asfortranarray(numpy.arange(6, dtype=">i4").reshape(2, 3)))),
        (NPY, npy(numpy.array([(1, "ü", b"x", [1.0, 2.0])], dtype=[("a", "<i8"), ("b", "<U2"), ("c", "S1"), ("d", "<f8", (2,))]))),
        (NPY, npy(numpy.array(["2013-07-01", "NaT"], dtype="<M8[D]"))),
        (ARROW, arrow_stream(table())),
        (ARROW, arrow_stream(table(), "zstd")),
        (ARROW, arrow_stream(table(), "lz4")),
        (PARQUET, parquet(table())),
        (PARQUET, parquet(table(), compression="zstd", data_page_version="2.0", row_group_size=2)),
        (PARQUET, parquet(table(), compression="none", use_dictionary=False)),
        (RECORDIO, made.encode(numpy.array([[1.0, 2.0], [3.0, 4.0]]), RECORDIO)[0]),
        (RECORDIO, made.encode([{"a": 1, "b": "text"}, {"a": 2.5, "b": None}], RECORDIO)[0]),
        (RECORDIO, frame(SPARSE)),
        (PROTOBUF, made.encode(request_value(), f"{PROTOBUF}; messageType=ranking.Request")[0]),
        (f"{PROTOBUF}; messageType=ranking.Node", b"\x08\x01\x12\x06\x08\x02\x1a\x02\x08\x03"),
        (f"{PROTOBUF}; messageType=ranking.Response", made.encode([{"tail": "N1", "score": 0.5}], PROTOBUF)[0]),
    )  # fmt: skip


#: A record whose feature `values` is a sparse float32 tensor of shape (4,): keys 1 and 3.
SPARSE = bytes.fromhex("0a1d0a0676616c756573121312110a080000803f00000040120201031a0104")

"""Bodies of the largest size that is let in, each made to cost as much as it can, decoded with little memory.

    python -m tests.serialization.hostile [--dear]

Prints a line for each: what it was and what came of it. The process may map 512 MiB more than it has at start.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import count, cycle, islice, product

import numpy
import pyarrow
import pyarrow.ipc
from google.protobuf import descriptor_pb2

from serialization import Codecs, ProtobufSchema, SerializationError
from tests.serialization import bodies, fuzz
from tests.serialization.bodies import ARROW, CSV, JSON, JSON_LINES, NPY, PARQUET, PROTOBUF, RECORDIO

SIZE = 6_291_456
MEMORY = 512 * 1024**2


def many_dictionaries() -> bytes:
    """A stream whose dictionary is replaced before each of 10,000 batches."""
    one, other = (pyarrow.record_batch({"a": pyarrow.array([text]).dictionary_encode()}) for text in "xy")
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, one.schema) as writer:
        for _ in range(5000):
            writer.write(one)
            writer.write(other)
    return out.getvalue()


def nested_footer() -> bytes:
    """A Parquet file whose footer is nothing but lists in lists."""
    footer = b"\x29\x8c" * 3_000_000
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


WIDE = "wide.Request"
_FIELD = descriptor_pb2.FieldDescriptorProto


@cache
def wide_schema() -> ProtobufSchema:
    """The ranking service, and a request with items of 200 doubles, repeated scalars, maps, groups and values of JSON."""
    file = descriptor_pb2.FileDescriptorProto(name="wide.proto", package="wide", syntax="proto2")
    file.dependency.append("google/protobuf/struct.proto")
    item = file.message_type.add(name="Item")
    for at in range(200):
        bodies.field(item, f"f{at}", at + 1, _FIELD.TYPE_DOUBLE)
    narrow = file.message_type.add(name="Narrow")
    bodies.field(narrow, "one", 1, _FIELD.TYPE_INT32)
    request = file.message_type.add(name="Request")
    many = _FIELD.LABEL_REPEATED
    bodies.field(request, "items", 1, _FIELD.TYPE_MESSAGE, many, of="wide.Item")
    bodies.field(request, "narrow", 2, _FIELD.TYPE_MESSAGE, many, of="wide.Narrow")
    bodies.field(request, "values", 3, _FIELD.TYPE_MESSAGE, of="google.protobuf.ListValue")
    bodies.field(request, "structs", 4, _FIELD.TYPE_MESSAGE, many, of="google.protobuf.Struct")
    bodies.field(request, "numbers", 5, _FIELD.TYPE_INT64, many)
    bodies.field(request, "texts", 6, _FIELD.TYPE_STRING, many)
    bodies.map_field(request, WIDE, "map", 7, _FIELD.TYPE_STRING, _FIELD.TYPE_DOUBLE)
    bodies.map_field(request, WIDE, "items_by_number", 8, _FIELD.TYPE_INT32, _FIELD.TYPE_MESSAGE, of="wide.Item")
    bodies.field(request, "blobs", 9, _FIELD.TYPE_BYTES, many)
    bodies.field(request, "nested", 10, _FIELD.TYPE_MESSAGE, many, of=WIDE)
    group = request.nested_type.add(name="Part")
    bodies.field(group, "x", 1, _FIELD.TYPE_INT32)
    bodies.field(request, "part", 11, _FIELD.TYPE_GROUP, many, of=f"{WIDE}.Part")
    return ProtobufSchema(bodies.descriptor_set(bodies.ranking_file(), file), "ranking.Request", "ranking.Response")


@cache
def codecs() -> Codecs:
    """Codecs with the default limits and both schemas."""
    return Codecs(protobuf=wide_schema())


def packed(count: int, number: int, entry: bytes) -> bytes:
    """A protobuf field of bytes, repeated."""
    return (varint(number << 3 | 2) + varint(len(entry)) + entry) * count


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def filled(parts: Iterator[bytes], head: bytes = b"", tail: bytes = b"", size: int = SIZE) -> bytes:
    """As many of the parts as fit."""
    out = bytearray(head)
    for part in parts:
        if len(out) + len(part) + len(tail) > size:
            break
        out += part
    return bytes(out) + tail


def names() -> Iterator[bytes]:
    """Short texts, each another."""
    letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    for length in count(1):
        yield from (bytes(letters) for letters in product(letters, repeat=length))


def record(features: Mapping[bytes, bytes], labels: bytes = b"") -> bytes:
    """A RecordIO frame of a record whose features have these values."""
    data = b"".join(packed(1, 1, packed(1, 1, name) + packed(1, 2, value)) for name, value in features.items())
    return bodies.frame(data + labels)


FLOATS = packed(1, 2, packed(1, 1, b"\0\0\x80\x3f"))
"""A value of one float."""
SPARSE_BIG = packed(1, 2, packed(1, 3, varint(4_000_000)))


def nested_dictionary() -> bytes:
    """Indices that all mean one long list, beside many empty ones that make the lists short on average."""
    lists = pyarrow.array([[1.0] * 100_000, *([[]] * 100_000)], pyarrow.list_(pyarrow.float64()))
    indices = pyarrow.array(numpy.zeros(20_000, numpy.int32))
    return bodies.arrow_stream(pyarrow.table({"a": pyarrow.DictionaryArray.from_arrays(indices, lists)}), "zstd")


def arrow_columns(amount: int, repeated: bool = False) -> bytes:
    """A stream of one row with many columns; the last two may have one name."""
    labels = [f"c{at:x}" for at in range(amount)]
    if repeated:
        labels[-1] = labels[-2]
    column = pyarrow.array([1], pyarrow.int8())
    return bodies.arrow_stream(pyarrow.table([column] * amount, names=labels))


def compressed_rows(amount: int) -> bytes:
    """A stream of many rows of one small number."""
    return bodies.arrow_stream(pyarrow.table({"a": numpy.zeros(amount, numpy.int8)}), "zstd")


def one_text_for_all() -> bytes:
    """A Parquet file whose rows all have one long text, and lists of it."""
    return bodies.parquet(pyarrow.table({"a": ["x" * 1000] * 60_000, "b": [["y" * 30] * 30] * 60_000}))


def empty_batches(columns: int) -> bytes:
    """A stream of as many batches without rows as fit."""
    batch = pyarrow.record_batch({f"c{at}": pyarrow.array([], pyarrow.int8()) for at in range(columns)})
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, batch.schema) as writer:
        while out.tell() < SIZE - 4096 - 200 * columns:
            writer.write_batch(batch)
    return out.getvalue()


def half_texts() -> bytes:
    """Texts of a million characters beside many short ones."""
    return b'["' + b"x" * (SIZE // 2) + b'"' + b',""' * (SIZE // 6 - 10) + b"]"


BODIES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "arrays": (JSON, lambda: b"[" + b"[]," * (SIZE // 3 - 2) + b"[]]"),
    "empty objects": (JSON, lambda: b"[" + b"{}," * (SIZE // 3 - 2) + b"{}]"),
    "objects": (JSON, lambda: b"[" + b'{"":0},' * (SIZE // 7 - 2) + b"{}]"),
    "objects in objects": (JSON, lambda: b"[" + b'{"a":{"b":0}},' * (SIZE // 14 - 2) + b"{}]"),
    "towers of objects": (JSON, lambda: b"[" + (b'{"":' * 60 + b"0" + b"}" * 60 + b",") * (SIZE // 302 - 2) + b"{}]"),
    "towers of arrays": (JSON, lambda: b"[" + (b"[" * 60 + b"]" * 60 + b",") * (SIZE // 121 - 2) + b"{}]"),
    "small numbers": (JSON, lambda: b"[" + b"1," * (SIZE // 2 - 2) + b"1]"),
    "fractions": (JSON, lambda: b"[" + b"1.5," * (SIZE // 4 - 2) + b"1]"),
    "numbers of 3 digits": (JSON, lambda: b"[" + b"999," * (SIZE // 4 - 2) + b"1]"),
    "texts": (JSON, lambda: b"[" + b'"",' * (SIZE // 3 - 2) + b"1]"),
    "texts of two characters": (JSON, lambda: b"[" + '"ü",'.encode() * (SIZE // 5 - 2) + b"1]"),
    "rows of one number": (JSON, lambda: b"[" + b"[1]," * (SIZE // 4 - 2) + b"[1]]"),
    "strings of one colon": (JSON, lambda: b"[" + b'":",' * (SIZE // 4 - 2) + b"1]"),
    "keys of one object": (JSON, lambda: filled((b'"%s":0,' % name for name in names()), b"{", b'"":0}')),
    "keys of one object, the last repeated": (JSON, lambda: filled((b'"%s":0,' % name for name in names()), b"{", b'"0":0}')),
    "objects with a key each": (JSON, lambda: filled((b'{"%s":0},' % name for name in names()), b"[", b"{}]")),
    "a key repeated at the end": (JSON, lambda: b"[" + b'{"":0},' * (SIZE // 7 - 9) + b'{"a":1,"a":2}]'),
    "integers of 4,200 digits": (JSON, lambda: b"[" + b",".join([b"1" * 4200] * 1400) + b"]"),
    "one integer": (JSON, lambda: b"1" * SIZE),
    "one fraction": (JSON, lambda: b"0." + b"1" * (SIZE - 2)),
    "a long text beside short ones": (JSON, half_texts),
    "escapes": (JSON, lambda: b'["' + b"\\u0041" * (SIZE // 6 - 2) + b'"]'),
    "brackets that never close": (JSON, lambda: b"[" * SIZE),
    "objects that never close": (JSON, lambda: b'{"":' * (SIZE // 4)),
    "JSON in UTF-32": (f"{JSON}; charset=utf-32", lambda: ("[" + "1," * (SIZE // 8 - 3) + "1]").encode("utf-32")),
    "lines": (JSON_LINES, lambda: b"1\n" * (SIZE // 2 - 5) + b"x\n"),
    "lines of objects": (JSON_LINES, lambda: b"{}\n" * (SIZE // 3)),
    "300,000 lines of objects": (JSON_LINES, lambda: b"{}\n" * 300_000),
    "lines of numbers": (JSON_LINES, lambda: b"1\n" * (SIZE // 2)),
    "lines with a key each": (JSON_LINES, lambda: filled(b'{"%s":0}\n' % name for name in names())),
    "blank lines": (JSON_LINES, lambda: b"\n" * (SIZE - 1) + b"x"),
    "a key repeated in the last line": (JSON_LINES, lambda: b"{}\n" * (SIZE // 3 - 9) + b'{"a":1,"a":1}\n'),
    "commas": (CSV, lambda: b"," * SIZE),
    "a row of three million numbers": (CSV, lambda: b"1," * (SIZE // 2)),
    "rows of a number": (CSV, lambda: b"1\n" * (SIZE // 2)),
    "rows of two numbers": (CSV, lambda: b"1,2\n" * (SIZE // 4)),
    "rows of a quoted number": (CSV, lambda: b'"1"\n' * (SIZE // 4)),
    "gaps": (CSV, lambda: b"1,\n" * (SIZE // 3)),
    "empty rows": (CSV, lambda: b"\n" * (SIZE - 2) + b"x\n"),
    "a header of a million names": (f"{CSV}; header=present", lambda: b",".join(b"%x" % at for at in range(SIZE // 8)) + b"\n"),
    "a header that repeats its last name": (f"{CSV}; header=present", lambda: b",".join(b"%x" % at for at in range(SIZE // 8)) + b",5a\n1\n"),
    "a header of 10,000 names": (f"{CSV}; header=present", lambda: filled(cycle([b"1," * 9_999 + b"1\n"]), b",".join(b"%x" % at for at in range(10_000)) + b"\n")),
    "text": (CSV, lambda: b"a,b\n" * (SIZE // 4)),
    "rows of a short text": (CSV, lambda: b"ab\n" * (SIZE // 3)),
    "rows of a letter": (CSV, lambda: b"a\n" * (SIZE // 2)),
    "texts of two letters": (CSV, lambda: b"ab,cd,ef,gh\n" * (SIZE // 12)),
    "a quote that never closes": (CSV, lambda: b'"' + b"x\n" * (SIZE // 2 - 1)),
    "integers that are identifiers": (CSV, lambda: b"99999999999999999\n" * (SIZE // 18)),
    "an integer of many digits": (CSV, lambda: b"9" * SIZE),
    "a shape of 2^62 rows": (NPY, lambda: bodies.npy(numpy.zeros(9)).replace(b"(9,), }   ", b"(%d,), }" % 2**62)[:SIZE]),
    "bytes": (NPY, lambda: bodies.npy(numpy.zeros(SIZE - 200, numpy.int8))),
    "rows of a byte": (NPY, lambda: bodies.npy(numpy.zeros((SIZE - 200, 1), numpy.int8))),
    "characters": (NPY, lambda: bodies.npy(numpy.full(SIZE // 4 - 50, "\U0001f600"))),
    "characters in rows": (NPY, lambda: bodies.npy(numpy.full((SIZE // 4 - 50, 1), "\U0001f600"))),
    "letters": (NPY, lambda: bodies.npy(numpy.full(SIZE - 200, b"x"))),
    "letters in rows": (NPY, lambda: bodies.npy(numpy.full((SIZE - 200, 1), b"x"))),
    "times": (NPY, lambda: bodies.npy(numpy.zeros((SIZE // 8 - 50, 1), "<M8[s]"))),
    "records of a byte": (NPY, lambda: bodies.npy(numpy.zeros(SIZE - 200, [("a", "i1")]))),
    "empty items": (PROTOBUF, lambda: b"\x3a\x00" * (SIZE // 2)),
    "half as many empty items": (PROTOBUF, lambda: b"\x3a\x00" * 300_000),
    "empty items of 200 doubles": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(SIZE // 2, 1, b"")),
    "20,000 empty items of 200 doubles": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(19_000, 1, b"")),
    "empty items of one number": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(SIZE // 2, 2, b"")),
    "600,000 empty items of one number": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(600_000, 2, b"")),
    "values of nothing": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(1, 3, packed(SIZE // 2 - 10, 1, b""))),
    "a list value of nothing": (f"{PROTOBUF}; messageType=google.protobuf.ListValue", lambda: packed(SIZE // 2 - 10, 1, b"")),
    "structs of nothing": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(SIZE // 2, 4, b"")),
    "keys of a struct": (f"{PROTOBUF}; messageType=google.protobuf.Struct", lambda: filled(packed(1, 1, packed(1, 1, name)) for name in names())),
    "packed numbers": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(1, 5, b"\x01" * (SIZE - 10))),
    "3.9 million packed numbers": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(1, 5, b"\x01" * 3_900_000)),
    "numbers": (f"{PROTOBUF}; messageType={WIDE}", lambda: b"\x28\x01" * (SIZE // 2)),
    "empty texts": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(SIZE // 2, 6, b"")),
    "empty blobs": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(SIZE // 2, 9, b"")),
    "keys of a map": (f"{PROTOBUF}; messageType={WIDE}", lambda: filled(packed(1, 7, packed(1, 1, name)) for name in names())),
    "items of a map": (f"{PROTOBUF}; messageType={WIDE}", lambda: filled(packed(1, 8, b"\x08" + varint(at)) for at in count())),
    "one entry of a map again and again": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(SIZE // 2, 8, b"")),
    "requests in a request": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(SIZE // 2, 10, b"")),
    "items of requests in a request": (f"{PROTOBUF}; messageType={WIDE}", lambda: packed(SIZE // 22, 10, packed(10, 1, b""))),
    "groups": (f"{PROTOBUF}; messageType={WIDE}", lambda: b"\x5b\x5c" * (SIZE // 2)),
    "unknown fields": (PROTOBUF, lambda: b"\x0a\x01x" + b"\xf8\x07\x01" * (SIZE // 3 - 9)),
    "nodes": (f"{PROTOBUF}; messageType=ranking.Node", lambda: b"\x1a\x02\x08\x01" * (SIZE // 4)),
    "empty records": (RECORDIO, lambda: bodies.frame(b"") * (SIZE // 8)),
    "records of a number": (RECORDIO, lambda: filled(cycle([record({b"values": FLOATS})]))),
    "records of an unset value": (RECORDIO, lambda: filled(cycle([record({b"": b""})]))),
    "a feature of its own in each record": (RECORDIO, lambda: filled(record({name: FLOATS}) for name in names())),
    "560 kB of a feature of its own in each record": (RECORDIO, lambda: filled((record({name: FLOATS}) for name in names()), size=560_000)),
    "one record with many features": (RECORDIO, lambda: record(dict.fromkeys(islice(names(), 250_000), FLOATS))),
    "one record with many unset features": (RECORDIO, lambda: record(dict.fromkeys(islice(names(), 450_000), b""))),
    "one record with many numbers": (RECORDIO, lambda: record({b"values": packed(1, 2, packed(1, 1, bytes(SIZE - 100)))})),
    "texts of nothing in a record": (RECORDIO, lambda: record({b"values": packed(1, 9, packed(SIZE // 2 - 50, 1, b""))})),
    "sparse records": (RECORDIO, lambda: bodies.frame(bodies.SPARSE) * (SIZE // 44)),
    "sparse records of four million": (RECORDIO, lambda: filled(cycle([record({b"values": SPARSE_BIG})]))),
    "the value of a feature again and again": (RECORDIO, lambda: bodies.frame(packed(SIZE // 6 - 50, 1, packed(1, 1, b"") + b"\x12\0"[:0]))),
    "dictionaries": (ARROW, many_dictionaries),
    "a dictionary of lists": (ARROW, nested_dictionary),
    "zeros, compressed": (ARROW, lambda: bodies.arrow_stream(pyarrow.table({"a": numpy.zeros(20_000_000)}), "zstd")),
    "3.9 million rows of a byte": (ARROW, lambda: compressed_rows(3_900_000)),
    "55,000 columns": (ARROW, lambda: arrow_columns(55_000)),
    "9,900 columns": (ARROW, lambda: arrow_columns(9_900)),
    "55,000 columns, two of one name": (ARROW, lambda: arrow_columns(55_000, repeated=True)),
    "batches without rows": (ARROW, lambda: empty_batches(1)),
    "wide batches without rows": (ARROW, lambda: empty_batches(1000)),
    "nulls": (ARROW, lambda: bodies.arrow_stream(pyarrow.table({"a": pyarrow.nulls(3_900_000)}))),
    "more nulls": (ARROW, lambda: bodies.arrow_stream(pyarrow.table({"a": pyarrow.nulls(2**31 - 1)}))),
    "empty structs": (ARROW, lambda: bodies.arrow_stream(pyarrow.table({"a": pyarrow.array([{}] * 1000, pyarrow.struct([]))}))),
    "lists of nothing": (ARROW, lambda: bodies.arrow_stream(pyarrow.table({"a": pyarrow.array([[]] * 3_000_000, pyarrow.list_(pyarrow.int8()))}), "zstd")),
    "zeros, run by run": (PARQUET, lambda: bodies.parquet(pyarrow.table({"a": numpy.zeros(20_000_000)}))),
    "3.9 million zeros": (PARQUET, lambda: bodies.parquet(pyarrow.table({"a": numpy.zeros(3_900_000, numpy.int8)}))),
    "row groups": (PARQUET, lambda: bodies.parquet(pyarrow.table({"a": ["x"] * 5000}), row_group_size=1)),
    "columns": (PARQUET, lambda: bodies.parquet(pyarrow.table([pyarrow.array([1])] * 9_000, names=[f"c{at}" for at in range(9_000)]))),
    "columns, two of one name": (PARQUET, lambda: bodies.parquet(pyarrow.table([pyarrow.array([1])] * 9_000, names=[*(f"c{at}" for at in range(8_999)), "c8998"]))),
    "one text for all rows": (PARQUET, one_text_for_all),
    "a footer of lists": (PARQUET, nested_footer),
}  # fmt: skip


DEAR = frozenset(
    (
        "keys of a struct", "keys of a map", "items of a map", "one record with many unset features",
        "one record with many features", "a feature of its own in each record", "objects with a key each",
        "lines with a key each", "keys of one object, the last repeated", "records of a number", "sparse records",
        "sparse records of four million", "records of an unset value", "texts of nothing in a record", "empty blobs",
        "a header of 10,000 names", "towers of arrays", "a key repeated in the last line", "a key repeated at the end",
        "600,000 empty items of one number", "rows of two numbers", "empty records", "wide batches without rows",
    )
)  # fmt: skip
"""Bodies that take a second or more to make or to decode; the long tests and the benchmark have them."""


def main() -> None:
    """The command."""
    for content_type, body in bodies.valid():
        codecs().decode(body, content_type)
    fuzz.limit_memory(MEMORY)
    dear = "--dear" in sys.argv[1:]
    for name, (content_type, make) in BODIES.items():
        if name in DEAR and not dear:
            continue
        body = make()
        begun = time.process_time()
        try:
            codecs().decode(body, content_type)
            outcome = "decoded"
        except SerializationError as error:
            outcome = type(error).__name__
        print(f"{name}: {outcome}: {time.process_time() - begun:.2f} s", flush=True)


if __name__ == "__main__":
    main()

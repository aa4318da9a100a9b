"""Bodies of the largest size that is let in, each made to cost as much as it can, decoded with little memory.

    python -m tests.serialization.hostile

Prints a line for each: what it was and what came of it. The process may map 1 GiB more than it has at start.
"""

import io
from collections.abc import Callable

import numpy
import pyarrow
import pyarrow.ipc

from serialization import SerializationError
from tests.serialization import bodies, fuzz
from tests.serialization.bodies import ARROW, CSV, JSON, JSON_LINES, NPY, PARQUET, PROTOBUF, RECORDIO

SIZE = 6_291_456
MEMORY = 1024**3


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


BODIES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "arrays": (JSON, lambda: b"[" + b"[]," * (SIZE // 3 - 2) + b"[]]"),
    "objects": (JSON, lambda: b"[" + b'{"":0},' * (SIZE // 7 - 2) + b"{}]"),
    "objects in objects": (JSON, lambda: b"[" + b'{"a":{"b":0}},' * (SIZE // 14 - 2) + b"{}]"),
    "strings of one colon": (JSON, lambda: b"[" + b'":",' * (SIZE // 4 - 2) + b"1]"),
    "a key repeated at the end": (JSON, lambda: b"[" + b'{"":0},' * (SIZE // 7 - 9) + b'{"a":1,"a":2}]'),
    "integers of 4,200 digits": (JSON, lambda: b"[" + b",".join([b"1" * 4200] * 1400) + b"]"),
    "brackets that never close": (JSON, lambda: b"[" * SIZE),
    "lines": (JSON_LINES, lambda: b"1\n" * (SIZE // 2 - 5) + b"x\n"),
    "a key repeated in the last line": (JSON_LINES, lambda: b"{}\n" * (SIZE // 3 - 9) + b'{"a":1,"a":1}\n'),
    "commas": (CSV, lambda: b"," * SIZE),
    "a row of three million numbers": (CSV, lambda: b"1," * (SIZE // 2)),
    "a header of a million names": (f"{CSV}; header=present", lambda: b",".join(b"%x" % at for at in range(SIZE // 8)) + b"\n"),
    "text": (CSV, lambda: b"a,b\n" * (SIZE // 4)),
    "a quote that never closes": (CSV, lambda: b'"' + b"x\n" * (SIZE // 2 - 1)),
    "a shape of 2^62 rows": (NPY, lambda: bodies.npy(numpy.zeros(9)).replace(b"(9,), }   ", b"(%d,), }" % 2**62)[:SIZE]),
    "empty items": (PROTOBUF, lambda: b"\x3a\x00" * (SIZE // 2)),
    "unknown fields": (PROTOBUF, lambda: b"\x0a\x01x" + b"\xf8\x07\x01" * (SIZE // 3 - 9)),
    "nodes": (f"{PROTOBUF}; messageType=ranking.Node", lambda: b"\x1a\x02\x08\x01" * (SIZE // 4)),
    "empty records": (RECORDIO, lambda: bodies.frame(b"") * (SIZE // 8)),
    "sparse records": (RECORDIO, lambda: bodies.frame(bodies.SPARSE) * (SIZE // 44)),
    "dictionaries": (ARROW, many_dictionaries),
    "zeros, compressed": (ARROW, lambda: bodies.arrow_stream(pyarrow.table({"a": numpy.zeros(20_000_000)}), "zstd")),
    "zeros, run by run": (PARQUET, lambda: bodies.parquet(pyarrow.table({"a": numpy.zeros(20_000_000)}))),
    "row groups": (PARQUET, lambda: bodies.parquet(pyarrow.table({"a": ["x"] * 5000}), row_group_size=1)),
    "a footer of lists": (PARQUET, nested_footer),
}  # fmt: skip


def main() -> None:
    """The command."""
    codecs = bodies.codecs()
    made = {name: (content_type, make()) for name, (content_type, make) in BODIES.items()}
    for content_type, body in bodies.valid():
        codecs.decode(body, content_type)
    fuzz.limit_memory(MEMORY)
    for name, (content_type, body) in made.items():
        try:
            codecs.decode(body, content_type)
            print(f"{name}: decoded", flush=True)
        except SerializationError as error:
            print(f"{name}: {type(error).__name__}", flush=True)


if __name__ == "__main__":
    main()

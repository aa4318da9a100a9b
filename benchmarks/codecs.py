"""What decoding a request costs, beside what its format is usually decoded with: 200 items of 40 fields.

    python -m benchmarks.codecs

Protobuf is decoded to what `features_fn` works with (64-bit integers as integers, enums by name, presence kept), as
rows and as columns, beside `google.protobuf.json_format.MessageToDict` on the same runtime (upb), in the form that keeps
zeros as we do and in its default form. Every way parses the body first; `parse alone` is that. Three schemas: no field
with presence, one in four, all; fields are doubles, 64-bit integers, text, floats, enums and booleans in turn, and three
in ten of those with presence are not set. JSON and CSV stand beside the standard library and the toolkit's own decoder.

A round runs every way in turn, each for a number of calls, and begins with another way each time; figures are medians
over rounds, ratios are taken within a round. Values are compared before anything is timed. Prints a table and writes
`benchmarks/results/codecs.json`.
"""

from __future__ import annotations

import gc
import io
import json
import random
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf import descriptor_pb2
from google.protobuf.json_format import MessageToDict

from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from serialization import Codecs, ProtobufSchema

if TYPE_CHECKING:
    from collections.abc import Callable

    Way = Callable[[], object]

ROUNDS = 21
CALLS = 15
ITEMS = 200
FIELDS = 40
TARGET = 5.0
PROTOBUF = "application/x-protobuf"
_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS = (
    _FIELD.TYPE_DOUBLE,
    _FIELD.TYPE_INT64,
    _FIELD.TYPE_STRING,
    _FIELD.TYPE_FLOAT,
    _FIELD.TYPE_ENUM,
    _FIELD.TYPE_BOOL,
)
_PRESENCE = {"no field with presence": 0, "one field in four with presence": 4, "every field with presence": 1}


def schema(every: int) -> ProtobufSchema:
    """A request with an airport and items of 40 fields, one in `every` with presence; none where that is 0."""
    file = descriptor_pb2.FileDescriptorProto(name="bench.proto", package="bench", syntax="proto3")
    carrier = file.enum_type.add(name="Carrier")
    for number, name in enumerate(("UNKNOWN", "DELTA", "UNITED", "JETBLUE")):
        carrier.value.add(name=name, number=number)
    item = file.message_type.add(name="Item")
    for at in range(FIELDS):
        kind = _KINDS[at % len(_KINDS)]
        field = item.field.add(name=f"field_{at:02}", number=at + 1, type=kind, label=_FIELD.LABEL_OPTIONAL)
        if kind == _FIELD.TYPE_ENUM:
            field.type_name = ".bench.Carrier"
        if every and at % every == 0:
            field.proto3_optional = True
            field.oneof_index = len(item.oneof_decl)
            item.oneof_decl.add(name=f"_field_{at:02}")
    request = file.message_type.add(name="Request")
    request.field.add(name="airport", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    request.field.add(
        name="items", number=2, type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_REPEATED, type_name=".bench.Item"
    )
    files = descriptor_pb2.FileDescriptorSet(file=[file])
    return ProtobufSchema(files.SerializeToString(), "bench.Request", "bench.Request")


def items(every: int) -> list[dict[str, object]]:
    """The values of 200 items, as decoding gives them."""
    draw = random.Random(1)
    makers: tuple[Callable[[], object], ...] = (
        draw.random,
        lambda: draw.randrange(2**40),
        lambda: f"N{draw.randrange(10_000)}",
        lambda: float(np.float32(draw.random())),
        lambda: draw.choice(("UNKNOWN", "DELTA", "UNITED", "JETBLUE")),
        lambda: draw.random() < 0.5,
    )

    def value(at: int) -> object:
        absent = every and at % every == 0 and draw.random() < 0.3
        return None if absent else makers[at % len(makers)]()

    return [{f"field_{at:02}": value(at) for at in range(FIELDS)} for _ in range(ITEMS)]


def protobuf_ways(every: int) -> tuple[dict[str, Way], int]:
    """The ways to decode one protobuf body, and its size. Checks that they agree."""
    made = schema(every)
    codecs = Codecs(protobuf=made)
    rows = items(every)
    body = made.encode({"airport": "JFK", "items": rows})
    parse = made.message_class("bench.Request").FromString
    decoded = codecs.decode(body, PROTOBUF)
    columns = codecs.decode(body, PROTOBUF, columns=True)
    if decoded != {"airport": "JFK", "items": rows} or not isinstance(columns, dict):
        raise SystemExit("rows do not hold what was encoded")
    if columns["items"] != {name: [row[name] for row in rows] for name in rows[0]}:
        raise SystemExit("columns do not hold what was encoded")
    mapped = MessageToDict(parse(body), preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    for row, json_row in zip(rows, mapped["items"], strict=True):
        if {name: str(value) for name, value in row.items() if value is not None and not isinstance(value, float)} != {
            name: str(value) for name, value in json_row.items() if not isinstance(value, float)
        }:
            raise SystemExit("rows do not hold what the JSON mapping holds")
    return {
        "parse alone": lambda: parse(body),
        "ours, rows": lambda: codecs.decode(body, PROTOBUF),
        "ours, columns": lambda: codecs.decode(body, PROTOBUF, columns=True),
        "MessageToDict, zeros kept": lambda: MessageToDict(
            parse(body), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        ),
        "MessageToDict": lambda: MessageToDict(parse(body)),
    }, len(body)


def json_ways() -> tuple[dict[str, Way], int]:
    """JSON: the same items, with the checks that we make of a body and without any."""
    codecs = Codecs()
    body = json.dumps({"airport": "JFK", "items": items(4)}).encode()
    return {
        "ours, strict": lambda: codecs.decode(body, "application/json"),
        "json.loads": lambda: json.loads(body),
    }, len(body)


def csv_ways() -> tuple[dict[str, Way], int]:
    """CSV: 200 rows of 40 numbers; the toolkit reads them with numpy.genfromtxt."""
    codecs = Codecs()
    matrix = np.random.default_rng(1).random((ITEMS, FIELDS))
    body = codecs.encode(matrix, "text/csv")[0]
    return {
        "ours": lambda: codecs.decode(body, "text/csv"),
        "numpy.genfromtxt, the toolkit's": lambda: np.genfromtxt(io.StringIO(body.decode()), delimiter=","),
        "numpy.loadtxt": lambda: np.loadtxt(io.StringIO(body.decode()), delimiter=","),
    }, len(body)


def measure(ways: dict[str, Way]) -> dict[str, list[float]]:
    """Microseconds a call of each way, one figure a round."""
    names = list(ways)
    found: dict[str, list[float]] = {name: [] for name in names}
    for way in ways.values():
        way()
    for number in range(ROUNDS):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            way = ways[name]
            gc.collect()
            start = time.perf_counter()
            for _ in range(CALLS):
                way()
            found[name].append((time.perf_counter() - start) / CALLS * 1e6)
    return found


def summary(found: dict[str, list[float]], reference: str) -> dict[str, dict[str, float]]:
    """Median, lowest and highest of each way, and how many times as fast as the reference it is."""
    result = {}
    for name, figures in found.items():
        ratios = [theirs / own for theirs, own in zip(found[reference], figures, strict=True)]
        result[name] = {
            "median": round(statistics.median(figures), 1),
            "lowest": round(min(figures), 1),
            "highest": round(max(figures), 1),
            "times as fast": round(statistics.median(ratios), 2),
            "times as fast, lowest": round(min(ratios), 2),
        }
    return result


def main() -> None:
    """Measure, print, write."""
    results: dict[str, Any] = {
        "machine": machine(),
        "rounds": ROUNDS,
        "calls a round": CALLS,
        "target": TARGET,
        "us": {},
    }
    table: list[tuple[object, ...]] = []
    workloads: list[tuple[str, dict[str, Way], int, str]] = []
    for what, every in _PRESENCE.items():
        ways, size = protobuf_ways(every)
        workloads.append((f"protobuf, {what}", ways, size, "MessageToDict, zeros kept"))
    workloads.append(("JSON", *json_ways(), "json.loads"))
    workloads.append(("CSV", *csv_ways(), "numpy.genfromtxt, the toolkit's"))
    for workload, ways, size, reference in workloads:
        found = summary(measure(ways), reference)
        results["us"][workload] = {"bytes": size, "reference": reference, "ways": found}
        for name, figures in found.items():
            ratio = f"{figures['times as fast']:.1f} ({figures['times as fast, lowest']:.1f})"
            table.append((workload, name, f"{figures['median']:,.0f}", f"{figures['lowest']:,.0f}", ratio))
    results["met"] = all(
        found["ways"][way]["times as fast"] >= TARGET
        for workload, found in results["us"].items()
        if workload.startswith("protobuf")
        for way in ("ours, rows", "ours, columns")
    )
    head = ("200 items × 40 fields", "decoded by", "median µs", "lowest", "× as fast (lowest round)")
    text = markdown(head, table)
    print(text)
    print(f"protobuf at least {TARGET:.0f} times as fast as MessageToDict: {'yes' if results['met'] else 'NO'}")
    write_results("codecs", results, text)


if __name__ == "__main__":
    main()

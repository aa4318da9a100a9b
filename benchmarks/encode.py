"""What the shipper's encoding costs: CPU for a record, an event or an item, and memory for 32 MiB of frames.

    python -m benchmarks.encode

Workloads are those of `append.py`: W1 is one row of 50 features as a mapping, W2 200 items × 40 floats as a matrix
with 10 request-level features, W5 the same as 200 mappings. CPU is that of the process, median of five rounds, with the
garbage collector off as in the shipper; blocks are ready, as the journal's reader gives them. Memory is the largest
resident set of a process of its own that gives events from a generator, as the shipper does. Prints a table and
writes `benchmarks/results/encode.json`.
"""

from __future__ import annotations

import gc
import json
import platform
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capture.encoding import encode_objects
from capture.record import Block, Event, Header, Matrix, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 5
FRAME_BYTES = 32 << 20
RESULTS = Path(__file__).parent / "results" / "encode.json"
_MIDNIGHT = 1_767_225_600_000_000

W1_NAMES = tuple(f"feature_{n:02}" for n in range(50))
ITEM_NAMES = tuple(f"item_{n:02}" for n in range(40))
REQUEST_NAMES = tuple(f"request_{n}" for n in range(10))
PREDICTION = ("",)


def header(form: str) -> Header:
    """A segment's header for this format."""
    return Header("file:///unused", form, "bench", "AllTraffic", "model", "1", None, 100.0, 1000, {}, (), "0")


def event(number: int, items: Block, predictions: Block, request: Block | None = None) -> Event:
    """One event of an hour, a few milliseconds after the one before."""
    name = f"0198f0a0-0000-7000-8000-{number:012x}"
    time = _MIDNIGHT + number * 300_000 % 3_600_000_000
    return Event("w", number, name, time, None, None, None, {}, {}, request, items, predictions)


def w1(count: int) -> Iterator[Event]:
    """Records of one row: 45 floats and 5 short strings."""
    draw = random.Random(1)
    for number in range(count):
        row = tuple([draw.gauss(0, 1) for _ in range(45)] + [f"value {draw.randrange(40)}" for _ in range(5)])
        yield event(number, Rows(W1_NAMES, [row]), Rows(PREDICTION, [(draw.random(),)]))


def _request(draw: np.random.Generator) -> Rows:
    return Rows(REQUEST_NAMES, [(*draw.standard_normal(8).tolist(), "LGA", "clear sky")])


def w2(count: int) -> Iterator[Event]:
    """Events of 200 items × 40 float64 as a matrix."""
    draw = np.random.default_rng(2)
    for number in range(count):
        items = Matrix(ITEM_NAMES, draw.standard_normal((200, 40)))
        yield event(number, items, Matrix(PREDICTION, draw.random((200, 1))), _request(draw))


def w5(count: int) -> Iterator[Event]:
    """The same as 200 mappings."""
    draw = np.random.default_rng(5)
    for number in range(count):
        rows = [tuple(row) for row in draw.standard_normal((200, 40)).tolist()]
        predictions = [(value,) for value in draw.random(200).tolist()]
        yield event(number, Rows(ITEM_NAMES, rows), Rows(PREDICTION, predictions), _request(draw))


def cpu(form: str, make: Callable[[int], Iterator[Event]], count: int, unit: int) -> dict[str, float]:
    """Microseconds of CPU for each of `unit` × `count`, and the bytes of each."""
    events = list(make(count))
    took = []
    size = 0
    for _ in range(ROUNDS):
        gc.collect()
        gc.disable()
        start = time.process_time()
        objects = encode_objects(header(form), "batch", events)
        took.append((time.process_time() - start) * 1e6 / (count * unit))
        gc.enable()
        size = sum(len(entry.body) for entry in objects)
    spread = {"median": statistics.median(took), "lowest": min(took), "highest": max(took)}
    return {**{name: round(value, 2) for name, value in spread.items()}, "bytes": round(size / (count * unit), 1)}


def memory(workload: str, form: str) -> int:
    """The largest resident set, in MiB, of a process that encodes 32 MiB of frames, the interpreter included."""
    command = [sys.executable, "-m", "benchmarks.encode", "--memory", workload, form]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _measure_memory(workload: str, form: str) -> None:
    make, frame = {"w1": (w1, 520), "w2": (w2, 65_800), "w5": (w5, 74_500)}[workload]
    gc.disable()
    encode_objects(header(form), "batch", make(FRAME_BYTES // frame))
    # The kernel's high-water mark of this program; getrusage's would be that of the process that started it.
    status = Path("/proc/self/status").read_text()
    print(int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024)


def main() -> None:
    """Measures all, prints a table and writes the results."""
    if sys.argv[1:2] == ["--memory"]:
        _measure_memory(*sys.argv[2:4])
        return
    rows: list[tuple[str, str, Any, float]] = [
        ("W1 Parquet, a record", "µs", cpu("parquet", w1, 10_000, 1), 10),
        ("W2 Parquet, an event", "µs", cpu("parquet", w2, 500, 1), 400),
        ("W5 Parquet, an event", "µs", cpu("parquet", w5, 400, 1), 1000),
        ("W1 JSON Lines, an item", "µs", cpu("jsonl", w1, 10_000, 1), 15),
        ("W2 JSON Lines, an item", "µs", cpu("jsonl", w2, 100, 200), 15),
        ("W5 JSON Lines, an item", "µs", cpu("jsonl", w5, 100, 200), 15),
    ]
    sizes = {f"{w} {form}": memory(w, form) for w in ("w1", "w2", "w5") for form in ("parquet", "jsonl")}
    print(f"{'encoding, CPU':26} {'median':>9} {'lowest':>9} {'highest':>9} {'limit':>7} {'bytes':>8}")
    for name, unit, found, limit in rows:
        print(f"{name:26} " + " ".join(f"{found[key]:>7.1f}{unit}" for key in ("median", "lowest", "highest")), end="")
        print(f" {limit:>5}{unit} {found['bytes']:>8}")
    for name, size in sizes.items():
        print(f"memory for 32 MiB of {name:14} {size:>5} MiB")
    result = {
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "cpu_us": {name: {**found, "limit": limit} for name, _, found, limit in rows},
        "memory_mib": sizes,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

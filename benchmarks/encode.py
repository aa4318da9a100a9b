"""What the shipper costs: CPU of its encoding for a record, an event or an item, and the memory of its whole process.

    python -m benchmarks.encode

Workloads are those of `append.py`: W1 is one row of 50 features as a mapping, W2 200 items × 40 floats as a matrix
with 10 request-level features, W5 the same as 200 mappings; every value differs. CPU is that of the process, median of
five rounds, with Arrow's memory and the garbage collector as in the shipper; blocks are ready, as the journal's reader
gives them. Memory, also for the smallest records, the narrowest rows and the smallest cells, is that of `python -m capture
ship` while it ships 80 MiB of frames to a real S3 server (SeaweedFS), in batches as large as they may be: its largest
resident set, and in it what is its own, since the rest is the spool's mapped segments and the libraries' files. Prints a
table and writes `benchmarks/results/encode.json`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from capture import CaptureBuffer, CaptureConfig
from capture.encoding import encode_objects
from capture.record import Block, Event, Header, Matrix, Rows
from capture.shipping.stats import read_stats
from tests.s3_server import S3Server, running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 5
SPOOLED = 80 << 20
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


def small(count: int) -> Iterator[Event]:
    """Records of one row with three numbers: as many records as a batch can have."""
    draw = random.Random(6)
    for number in range(count):
        yield event(number, Rows(("a", "b", "c"), [(draw.random(), draw.random(), number)]), Rows(PREDICTION, [(0.5,)]))


def narrow(count: int) -> Iterator[Event]:
    """Events of 1,000 items × 1 float64: as many rows as a batch can have."""
    draw = np.random.default_rng(7)
    for number in range(count):
        yield event(number, Matrix(("a",), draw.random((1000, 1))), Matrix(PREDICTION, draw.random((1000, 1))))


def wide(count: int) -> Iterator[Event]:
    """Events of 50 mappings × 1,000 small integers: as many cells as a batch can have."""
    names = tuple(f"feature_{n:04}" for n in range(1000))
    for number in range(count):
        rows: list[tuple[Any, ...]] = [tuple((number + row + n) % 7 for n in range(1000)) for row in range(50)]
        yield event(number, Rows(names, rows), Rows(PREDICTION, [(0.5,)] * 50), Rows(("request",), [(1,)]))


MEMORY = {"w1": w1, "w2": w2, "w5": w5, "small": small, "narrow": narrow, "wide": wide}


def append_all(buffer: CaptureBuffer, spool: Path, events: Iterator[Event]) -> None:
    """Appends events until the spool holds `SPOOLED` bytes of frames."""
    for entry in events:
        items, request = entry.items, entry.request
        features: Any = items
        if isinstance(items, Matrix):
            features = items.array
        elif isinstance(items, Rows):
            rows = [dict(zip(items.names, row, strict=True)) for row in items.rows]
            features = rows if request else rows[0]
        shared = dict(zip(request.names, request.rows[0], strict=True)) if isinstance(request, Rows) else None
        risks = np.random.default_rng(entry.number).random(len(items))
        while not buffer.append(features, risks, request_features=shared, feature_names=ITEM_NAMES):
            time.sleep(0.001)  # the segment pool prepares the next segment
        if entry.number % 100 == 0 and read_stats(spool).backlog_bytes >= SPOOLED:
            return


def memory(server: S3Server, workload: str, form: str) -> dict[str, int]:
    """MiB that a shipper's process takes at most: its resident set, and what of it is no file's."""
    with tempfile.TemporaryDirectory(prefix="encode-", dir="/dev/shm") as folder:
        config = CaptureConfig(
            destination=f"s3://{server.new_bucket()}/captured",
            endpoint_name="memory",
            format=form,
            spool_dir=Path(folder) / "spool",
            spool_max_bytes=1 << 30,
            max_bytes=256 << 20,
            max_records=1 << 40,
        )
        buffer = CaptureBuffer(config, start_shipper=False)
        append_all(buffer, config.spool().directory, MEMORY[workload](1 << 40))
        buffer.close(timeout=0)
        shipper = subprocess.Popen(
            [sys.executable, "-m", "capture", "ship", "--until-idle"],
            env=os.environ | server.environment | config.to_env(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        most = {"resident": 0, "own": 0}
        while shipper.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                lines = (line.split() for line in Path(f"/proc/{shipper.pid}/status").read_text().splitlines())
                found = {line[0]: int(line[1]) // 1024 for line in lines if line[0] in ("VmHWM:", "RssAnon:")}
                most["resident"] = max(most["resident"], found.get("VmHWM:", 0))
                most["own"] = max(most["own"], found.get("RssAnon:", 0))
            time.sleep(0.002)
        if shipper.returncode:
            raise RuntimeError(f"the shipper ended with {shipper.returncode}")
        return most


def main() -> None:
    """Measures all, prints a table and writes the results."""
    pa.set_memory_pool(pa.system_memory_pool())
    rows: list[tuple[str, str, Any, float]] = [
        ("W1 Parquet, a record", "µs", cpu("parquet", w1, 10_000, 1), 10),
        ("W2 Parquet, an event", "µs", cpu("parquet", w2, 500, 1), 400),
        ("W5 Parquet, an event", "µs", cpu("parquet", w5, 400, 1), 1000),
        ("W1 JSON Lines, an item", "µs", cpu("jsonl", w1, 10_000, 1), 15),
        ("W2 JSON Lines, an item", "µs", cpu("jsonl", w2, 100, 200), 15),
        ("W5 JSON Lines, an item", "µs", cpu("jsonl", w5, 100, 200), 15),
    ]
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        sizes = {f"{w} {form}": memory(server, w, form) for w in MEMORY for form in ("parquet", "jsonl")}
    print(f"{'encoding, CPU':26} {'median':>9} {'lowest':>9} {'highest':>9} {'limit':>7} {'bytes':>8}")
    for name, unit, found, limit in rows:
        print(f"{name:26} " + " ".join(f"{found[key]:>7.1f}{unit}" for key in ("median", "lowest", "highest")), end="")
        print(f" {limit:>5}{unit} {found['bytes']:>8}")
    for name, size in sizes.items():
        print(
            f"memory of a shipper, {name:14} {size['resident']:>5} MiB, {size['own']} of its own (limit: 286, 300 MB)"
        )
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

"""What the costliest bodies of the largest size cost a worker: seconds of CPU and bytes of memory, each in its own process.

    python -m benchmarks.amplification [--only NAME]

The bodies are those of `tests/serialization/hostile.py`: for each format what a search by hand and by hypothesis found,
at SageMaker's limit of 6,291,456 bytes. A process decodes one body as a worker does and prepares the result for capture.
Memory is the peak above what the process had before. Prints a table and writes `benchmarks/results/amplification.json`.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from tests.serialization import bodies, hostile

MAX_SECONDS = 2.0
MAX_BYTES = 400_000_000
PATIENCE = 120


def measured(name: str) -> dict[str, Any]:
    """Decode one body and prepare it for capture in this process."""
    from capture import CaptureBuffer, CaptureConfig, new_event_id
    from serialization import SerializationError

    content_type, make = hostile.BODIES[name]
    body = make()
    codecs = hostile.codecs()
    for valid_type, valid in bodies.valid():
        codecs.decode(valid, valid_type)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        config = CaptureConfig(destination=f"file://{directory}/captured", spool_dir=Path(directory, "spool"))
        buffer = CaptureBuffer(config, start_shipper=False)
        buffer.append(buffer.prepare([{"a": 1}], event_id=new_event_id()), [1.0])
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = _resident("VmRSS")
        begun = time.process_time()
        outcome, value = "decoded", None
        try:
            value = codecs.decode(body, content_type)
        except SerializationError as error:
            outcome = f"{error.status}"
        decoded = time.process_time() - begun
        begun = time.process_time()
        captured = None
        if outcome == "decoded":
            captured = buffer.append(buffer.prepare(value, event_id=new_event_id()), [1.0])
        prepared = time.process_time() - begun
        peak = _resident("VmHWM") - before
    return {
        "format": content_type,
        "bytes": len(body),
        "outcome": outcome,
        "captured": captured,
        "decode_seconds": round(decoded, 3),
        "capture_seconds": round(prepared, 3),
        "peak_bytes": peak,
    }


def _resident(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def main() -> None:
    """Measure every body, or the one that is named."""
    parser = argparse.ArgumentParser(description="What the costliest bodies cost a worker.")
    parser.add_argument("--only", help="part of the name of a body")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(arguments.one)))
        return
    rows = {}
    for name in hostile.BODIES:
        if arguments.only and arguments.only not in name:
            continue
        command = [sys.executable, "-m", "benchmarks.amplification", "--one", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
            rows[name] = json.loads(done.stdout) if done.returncode == 0 else {"outcome": f"exit {done.returncode}"}
        except subprocess.TimeoutExpired:
            rows[name] = {"outcome": f"over {PATIENCE} s"}
        row = rows[name]
        print(name, row, "" if _within(row) else "  <== TOO MUCH", flush=True)
    if not arguments.only:
        write_results("amplification", {"machine": machine(), "bodies": rows}, _table(rows))
        print(_table(rows))


def _within(row: dict[str, Any]) -> bool:
    if "peak_bytes" not in row:
        return False
    return bool(row["decode_seconds"] + row["capture_seconds"] <= MAX_SECONDS and row["peak_bytes"] <= MAX_BYTES)


def _table(rows: dict[str, dict[str, Any]]) -> str:
    return markdown(["body", "outcome", "seconds", "MB"], [_line(name, row) for name, row in rows.items()])


def _line(name: str, row: dict[str, Any]) -> list[str]:
    if "peak_bytes" not in row:
        return [name, str(row["outcome"]), "", ""]
    seconds = row["decode_seconds"] + row["capture_seconds"]
    return [f"{row['format']}: {name}", str(row["outcome"]), f"{seconds:.2f}", f"{row['peak_bytes'] / 1e6:.0f}"]


if __name__ == "__main__":
    main()

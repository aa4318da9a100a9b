"""What a busy shipper does to the Python that runs beside it.

A worker appends events of W2 and times a loop of 0.2 ms of pure Python, with short waits between as a server has them.
The shipper is stopped and continued (SIGSTOP, SIGCONT) in alternating windows; while it runs it always has a batch to
encode. The figure is the ratio of the loop's p99 in a window with the shipper to that in the window after it, without;
beside it stands the ratio of two quiet windows, which is what this machine does by itself.

    python -m benchmarks.neighbour [--windows N]

Twice: each on a core of its own, and both on one core. Writes benchmarks/results/neighbour.json and neighbour.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.append_workloads import workloads
from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from capture import CaptureBuffer, CaptureConfig
from capture.shipping.stats import read_stats

WINDOW = 0.25
_APPENDS_BETWEEN = 2


def _unit() -> None:
    total = 0
    for number in range(6_000):
        total += number


def _window(append: Any, buffer: CaptureBuffer) -> float:
    """The p99, in ms, of the loop in one window."""
    times = []
    end = time.perf_counter() + WINDOW
    while time.perf_counter() < end:
        for _ in range(_APPENDS_BETWEEN):
            append(buffer)
        begun = time.perf_counter()
        _unit()
        times.append(time.perf_counter() - begun)
        time.sleep(0.0005)
    return float(np.percentile(times, 99)) * 1e3


def measure(one_core: bool, windows: int) -> dict[str, Any]:
    """Ratios of p99 over `windows` pairs of windows."""
    cores = sorted(os.sched_getaffinity(0))
    append = next(entry for entry in workloads() if entry.name == "W2").append
    with tempfile.TemporaryDirectory(prefix="neighbour-", dir="/dev/shm") as directory:
        spool = Path(directory) / "spool"
        config = CaptureConfig(destination=f"file://{directory}/out", spool_dir=spool, max_records=100)
        command = [sys.executable, "-m", "capture", "ship", "--spool", str(spool), "--until-idle"]
        buffer = CaptureBuffer(config, start_shipper=False)
        shipper = subprocess.Popen(command, env=os.environ | config.to_env(), stdout=subprocess.DEVNULL)
        os.sched_setaffinity(0, {cores[0]})
        os.sched_setaffinity(shipper.pid, {cores[0] if one_core else cores[-1]})
        while not read_stats(spool).shipped:
            append(buffer)
            time.sleep(0.01)
        for thread in Path(f"/proc/{shipper.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cores[0] if one_core else cores[-1]})
        busy: list[float] = []
        quiet: list[float] = []
        shipped = []
        for _ in range(windows):
            shipper.send_signal(signal.SIGCONT)
            before = _cpu(shipper.pid)
            busy.append(_window(append, buffer))
            shipped.append((_cpu(shipper.pid) - before) / WINDOW)
            shipper.send_signal(signal.SIGSTOP)
            quiet.append(_window(append, buffer))
        more_quiet = [_window(append, buffer) for _ in range(windows)]
        shipper.send_signal(signal.SIGCONT)
        buffer.close(timeout=120)
        shipper.wait(timeout=120)
        os.sched_setaffinity(0, set(cores))
    return {
        "busy ÷ quiet": round(statistics.median(b / q for b, q in zip(busy, quiet, strict=True)), 3),
        "quiet ÷ quiet": round(
            statistics.median(a / b for a, b in zip(more_quiet[::2], more_quiet[1::2], strict=False)), 3
        ),
        "p99 busy, ms": round(statistics.median(busy), 3),
        "p99 quiet, ms": round(statistics.median(quiet), 3),
        "shipper's share of a core": round(statistics.median(shipped), 2),
        "windows": windows,
    }


def _cpu(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measures both ways and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--windows", type=int, default=60)
    args = parser.parse_args()
    found = {"other core": measure(False, args.windows), "same core": measure(True, args.windows)}
    rows = [[where, *(values[key] for key in values)] for where, values in found.items()]
    text = markdown(["shipper on", *found["same core"]], rows)
    write_results("neighbour", {"machine": machine(), **found}, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What `CaptureBuffer.append` costs the thread that serves, while the shipper ships.

Each round runs every workload once, in a process of its own, paced; an append and its floor alternate in one loop, so
that a noisy neighbour meets both, and each goes first every other time, within a tick and from tick to tick, so that
neither always finds the caches warmed by the other, or always those that a sleep has left cold. Beside them stands a
fixed microsecond of Python: what its maximum is, the machine did. A call counts as *not preempted* when the kernel did
not switch the thread out against its will meanwhile (`ru_nivcsw`).

    python -m benchmarks.append [--rounds N] [--share F] [--only WORKLOAD …]

writes benchmarks/results/append.json and append.md; `--share 0.1` makes a tenth of the calls.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.append_workloads import Workload, workloads
from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from capture import CaptureBuffer, CaptureConfig
from capture.shipping.stats import read_stats

RESULTS = Path(__file__).parent / "results" / "append.json"
TICK = 0.002
THREADS = 4
LIMITS = {
    "W1": (5, 3.5, 25, 100), "W2": (25, 2.5, 100, 250), "W3": (50, 3.5, 200, 400), "W4": (80, 4, 320, 500),
    "W5": (200, 1.8, 450, 800),
}  # fmt: skip
"""p50, p50 ÷ floor, p99 and p99.9 that the engine promises, in µs."""


def _spread(times: list[int]) -> dict[str, float]:
    """Percentiles in microseconds of times in nanoseconds."""
    ordered = sorted(times)
    last = len(ordered) - 1
    places = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: round(ordered[int(last * share)] / 1e3, 2) for name, share in places.items()}


def _microsecond() -> None:
    for _ in range(40):
        pass


def _timed(call: Any, *given: Any) -> tuple[int, bool]:
    """Nanoseconds of one call, and whether it was preempted."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
    begun = time.perf_counter_ns()
    call(*given)
    taken = time.perf_counter_ns() - begun
    return taken, resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw != before


def paced(workload: Workload, buffer: CaptureBuffer, calls: int) -> dict[str, Any]:
    """One workload at its rate: append, floor and the fixed microsecond in turn."""
    each = max(int(workload.rate * TICK), 1)
    tick = each / workload.rate
    append: list[int] = []
    calm: list[int] = []
    floor: list[int] = []
    fixed: list[int] = []
    for _ in range(100):
        workload.append(buffer)
        workload.floor()
        time.sleep(TICK)
    next_tick = time.perf_counter()
    ticks = 0
    while len(append) < calls:
        ticks += 1
        for number in range(each):
            floor_first = (ticks + number) % 2
            if floor_first:
                floor.append(_timed(workload.floor)[0])
            taken, preempted = _timed(workload.append, buffer)
            append.append(taken)
            if not preempted:
                calm.append(taken)
            if not floor_first:
                floor.append(_timed(workload.floor)[0])
            fixed.append(_timed(_microsecond)[0])
        next_tick = max(next_tick + tick, time.perf_counter() - 10 * tick)
        time.sleep(max(next_tick - time.perf_counter(), 0))
    return {
        "append": _spread(append) | {"max not preempted": round(max(calm) / 1e3, 2), "calls": len(append)},
        "floor": _spread(floor),
        "fixed microsecond": _spread(fixed),
        "p50 ÷ floor": round(statistics.median(append) / statistics.median(floor), 2),
    }


def threaded(workload: Workload, buffer: CaptureBuffer, calls: int) -> dict[str, Any]:
    """The same append from four threads that are never idle."""
    times: list[list[int]] = [[] for _ in range(THREADS)]

    def work(own: list[int]) -> None:
        for _ in range(calls // THREADS):
            begun = time.perf_counter_ns()
            workload.append(buffer)
            own.append(time.perf_counter_ns() - begun)
            for _ in range(10):
                _microsecond()

    threads = [threading.Thread(target=work, args=(own,)) for own in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"append": _spread([taken for own in times for taken in own]) | {"calls": calls}}


def run_one(name: str, share: float) -> dict[str, Any]:
    """One workload in this process, with a shipper of its own; what the buffer measured of itself stands beside it."""
    workload = next(entry for entry in workloads() if entry.name == name.removesuffix("×4"))
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="append-", dir=base) as directory:
        config = CaptureConfig(destination=f"file://{directory}/out", spool_dir=Path(directory) / "spool")
        buffer = CaptureBuffer(config)
        gc.collect()
        calls = int(workload.calls * share)
        found = threaded(workload, buffer, calls) if name.endswith("×4") else paced(workload, buffer, calls)
        stats = read_stats(Path(directory) / "spool")
        found["own measurement"] = {
            "mean": round(stats.append_mean_us, 2),
            "p99": round(stats.append_p99_us, 2),
            "max": round(stats.append_max_us, 2),
        }
        found["refused"] = stats.dropped
        found["all shipped"] = buffer.close(timeout=120)
        end = time.monotonic() + 30
        while (Path(directory) / "spool").exists() and time.monotonic() < end:
            time.sleep(0.05)
    return found


def cost_of_import() -> dict[str, Any]:
    """What `import capture` costs a worker: milliseconds, and megabytes of memory, over an empty interpreter.

    Memory is the kernel's high-water mark of the program; getrusage's would be that of the process that started it.
    """
    program = (
        "import sys, time; begun = time.perf_counter()\n{}\ntook = (time.perf_counter() - begun) * 1e3\n"
        "memory = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(took, int(memory.split()[1]) / 1e3, sorted({{'numpy', 'pandas', 'pyarrow', 'boto3'}} & set(sys.modules)))"
    )
    found = {}
    for label, line in (
        ("empty", "pass"),
        ("capture", "import capture"),
        ("msgspec, crc32c", "import msgspec, crc32c"),
    ):
        runs = []
        for _ in range(7):
            out = subprocess.run(
                [sys.executable, "-c", program.format(line)], capture_output=True, text=True, check=True
            )
            runs.append(out.stdout.split(" ", 2))
        found[label] = {
            "ms": round(statistics.median(float(run[0]) for run in runs), 1),
            "MB": round(statistics.median(float(run[1]) for run in runs), 1),
            "heavy modules": runs[0][2].strip(),
        }
    return found


def _median(rounds: list[dict[str, Any]], *path: str) -> float:
    values = []
    for found in rounds:
        value: Any = found
        for key in path:
            value = value[key]
        values.append(float(value))
    return round(statistics.median(values), 2)


def _refused(rounds: list[dict[str, Any]]) -> str:
    """Records that `append` refused (by whatever reason), of those of all rounds."""
    return f"{sum(sum(found['refused'].values()) for found in rounds)} of {sum(found['append']['calls'] for found in rounds)}"


def table(rounds: dict[str, list[dict[str, Any]]]) -> str:
    """Medians over the rounds, in µs."""
    rows = []
    for name, found in rounds.items():
        if name.endswith("×4"):
            spread = [_median(found, "append", key) for key in ("p50", "p99", "p99.9")]
            rows.append([name, spread[0], "–", spread[1], spread[2], "–", "–", "–", _refused(found), "p99 ≤ 50"])
            continue
        p50, ratio, p99, p999 = LIMITS[name]
        rows.append([
            name, _median(found, "append", "p50"), _median(found, "p50 ÷ floor"), _median(found, "append", "p99"),
            _median(found, "append", "p99.9"), _median(found, "append", "max not preempted"),
            _median(found, "append", "max"), _median(found, "fixed microsecond", "max"), _refused(found),
            f"{p50} / {ratio} / {p99} / {p999}",
        ])  # fmt: skip
    head = [
        "",
        "p50",
        "÷ floor",
        "p99",
        "p99.9",
        "max, not preempted",
        "max",
        "max of 1 µs of Python",
        "refused",
        "limits",
    ]
    return markdown(head, rows)


def main() -> int:
    """Runs the rounds and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="share of the calls to make")
    parser.add_argument(
        "--only", nargs="+", default=[*LIMITS, "W1×4"], help="workloads to measure; the others' rounds stay"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        sys.stdout.buffer.write(msgspec.json.encode(run_one(args.one, args.share)))
        return 0
    known = {} if not RESULTS.exists() else msgspec.json.decode(RESULTS.read_bytes())["rounds"]
    names = [*LIMITS, "W1×4"]
    rounds = {name: [] if name in args.only else known[name] for name in names if name in args.only or name in known}
    for number in range(args.rounds):
        for name in args.only:
            command = [sys.executable, "-m", "benchmarks.append", "--one", name, "--share", str(args.share)]
            out = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            rounds[name].append(msgspec.json.decode(out.stdout))
            print(f"round {number + 1}/{args.rounds} {name}: {rounds[name][-1]['append']}", file=sys.stderr)
    text = table(rounds)
    write_results("append", {"machine": machine(), "import": cost_of_import(), "rounds": rounds}, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

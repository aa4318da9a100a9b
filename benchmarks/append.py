"""What `CaptureBuffer.append` costs the thread that serves, while the shipper ships.

Each round runs every workload once, in a process of its own:

- W1 to W5 (`append_workloads`), paced, each next to its floor (`paced_calls`);
- W1×4, the same append from four threads that are never idle;
- the cold calls (`append_cold`), which find the processor's caches filled with other things, as in a served request;
- a peer's hand-over of the row of W1 (`append_peer`), paced alike, in an environment that is made here.

    python -m benchmarks.append [--rounds N] [--share F] [--only WORKLOAD …] [--before COMMIT] [--scratch DIR]

writes benchmarks/results/append.json and append.md; `--share 0.1` makes a tenth of the calls; `--before` measures the packages
of an earlier commit too, in turn with those of now; `--scratch` keeps the peer's environment.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import append_cold, append_peer, former
from benchmarks.append_workloads import Workload, workloads
from benchmarks.machine import machine, write_results
from benchmarks.paced_calls import microsecond, paced, spread
from benchmarks.tables import markdown
from capture import CaptureBuffer, CaptureConfig

RESULTS = Path(__file__).parent / "results" / "append.json"
THREADS = 4
LIMITS = {
    "W1": (5, 2.0, 25, 100), "W2": (25, 2.5, 100, 250), "W3": (50, 3.5, 200, 400), "W4": (80, 4, 320, 500),
    "W5": (200, 1.8, 450, 800),
}  # fmt: skip
"""p50, p50 ÷ floor, p99 and p99.9 that the engine promises, in µs."""


def threaded(workload: Workload, buffer: CaptureBuffer, calls: int) -> dict[str, Any]:
    """The same append from four threads that are never idle."""
    times: list[list[int]] = [[] for _ in range(THREADS)]

    def work(own: list[int]) -> None:
        for _ in range(calls // THREADS):
            begun = time.perf_counter_ns()
            workload.append(buffer)
            own.append(time.perf_counter_ns() - begun)
            for _ in range(10):
                microsecond()

    threads = [threading.Thread(target=work, args=(own,)) for own in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"append": spread([taken for own in times for taken in own]) | {"calls": calls}}


def run_one(name: str, share: float) -> dict[str, Any]:
    """Returns the figures of one workload in this process, with a shipper of its own, and what the buffer measured of itself."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="append-", dir=base) as directory:
        spool = Path(directory) / "spool"
        buffer = CaptureBuffer(CaptureConfig(destination=f"file://{directory}/out", spool_dir=spool))
        gc.collect()
        found = _figures(name, buffer, share)
        stats = buffer.stats()
        found["own measurement"] = {
            "mean": round(stats.append_mean_us, 2),
            "p99": round(stats.append_p99_us, 2),
            "max": round(stats.append_max_us, 2),
        }
        found["refused"] = stats.dropped
        found["all shipped"] = buffer.close(timeout=120)
        end = time.monotonic() + 30
        while spool.exists() and time.monotonic() < end:
            time.sleep(0.05)
    return found


def _figures(name: str, buffer: CaptureBuffer, share: float) -> dict[str, Any]:
    if name in append_cold.CALLS:
        return append_cold.measure(name, buffer, max(int(append_cold.CALLS[name] * share), 20))
    workload = next(entry for entry in workloads() if entry.name == name.removesuffix("×4"))
    calls = int(workload.calls * share)
    if name.endswith("×4"):
        return threaded(workload, buffer, calls)
    return paced(workload.append, (buffer,), workload.floor, workload.rate, calls)


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
    """Returns the records that `append` refused (by whatever reason), of those of all rounds."""
    if "refused" not in rounds[0]:
        return "–"
    return f"{sum(sum(found['refused'].values()) for found in rounds)} of {sum(found['append']['calls'] for found in rounds)}"


def table(rounds: dict[str, list[dict[str, Any]]]) -> str:
    """Returns a table of medians over the rounds, in µs."""
    rows = []
    for name, found in rounds.items():
        several = [_cell(found, *path) for path in _COLUMNS.values()]
        rows.append([name, *several, _refused(found), _limits(name)])
    return markdown(["", *_COLUMNS, "refused", "limits"], rows) + _against_peer(rounds)


_COLUMNS = {
    "p50": ("append", "p50"),
    "÷ floor": ("p50 ÷ floor",),
    "p99": ("append", "p99"),
    "p99.9": ("append", "p99.9"),
    "max, not preempted": ("append", "max not preempted"),
    "max": ("append", "max"),
    "max of 1 µs of Python": ("fixed microsecond", "max"),
}


def _cell(rounds: list[dict[str, Any]], *path: str) -> object:
    try:
        return _median(rounds, *path)
    except KeyError:
        return "–"


def _limits(name: str) -> str:
    return " / ".join(map(str, LIMITS[name])) if name in LIMITS else "p99 ≤ 50" if name.endswith("×4") else "–"


def _against_peer(rounds: dict[str, list[dict[str, Any]]]) -> str:
    """Returns the ratios of p50 of one row, ours ÷ the peer's, round by round, in a sentence."""
    lines = []
    for peer in (append_peer.RECORD, append_peer.BARE):
        if peer in rounds and len(rounds[peer]) == len(rounds.get("W1", ())):
            ratios = [
                ours["append"]["p50"] / theirs["append"]["p50"]
                for ours, theirs in zip(rounds["W1"], rounds[peer], strict=True)
            ]
            lines.append(f"W1 ÷ {peer}: p50 {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return "".join(f"\n\n{line}" for line in lines)


def _measured(name: str, share: float, folder: Path) -> dict[str, Any]:
    """Returns the figures of one workload, from a process that imports the packages of `folder`."""
    command = [sys.executable, "-m", "benchmarks.append", "--one", name, "--share", str(share)]
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=folder)
    found: dict[str, Any] = msgspec.json.decode(out.stdout)
    return found


def _rounds(args: argparse.Namespace, rounds: dict[str, list[dict[str, Any]]], scratch: Path) -> None:
    """Adds the figures of all rounds: workload by workload, before and now in turn, the peer next to W1."""
    with ExitStack() as stack:
        places = {"": former.ROOT}
        if args.before:
            places = {f", {args.before}": stack.enter_context(former.tree(args.before)), **places}
        python = append_peer.environment(scratch) if append_peer.RECORD in args.only else None
        for number in range(args.rounds):
            for name in args.only:
                if python is not None and name == append_peer.RECORD:
                    calls = int(append_peer.CALLS * args.share)
                    found = append_peer.measure(python, calls)
                else:
                    found = {name + suffix: _measured(name, args.share, place) for suffix, place in places.items()}
                for label, figures in found.items():
                    rounds.setdefault(label, []).append(figures)
                    print(f"round {number + 1}/{args.rounds} {label}: {figures['append']}", file=sys.stderr)


def main() -> int:
    """Runs the rounds and writes the results."""
    names = ["W1", append_peer.RECORD, "W2", "W3", "W4", "W5", "W1×4", *append_cold.CALLS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="share of the calls to make")
    parser.add_argument("--only", nargs="+", default=names, help="workloads to measure; the others' rounds stay")
    parser.add_argument("--before", help="a commit whose packages are measured in turn with those of now")
    parser.add_argument("--scratch", help="a folder for the peer's environment that stays; else one that is removed")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        sys.stdout.buffer.write(msgspec.json.encode(run_one(args.one, args.share)))
        return 0
    known = {} if not RESULTS.exists() else msgspec.json.decode(RESULTS.read_bytes())["rounds"]
    rounds = {label: found for label, found in known.items() if label.split(", ")[0] not in args.only}
    with tempfile.TemporaryDirectory(prefix="append-peer-") as folder:
        _rounds(args, rounds, Path(args.scratch or folder))
    text = table(rounds)
    write_results("append", {"machine": machine(), "import": cost_of_import(), "rounds": rounds}, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

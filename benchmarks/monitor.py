"""The monitor's speed and memory beside its peers, in one run on one machine.

- **floor**: DuckDB sums each number and hashes each text of the same files;
- **row pass**: our kernel over these files (statistics, bins, counts by unit), on one and on two threads, and on Spark after its
  start;
- **run**: the whole of `Monitor.run` and its report;
- **peers**: Evidently's DataDriftPreset and NannyML's univariate drift, each in an environment of its own, made here.

Each figure comes from a process of its own, bound to as many processors as it may use. A peer that needs longer than
`--limit` seconds of processor time is stopped: the table says so, and its ratio is a lower bound.

    python -m benchmarks.monitor [--rows N] [--peer-rows N] [--large] [--no-peers] [--no-spark] [--only-peers PEER…] [--scratch DIR]

writes benchmarks/results/monitor.json and monitor.md. The goals are those of 1,000,000 rows; `--large` adds 20,000,000 rows;
`--only-peers` adds the peers at another number of rows, ours beside them, to the results that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import monitor_data
from benchmarks.machine import machine, write_results
from benchmarks.monitor_table import LARGE_ROWS, OURS, table

ROOT = Path(__file__).resolve().parent.parent
PEERS = {
    "evidently": ["evidently==0.7.23", "pandas<3", "pyarrow"],
    "nannyml": ["nannyml==0.13.1", "pyarrow", "statsmodels"],
}
REPEATS = 3
RESULTS = ROOT / "benchmarks" / "results" / "monitor.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and writes the results."""
    options = _options(arguments)
    if options.task:
        print(json.dumps(TASKS[options.task](*options.of)))
        return 0
    scratch = Path(options.scratch or tempfile.mkdtemp(prefix="benchmark-monitor-"))
    try:
        found = _with_peers(options, scratch) if options.only_peers else _measure(options, scratch)
    finally:
        if not options.scratch:
            shutil.rmtree(scratch)
    write_results("monitor", {"machine": machine(), **found}, table(found, PEERS))
    print(table(found, PEERS))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.monitor", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the window (%(default)s)")
    parser.add_argument("--peer-rows", type=int, default=20_000, help="rows that peers get (%(default)s)")
    parser.add_argument("--large", action="store_true", help=f"measure {LARGE_ROWS:,} rows too")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="leave the peers out")
    parser.add_argument("--no-spark", dest="spark", action="store_false", help="leave Spark out")
    parser.add_argument(
        "--only-peers", nargs="+", choices=PEERS, help="add these peers at --peer-rows to the results that are there"
    )
    parser.add_argument(
        "--limit", type=int, default=900, help="processor seconds after which a peer is stopped (%(default)s)"
    )
    parser.add_argument("--scratch", help="a folder for data and environments that stays; else one that is removed")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("of", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    training, window = _data(scratch, options.rows, 1), _data(scratch, options.rows, 2)
    baseline = scratch / f"baseline-{options.rows}"
    results: dict[str, Any] = {"rows": options.rows, "columns": monitor_data.COLUMNS, "figures": {}}
    figures = results["figures"]

    def take(name: str, task: str, *of: object, cores: int = 1) -> None:
        print(f"{name} …", file=sys.stderr, flush=True)
        figures[name] = _task(task, *of, cores=cores)

    take("baseline", "baseline", training, baseline, 2, cores=2)
    for cores in (1, 2):
        take(f"floor, {cores} threads", "floor", window, cores, cores=cores)
        take(f"row pass, {cores} threads", "rows", window, baseline, cores, cores=cores)
    take("run, 1 thread", "run", window, baseline, 1)
    take("run, 2 threads", "run", window, baseline, 2, cores=2)
    if options.spark:
        take("Spark, 2 cores", "spark", window, baseline, 2, cores=2)
    if options.peers:
        figures.update(_beside_peers(options, scratch, list(PEERS)))
    if options.large:
        large = _data(scratch, LARGE_ROWS, 5)
        take(f"row pass, {LARGE_ROWS:,} rows, 1 thread", "rows", large, baseline, 1)
        take(f"floor, {LARGE_ROWS:,} rows, 1 thread", "floor", large, 1)
    return results


def _with_peers(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Returns the results that are there, with the peers at the asked number of rows."""
    found: dict[str, Any] = json.loads(RESULTS.read_text())
    found["figures"].update(_beside_peers(options, scratch, options.only_peers))
    return found


def _beside_peers(options: argparse.Namespace, scratch: Path, peers: Sequence[str]) -> dict[str, Any]:
    """Returns the figures of ours and of each peer over the same two data sets, on one processor."""
    rows = options.peer_rows
    training = _data(scratch, rows, 3, infinities=False)
    window = _data(scratch, rows, 4, infinities=False)
    print(f"{OURS}, {rows:,} rows …", file=sys.stderr, flush=True)
    figures = {f"{OURS}, {rows:,} rows": {**_task("whole", training, window, cores=1), "rows": rows}}
    for peer in peers:
        print(f"{peer}, {rows:,} rows …", file=sys.stderr, flush=True)
        figures[f"{peer}, {rows:,} rows"] = {**_peer(peer, training, window, scratch, options.limit), "rows": rows}
    return figures


def _data(scratch: Path, rows: int, seed: int, *, infinities: bool = True) -> Path:
    folder = scratch / f"rows-{rows}-{seed}"
    if not folder.exists():
        print(f"writing {rows:,} rows …", file=sys.stderr, flush=True)
        monitor_data.write(folder, rows, seed, infinities=infinities)
    return folder


def _task(task: str, *of: object, cores: int) -> dict[str, Any]:
    """Returns the figures of a task, from a process of its own bound to `cores` processors."""
    command = [sys.executable, "-m", "benchmarks.monitor", "--task", task, *map(str, of)]
    return _json(command, cores, None)


def _json(command: Sequence[str], cores: int, limit: int | None) -> dict[str, Any]:
    processors = sorted(os.sched_getaffinity(0))[:cores]
    bound = [sys.executable, "-c", _BIND, ",".join(map(str, processors)), str(limit or 0), *command]
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores), "OPENBLAS_NUM_THREADS": str(cores)}
    done = subprocess.run(bound, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode == -signal.SIGXCPU:
        return {"stopped after": limit}
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    *_, figures, process = done.stdout.splitlines()
    return {**json.loads(figures), **json.loads(process)}


_BIND = """
import json, os, resource, signal, subprocess, sys, time
os.sched_setaffinity(0, {int(number) for number in sys.argv[1].split(',')})
limit = int(sys.argv[2])
bound = (lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))) if limit else None
began = time.perf_counter()
code = subprocess.run(sys.argv[3:], preexec_fn=bound).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "wall": round(time.perf_counter() - began, 2),
    "whole processor": round(used.ru_utime + used.ru_stime, 2),
    "peak MB": round(used.ru_maxrss / 1024),
}))
if code == -signal.SIGXCPU:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGXCPU)
sys.exit(code)
"""
"""Runs a command on some processors for so much processor time, and prints what it took after its output."""


def _best(call: Callable[[], object], repeats: int = REPEATS) -> dict[str, float]:
    """Returns the seconds of the fastest of some calls, and their processor time."""
    found = []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        call()
        found.append((time.perf_counter() - wall, time.process_time() - processor))
    seconds, processor = min(found)
    return {"seconds": round(seconds, 3), "processor": round(processor, 3)}


# --- tasks: each runs in a process of its own ---------------------------------------------------------------------------


def _baseline(training: str, output: str, threads: str) -> dict[str, Any]:
    from monitoring.baseline.baseline import Baseline
    from monitoring.engines.local import LocalEngine

    return _best(lambda: Baseline.from_training(training, engine=LocalEngine(int(threads))).save(output), 1)


def _floor(window: str, threads: str) -> dict[str, Any]:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"set threads = {int(threads)}")
    rows = f"read_parquet('{window}/*.parquet')"
    names = [row[0] for row in connection.execute(f"describe select * from {rows}").fetchall()]
    wanted = [
        f'sum(hash("{name}"))' if name.startswith("text") else f'sum("{name}")'
        for name in names
        if not name.startswith("capture_")
    ]
    return _best(lambda: connection.execute(f"select {', '.join(wanted)} from {rows}").fetchall())


def _rows(window: str, baseline: str, threads: str) -> dict[str, Any]:
    import pyarrow as pa

    from monitoring.baseline.baseline import Baseline
    from monitoring.engines.local import LocalEngine
    from monitoring.engines.window import count_window
    from monitoring.source.open import open_rows

    pa.set_cpu_count(int(threads))
    loaded, engine = Baseline.load(baseline), LocalEngine(int(threads))
    return _best(lambda: count_window(open_rows(window), None, loaded, engine))


def _run(window: str, baseline: str, threads: str) -> dict[str, Any]:
    from monitoring.monitor import Monitor

    report = Path(baseline) / "report.html"
    monitor = Monitor(baseline, threads=int(threads))
    figures = _best(lambda: monitor.run(window).save(str(report)))
    return {**figures, "report KB": report.stat().st_size // 1024}


def _whole(training: str, window: str) -> dict[str, Any]:
    """Baseline, run and report, as a peer does it: two data sets in, one page out."""
    from monitoring.baseline.baseline import Baseline
    from monitoring.engines.local import LocalEngine
    from monitoring.monitor import Monitor

    report = Path(window).with_suffix(".html")

    began, used = time.perf_counter(), time.process_time()
    baseline = Baseline.from_training(training, engine=LocalEngine(1))
    seconds, processor = time.perf_counter(), time.process_time()
    Monitor(baseline, threads=1).run(window).save(str(report))
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "processor": round(time.process_time() - used, 3),
        "run": round(time.perf_counter() - seconds, 3),
        "run processor": round(time.process_time() - processor, 3),
        "report KB": report.stat().st_size // 1024,
    }


def _spark(window: str, baseline: str, cores: str) -> dict[str, Any]:
    from monitoring.baseline.baseline import Baseline
    from monitoring.engines.spark import SparkEngine
    from monitoring.engines.window import count_window
    from monitoring.source.open import open_rows

    began = time.perf_counter()
    with SparkEngine(f"local[{int(cores)}]") as engine:
        start = time.perf_counter() - began
        loaded, source = Baseline.load(baseline), open_rows(window)
        first = _best(lambda: count_window(source, None, loaded, engine), 1)
        second = _best(lambda: count_window(source, None, loaded, engine))
    return {**second, "first": first["seconds"], "start": round(start, 2)}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "baseline": _baseline,
    "floor": _floor,
    "rows": _rows,
    "run": _run,
    "whole": _whole,
    "spark": _spark,
}


def _peer(peer: str, training: Path, window: Path, scratch: Path, limit: int) -> dict[str, Any]:
    """Returns a peer's figures; a reason where its environment cannot be made or it fails."""
    environment = scratch / f"environment-{peer}"
    python = environment / "bin" / "python"
    uv = [str(Path(sys.executable).parent / "uv"), "--quiet"]
    try:
        if not python.exists():
            subprocess.run([*uv, "venv", "--python", sys.executable, str(environment)], check=True)
            subprocess.run([*uv, "pip", "install", "--python", str(python), *PEERS[peer]], check=True)
        script = "import sys; sys.path.insert(0, 'benchmarks'); import monitor_peers; monitor_peers.main(sys.argv[1:])"
        report = scratch / f"{peer}.html"
        command = [str(python), "-W", "ignore", "-c", script, peer, str(training), str(window)]
        figures = _json([*command, str(report)] if peer == "evidently" else command, 1, limit)
    except (subprocess.CalledProcessError, SystemExit) as error:
        return {"failed": str(error)[-300:]}
    return {**figures, "report KB": report.stat().st_size // 1024} if report.exists() else figures


if __name__ == "__main__":
    sys.exit(main())

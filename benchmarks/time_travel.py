"""Backfill at size: managed logs of a million requests and three feature groups to a captured dataset.

    python -m benchmarks.time_travel            a short form: 100,000 requests
    python -m benchmarks.time_travel --full     the form whose figures the documents cite

The logs are JSON Lines of one row a request, which hold three ids and a prediction. Each group has a record every six hours
for each of its ids; some arrive late, some are deletions, some have equal event times, and they expire after ten hours. The command runs in a process of its
own, for its time and its peak memory.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
HOURS, RECORDS = 24, 8
GROUPS = {"customer": 100_000, "merchant": 20_000, "region": 500}
"""The ids of each group; three features each."""
OBJECT_ROWS = 10_000
_TIME = pa.timestamp("us", "UTC")
_RUN = """
import json, resource, sys, time
from monitoring.__main__ import main
start = time.perf_counter()
code = main(sys.argv[1:])
own = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"code": code, "seconds": time.perf_counter() - start, "peak MB": own.ru_maxrss / 1000,
                  "processor seconds": own.ru_utime + own.ru_stime}))
"""


def main() -> None:
    """Writes logs and stores, rebuilds them, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="a million requests")
    args = parser.parse_args()
    rows = 1_000_000 if args.full else 100_000
    with tempfile.TemporaryDirectory(prefix="time-travel-") as name:
        folder = Path(name)
        write_logs(folder / "logs", rows)
        write_stores(folder)
        found = run_backfill(folder)
    document = {"machine": machine(), "requests": rows, "groups": len(GROUPS), **found}
    text = f"{found['seconds']:.0f} s, {found['peak MB'] / 1000:.2f} GB ({rows:,} requests)"
    table = markdown(("what", "goal", "measured"), [("backfill, 1 M requests × 3 groups", "60 s", text)])
    write_results("time_travel" if args.full else "time_travel-short", document, table)
    print(table)


def write_logs(folder: Path, rows: int) -> None:
    """Writes the managed service's objects: requests at random times of a day, in the order of their time."""
    rng = np.random.default_rng(7)
    seconds = np.sort(rng.integers(0, HOURS * 3600, rows))
    ids = {group: rng.integers(0, count, rows).tolist() for group, count in GROUPS.items()}
    scores = np.round(rng.random(rows), 4).tolist()
    first = 0
    while first < rows:
        hour = int(seconds[first]) // 3600
        last = min(first + OBJECT_ROWS, int(np.searchsorted(seconds, (hour + 1) * 3600)))
        path = folder / f"flights/AllTraffic/{START + dt.timedelta(hours=hour):%Y/%m/%d/%H}/{first:09d}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        for row in range(first, last):
            at = START + dt.timedelta(seconds=int(seconds[row]))
            request = json.dumps({group: f"{group[0]}{ids[group][row]}" for group in GROUPS})
            lines.append(_line(row, at, request, str(scores[row])))
        path.write_text("\n".join(lines) + "\n")
        first = last


def _line(number: int, at: dt.datetime, request: str, response: str) -> str:
    captured = {
        "endpointInput": {
            "observedContentType": "application/json",
            "mode": "INPUT",
            "data": request,
            "encoding": "JSON",
        },
        "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": response, "encoding": "CSV"},
    }
    metadata = {
        "eventId": f"9f1c7d52-6c4e-4d59-9c65-{number:012d}",
        "inferenceTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return json.dumps({"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"})


def write_stores(folder: Path) -> None:
    """Writes each group's offline store in Glue's layout, and `groups.toml`."""
    rng, text = np.random.default_rng(8), []
    for group, count in GROUPS.items():
        previous = np.zeros(count, np.int64)
        for step in range(RECORDS):
            at = START + dt.timedelta(hours=6 * step - 24)
            event = int(at.timestamp()) + rng.integers(0, 4 * 3600, count)
            event = np.where((rng.random(count) < 0.02) & (previous > 0), previous, event).astype(np.int64)
            previous = event
            arrived = event + np.where(rng.random(count) < 0.05, rng.integers(3600, 9 * 3600, count), 2) + 10 * step
            times = pa.array(arrived * 1_000_000, pa.int64()).cast(_TIME)
            table = pa.table(
                {
                    "id": [f"{group[0]}{number}" for number in range(count)],
                    "event_time": event.astype(np.float64),
                    "api_invocation_time": times,
                    "write_time": times,
                    "is_deleted": rng.random(count) < 0.01,
                    **{f"{group}_{name}": rng.normal(size=count) for name in "abc"},
                }
            )
            path = folder / group / f"data/year={at:%Y}/month={at:%m}/day={at:%d}/hour={at:%H}/part.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(table, path)
        features = "".join(f'{group}_{name} = "{group}_{name}"\n' for name in "abc")
        text.append(
            f'[[group]]\nname = "{group}"\nsource = "{folder}/{group}/data"\nrecord_id = "id"\n'
            f'event_time = "event_time"\nid = "{{{group}}}"\nttl_seconds = 36000\n[group.features]\n{features}'
        )
    (folder / "groups.toml").write_text("\n".join(text))


def run_backfill(folder: Path) -> dict[str, Any]:
    """Runs the command and returns seconds, peak memory and what its look-ups found."""
    command = [
        sys.executable, "-c", _RUN, "backfill", "--logs", f"{folder}/logs", "--groups", f"{folder}/groups.toml",
        "--output", f"{folder}/rebuilt", "--endpoint", "flights", "--json",
    ]  # fmt: skip
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    whole = time.perf_counter() - start
    *printed, last = done.stdout.strip().splitlines()
    measured: dict[str, Any] = json.loads(last)
    counts = json.loads("\n".join(printed))
    if measured.pop("code") != 0:
        raise RuntimeError(done.stderr)
    measured["seconds with imports"] = whole
    return measured | {"load average": os.getloadavg()[0], "rows": counts["rows"], "lookups": counts["lookups"]}


if __name__ == "__main__":
    main()

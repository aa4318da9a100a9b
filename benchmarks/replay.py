"""Replay at size: a million captured rows through the artefact that made them, bit for bit.

    python -m benchmarks.replay            a short form: 100,000 rows
    python -m benchmarks.replay --full     the form whose figures the documents cite

Requests are those of a ranking: three values of the request and 16 items of 20 features each. The command runs in a process of
its own. The model's own time is what its `predict_fn` took; the goal counts the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from capture import CaptureBuffer, CaptureConfig, Features

ITEMS, NUMBERS = 16, 18
MODEL = """
import numpy as np

def model_fn(model_dir):
    return np.linspace(-1.0, 1.0, 18)

def predict_fn(features, weights):
    table = np.array([[row[f"x{i}"] for i in range(18)] for row in features.items])
    return [{"risk": float(score)} for score in np.tanh(table @ weights + features.request["temp"])]
"""


def main() -> None:
    """Captures, replays, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="a million rows")
    args = parser.parse_args()
    rows = 1_000_000 if args.full else 100_000
    with tempfile.TemporaryDirectory(prefix="replay-") as name:
        folder = Path(name)
        (folder / "model/code").mkdir(parents=True)
        (folder / "model/code/inference.py").write_text(MODEL)
        capture_rows(folder, rows)
        found = run_replay(folder)
    beyond = found["seconds"] - found["model seconds"]
    document = {"machine": machine(), "rows": rows, "seconds beyond the model's own": beyond, **found}
    text = f"{beyond:.0f} s, {found['equal'] / rows:.0%} equal ({rows:,} rows)"
    table = markdown(
        ("what", "goal", "measured"),
        [("replay of a million rows, beyond the model's own time", "60 s, 100 % equal bits", text)],
    )
    write_results("replay" if args.full else "replay-short", document, table)
    print(table)


def capture_rows(folder: Path, rows: int) -> None:
    """Captures requests and the model's predictions, as an endpoint does."""
    space: dict[str, Any] = {}
    exec(MODEL, space)  # noqa: S102  # the artefact's own code, so that the captured predictions are the model's
    model = space["model_fn"]("")
    rng = np.random.default_rng(9)
    config = CaptureConfig(
        destination=f"file://{folder}/captured", spool_dir=folder / "spool", spool_max_bytes=4 << 30, max_bytes=64 << 20
    )
    buffer = CaptureBuffer(config)
    names = [f"x{number}" for number in range(NUMBERS)]
    for request in range(-(-rows // ITEMS)):
        values = rng.normal(size=(ITEMS, NUMBERS)).tolist()
        items = [
            {**dict(zip(names, row, strict=True)), "carrier": f"c{place % 7}", "tail": f"N{place:05d}"}
            for place, row in enumerate(values)
        ][: rows - request * ITEMS]
        features = Features(request={"airport": "JFK", "hour": request % 24, "temp": float(rng.normal())}, items=items)
        if not buffer.append(features, space["predict_fn"](features, model)):
            raise RuntimeError("a record was not accepted")
    if not buffer.close(600):
        raise RuntimeError("the records were not shipped")


def run_replay(folder: Path) -> dict[str, Any]:
    """Runs the command and returns seconds, the model's own seconds and how many predictions are equal."""
    command = [
        sys.executable, "-m", "container", "replay", "--captured", f"{folder}/captured", "--model", f"{folder}/model",
        "--json", "--expect-identical",
    ]  # fmt: skip
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(done.stdout[-500:] + done.stderr)
    found = json.loads(done.stdout)
    [risk] = found["comparison"]["columns"]
    return {
        "seconds": seconds,
        "model seconds": found["counts"]["model_seconds"],
        "events": found["counts"]["events"],
        "equal": risk["equal"],
        "load average": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()

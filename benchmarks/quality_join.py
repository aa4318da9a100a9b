"""The join of model quality at size: predictions and labels of many rows, in a process of its own for its peak memory."""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capture import dataset
from monitoring.quality.predictions import CapturedPredictions
from monitoring.quality.problem import Problem, Question
from monitoring.quality.run import QualityRun, judge_quality
from monitoring.window import Window

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
HOURS = 10
PART = 500_000


def measure_join(full: bool) -> dict[str, Any]:
    """Returns seconds and peak memory of one run: predictions and labels as Parquet, one item an event, all metrics."""
    rows = 10_000_000 if full else 500_000
    with tempfile.TemporaryDirectory(prefix="quality-join-") as folder:
        write_window(Path(folder), rows)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.quality_join", folder], check=True, capture_output=True, text=True
        )
    return {"rows": rows, **json.loads(done.stdout.splitlines()[-1])}


def write_window(folder: Path, rows: int) -> None:
    """Writes captured objects and label files, 12 rows an event, ids as the endpoint makes them."""
    rng = np.random.default_rng(5)
    done = 0
    while done < rows:
        count = min(PART, rows - done)
        number = np.arange(done, done + count)
        event, item = number // 12, number % 12
        hour = NOON + dt.timedelta(hours=int(HOURS * done / rows))
        text = np.char.add("01a22d95-3e23-7b1f-a0c6-", np.char.zfill(event.astype("U12"), 12))
        times = int(hour.timestamp() * 1e6) + rng.integers(0, 3_600_000_000, count)
        score = rng.random(count)
        captured = pa.table(
            {
                dataset.EVENT_ID: text,
                dataset.INFERENCE_ID: pa.nulls(count, pa.string()),
                dataset.EVENT_TIME: pa.array(times).cast(pa.timestamp("us", "UTC")),
                dataset.ITEM_INDEX: item.astype(np.int32),
                dataset.ITEM_COUNT: np.full(count, 12, np.int32),
                dataset.SAMPLING_PERCENTAGE: np.full(count, 100.0),
                "prediction_risk": score,
            }
        ).replace_schema_metadata({dataset.METADATA_VERSION: "1"})
        path = folder / "captured" / f"e/v/{hour:%Y/%m/%d/%H}/b{done}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(captured, path)
        labels = pa.table(
            {
                "event_id": text,
                "item_index": item.astype(np.int32),
                "label": (rng.random(count) < score).astype(np.int8),
            }
        )
        path = folder / "labels" / f"{hour + dt.timedelta(days=1):%Y/%m/%d/%H}/l{done}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(labels.take(rng.permutation(count)), path)
        done += count


def run_window(folder: str) -> None:
    """Judges the window below `folder` and prints seconds and peak memory as JSON."""
    question = Question(Problem.BINARY, probability="prediction_risk")
    window = Window(NOON, NOON + dt.timedelta(hours=HOURS))
    start = time.perf_counter()
    processor = time.process_time()
    steps: list[tuple[str, float]] = []
    judged = judge_quality(
        QualityRun(CapturedPredictions(f"{folder}/captured"), f"{folder}/labels", window, question),
        window.end + dt.timedelta(days=5),
        scratch=folder,
        progress=lambda step: steps.append((step, time.perf_counter() - start)),
    )
    found = {
        "seconds": time.perf_counter() - start,
        "processor seconds": time.process_time() - processor,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "labelled": judged.result.labelled,
        "cores": len(os.sched_getaffinity(0)),
        "load average": os.getloadavg()[0],
        "steps": steps,
    }
    print(json.dumps(found))


if __name__ == "__main__" and len(sys.argv) > 1:
    run_window(sys.argv[1])

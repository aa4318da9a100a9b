"""Captured windows and training tables for the tests of this room."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from capture import CaptureBuffer, CaptureConfig, Features
from tests.faults.processes import until

START = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)


def event_id(time: dt.datetime, number: int) -> str:
    """A UUIDv7 of this time, so that the capture dates the event by it."""
    milliseconds = int(time.timestamp() * 1000)
    return str(uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | number))


def training(requests: int = 1500, seed: int = 1, *, days: int = 0, start: dt.datetime = START) -> pa.Table:
    """Requests of three rows: `wind` and `carrier` by item, `temp` by request."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(requests), 3)
    table = pa.table(
        {
            "request": [f"r{number}" for number in ids],
            "temp": np.repeat(rng.normal(15, 5, requests), 3),
            "wind": rng.gamma(3, 2, 3 * requests),
            "carrier": rng.choice(["AA", "B6", "DL"], 3 * requests),
        }
    )
    if days:
        first = start - dt.timedelta(days=days)
        step = dt.timedelta(days=days) / requests
        times = [first + int(number) * step for number in ids]
        table = table.append_column("at", pa.array(times, pa.timestamp("us", tz="UTC")))
    return table


def captured(
    folder: Path,
    requests: int = 400,
    seed: int = 2,
    *,
    shift: float = 0.0,
    start: dt.datetime = START,
    minutes: float = 60,
    **settings: Any,
) -> str:
    """A captured data set of like requests, `shift` added to `wind`; returns its URI."""
    rng = np.random.default_rng(seed)
    spool = folder / f"spool-{uuid.uuid4().hex}"
    config = CaptureConfig(
        destination=f"file://{folder}/captured",
        spool_dir=spool,
        max_age_seconds=0.2,
        endpoint_name="flights",
        **settings,
    )  # fmt: skip
    buffer = CaptureBuffer(config)
    for number in range(requests):
        at = start + dt.timedelta(minutes=minutes * number / requests)
        items = [
            {"wind": float(rng.gamma(3, 2) + shift), "carrier": str(rng.choice(["AA", "B6", "DL"]))} for _ in range(3)
        ]
        features = Features({"temp": float(rng.normal(15, 5))}, items)
        assert buffer.append(features, [float(rng.random()) for _ in items], event_id=event_id(at, number))
    assert buffer.close(120)
    until(lambda: not spool.exists(), "the shipper has written its last ledger and ended")
    return f"file://{folder}/captured"

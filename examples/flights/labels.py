"""The true delays as they would arrive: Model Monitor's ground truth, one line for each request, hours after it.

    {"groundTruthData": {"data": "{\\"instances\\": [{\\"late\\": 0}, …]}", "encoding": "JSON"}, "eventMetadata": {"eventId": "JFK|2013-07-01T05"}, …}

A cancelled flight never gets a label. Lines lie below the hour in which they were uploaded.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

from examples.flights.traffic import Request


def write_labels(requests: Sequence[Request], directory: Path, uploaded: dt.datetime) -> Path:
    """Writes the labels of `requests` as uploaded at this time, and returns the file."""
    place = directory / f"{uploaded:%Y/%m/%d/%H}"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{uploaded:%M-%S}-{len(requests)}.jsonl"
    path.write_text("".join(f"{_line(request)}\n" for request in requests), encoding="utf-8")
    return path


def _line(request: Request) -> str:
    instances = [{"late": None if late is None else int(late)} for late in request.late]
    return json.dumps(
        {
            "groundTruthData": {"data": json.dumps({"instances": instances}), "encoding": "JSON"},
            "eventMetadata": {"eventId": request.inference_id},
            "eventVersion": "0",
        }
    )

"""Times a peer's hand-over of the row of W1: `confluent_kafka.Producer.produce(orjson.dumps(…))`, paced like `append`.

The broker is librdkafka's own, in the peer's process (`test.mock.num.brokers`): nothing leaves the machine. Two
messages are measured: a record with what ours has (id, time, row, prediction), and the bare row and prediction, which
no label can be joined to. `measure` makes the peer's environment, which has nothing of ours, and
runs this module in it.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.append_floor import Floor, row_of_50
from benchmarks.paced_calls import paced

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("confluent-kafka==2.16.1", "orjson==3.13.0", "msgspec==0.22.0")
RATE = 10_000
CALLS = 100_000
RECORD, BARE = "confluent-kafka", "confluent-kafka, no id and time"


def environment(scratch: Path) -> Path:
    """Returns the Python of an environment with the peer's packages, made below `scratch` if it is not there."""
    python = scratch / "kafka" / "bin" / "python"
    if not python.exists():
        uv = [str(Path(sys.executable).parent / "uv"), "--quiet"]
        subprocess.run([*uv, "venv", "--python", sys.executable, str(python.parents[1])], check=True)
        subprocess.run([*uv, "pip", "install", "--python", str(python), *PACKAGES], check=True)
    return python


def measure(python: Path, calls: int) -> dict[str, Any]:
    """Returns the figures of `calls` calls for each message, taken by a process of the peer's environment."""
    command = [str(python), "-m", "benchmarks.append_peer", str(calls)]
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(out.stdout)
    return found


def _produce(calls: int) -> dict[str, Any]:
    kafka: Any = importlib.import_module("confluent_kafka")
    dumps: Any = importlib.import_module("orjson").dumps
    producer = kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 2})
    produce, row, floor = producer.produce, row_of_50(), Floor()
    messages: dict[str, Callable[[], object]] = {
        RECORD: lambda: {"id": uuid.uuid4(), "time": time.time(), "features": row, "prediction": 0.25},
        BARE: lambda: {"features": row, "prediction": 0.25},
    }
    found = {}
    for name, message in messages.items():
        found[name] = paced(
            lambda message=message: produce("captured", dumps(message())),
            (),
            lambda: floor.put(row),
            RATE,
            calls,
            after_tick=lambda: producer.poll(0),
        )
        found[name]["all shipped"] = producer.flush(60) == 0
    return found


if __name__ == "__main__":
    print(json.dumps(_produce(int(sys.argv[1]))))

"""A process that forks workers and shippers, so that a round of a test costs milliseconds and not the imports.

    python -m tests.faults.nursery

Reads one JSON object a line: `{"run": "worker" | "ship", "log": path, "env": {…}, "settings": {…}, …}`. Answers
`started PID`, and `ended PID STATUS` when a child is gone (STATUS as `os.waitstatus_to_exitcode` says it). Ends its
children with itself when its input ends.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
from typing import Any

from capture import CaptureBuffer, CaptureConfig
from capture.record import Event, Rows
from capture.shipping import batch, shipper  # noqa: F401  (imported once, for all children)
from capture.sinks import s3


def record(worker: str, number: int) -> tuple[dict[str, Any], float]:
    """The features and the prediction of a worker's record: all that is captured follows from its number."""
    features = {"worker": worker, "n": number, "text": f"{worker}-{number}" * (1 + number % 40), "third": number / 3}
    return features, number / 2


def work(order: dict[str, Any]) -> None:
    """Appends records until it is killed, or told by SIGTERM to close; notes each number once it is acknowledged."""
    stop: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    buffer = CaptureBuffer(CaptureConfig.from_env(), start_shipper=order.get("start_shipper", False))
    noted = os.open(order["acknowledged"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    number = 0
    while not stop and number < order.get("records", 1 << 30):
        for _ in range(order.get("burst", 20)):
            number += 1
            features, prediction = record(order["worker"], number)
            if buffer.append(features, prediction):
                os.write(noted, b"%d\n" % number)
        time.sleep(order.get("pause", 0.001))
    while not stop:
        time.sleep(0.01)
    os._exit(0 if buffer.close(order.get("close", 0.0)) else 1)


def ship(order: dict[str, Any]) -> None:
    """Runs `python -m capture ship` as it is, with other time limits if given."""
    from capture.__main__ import main

    s3.CONNECT_TIMEOUT, s3.READ_TIMEOUT = order.get("timeouts", (s3.CONNECT_TIMEOUT, s3.READ_TIMEOUT))
    if "lethal" in order:
        make_lethal(order["lethal"])
    sys.exit(main(["ship", *order.get("options", ())]))


def make_lethal(lethal: int) -> None:
    """Ends the process that encodes this record, as a crash in a library's native code would."""
    encode = vars(batch)["encode_objects"]

    def checked(event: Event) -> Event:
        if isinstance(event.items, Rows) and lethal == event.items.rows[0][1]:
            os._exit(99)
        return event

    vars(batch)["encode_objects"] = lambda header, name, events: encode(header, name, map(checked, events))


def _child(order: dict[str, Any]) -> None:
    code = 1
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.environ.update(order["env"])
        {"worker": work, "ship": ship}[order["run"]](order)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Forks what it is told to."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(reading, selectors.EVENT_READ)
    children: set[int] = set()
    left = b""
    while True:
        ready = {key.fd for key, _ in selector.select()}
        if reading in ready:
            os.read(reading, 4096)
        while children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            children.discard(pid)
            print("ended", pid, os.waitstatus_to_exitcode(status), flush=True)
        if 0 not in ready:
            continue
        got = os.read(0, 1 << 16)
        if not got:
            break
        *lines, left = (left + got).split(b"\n")
        for line in lines:
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _child(json.loads(line))
            children.add(pid)
            print("started", pid, flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

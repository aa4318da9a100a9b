"""`python -m capture ship`: the process around the shipper: its lock, its signals, its clock, its last line.

SIGTERM and SIGINT mean: ship everything that is committed, within the deadline, then exit 0 and say what is left.
With `--until-idle` it also ends when nothing waits and no process can write into the spool.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from capture.config import CaptureConfig
from capture.errors import SpoolError
from capture.journal.spool import Spool
from capture.shipping import metric_lines
from capture.shipping.shipper import Shipper

if TYPE_CHECKING:
    from types import FrameType

log = logging.getLogger("capture.shipper")
_TICK = 0.2
_TRY_LOCK = 2.0
_IDLE_FOR = 1.0
_METRICS_EVERY = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--spool", help="spool directory (default: CAPTURE_SPOOL_DIR, else the one chosen)")
    parser.add_argument("--until-idle", action="store_true", help="end when nothing waits and nobody can write")
    parser.add_argument("--deadline", type=float, default=20.0, help="seconds that SIGTERM leaves (default 20)")


def run(args: argparse.Namespace) -> int:
    """Ships until told to stop; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config = CaptureConfig.from_env()
    place = config.spool()
    spool = Spool(Path(args.spool) if args.spool else place.directory, place.max_bytes)
    spool.prepare()
    lock = _lock(spool)
    if lock is None:
        log.info("capture: another shipper holds %s", spool.directory)
        return 0
    logging.getLogger("botocore").setLevel(logging.WARNING)
    gc.disable()
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    shipper = Shipper(spool, config)
    gc.freeze()
    try:
        _loop(shipper, spool, config, args, stop)
    except FileNotFoundError:
        if spool.path("segments").is_dir():
            raise
        raise SpoolError(f"the spool directory {spool.directory} was removed under the shipper") from None
    line = shipper.stop()
    metric_lines.write(sys.stdout, spool.directory, config)
    if shipper.idle():
        spool.remove_if_done()
    log.info("capture: shipper ends: %s", line)
    os.close(lock)
    return 0


def _loop(
    shipper: Shipper, spool: Spool, config: CaptureConfig, args: argparse.Namespace, stop: threading.Event
) -> None:
    end = idle_since = None
    next_metrics = time.monotonic() + _METRICS_EVERY
    while True:
        busy = shipper.step()
        now = time.monotonic()
        if stop.is_set() and end is None:
            end = now + args.deadline
            shipper.draining = True
            continue
        if end is not None and (now >= end or not shipper.waiting()):
            return
        if args.until_idle and shipper.idle():
            idle_since = now if idle_since is None else idle_since
            if now - idle_since >= _IDLE_FOR:
                return
        else:
            idle_since = None
        if now >= next_metrics:
            next_metrics = now + _METRICS_EVERY
            metric_lines.write(sys.stdout, spool.directory, config)
        if shipper.delivering:
            shipper.wait(_TICK)
        elif not busy:
            stop.wait(_TICK if end is None else _TICK / 10)


def _lock(spool: Spool) -> int | None:
    """The shipper's lock, tried for a moment: somebody may just be asking whether it is held."""
    end = time.monotonic() + _TRY_LOCK
    while (lock := spool.shipper_lock()) is None and time.monotonic() < end:
        time.sleep(_TICK / 4)
    return lock

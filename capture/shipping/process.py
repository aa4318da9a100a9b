"""`python -m capture ship`: the process around the shipper: its lock, its signals, its clock, its last line.

SIGTERM and SIGINT mean: ship everything that is committed, within the deadline, then exit 0 and say what is left. The
process ends with its last line, whatever a server has not answered by then.
With `--until-idle` it also ends when nothing waits and no process can write into the spool, and the ledgers say so. A
writer that enters at that moment is either seen, and the shipper stays, or finds no shipper and starts one.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from capture.errors import InstallationError, SpoolError

if TYPE_CHECKING:
    from types import FrameType

    from capture.config import CaptureConfig
    from capture.journal.spool import Spool
    from capture.shipping.emf import MetricLines
    from capture.shipping.shipper import Shipper

log = logging.getLogger("capture.shipper")
_TICK = 0.2
_TRY_LOCK = 2.0
_IDLE_FOR = 1.0
_LEDGERS_FOR = 600.0
_METRICS_EVERY = 60.0
_LAST_LEDGERS = 2.0
_OPEN_FILES = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--spool", help="spool directory (default: CAPTURE_SPOOL_DIR, else the one chosen)")
    parser.add_argument(
        "--settings", metavar="FILE", help="settings that another process resolved (default: the environment)"
    )
    parser.add_argument("--until-idle", action="store_true", help="end when nothing waits and no process can write")
    parser.add_argument("--deadline", type=float, default=20.0, help="seconds that SIGTERM leaves (default 20)")


def run(args: argparse.Namespace) -> int:
    """Ships until told to stop; returns the exit code."""
    stop = _stop_on_signal()  # before the imports that take time: from here on SIGTERM ends it in order
    from capture.journal.spool import Spool

    dated = "%(asctime)s %(levelname)s %(message)s" if args.settings else "%(message)s"
    logging.basicConfig(level=logging.INFO, format=dated, stream=sys.stderr)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    config = _settings(args)
    stream = config.spool()
    spool = Spool(Path(args.spool) if args.spool else stream.directory, stream.max_bytes)
    spool.prepare()
    lock = _lock(spool, stop)
    if lock is None:
        log.info("capture: another shipper holds %s", spool.directory)
        return 0
    try:
        line = _ship(spool, config, args, stop, lock)
    except ImportError as error:
        problem = _not_importable(error)
        if not args.settings:
            raise problem from error
        log.error("capture: %s", problem)  # its log is all that a daemon has
        return 1
    except Exception as error:
        if not args.settings or isinstance(error, SpoolError):
            raise
        log.exception("capture: the shipper fails")  # its log is all that a daemon has
        return 1
    log.info("capture: shipper ends: %s", line)
    return 0


def _not_importable(error: ImportError) -> InstallationError:
    reason = " ".join(str(error).split())
    return InstallationError(
        f"the shipper stops, and the records stay in the spool: a package cannot be imported: {reason[:500]}. "
        "Install releases of pyarrow and NumPy that work with each other"
    )


def _settings(args: argparse.Namespace) -> CaptureConfig:
    if args.settings:
        from capture.handover import for_shipper

        return for_shipper(Path(args.settings))
    from capture.config import CaptureConfig

    return CaptureConfig.from_env()


def _ship(spool: Spool, config: CaptureConfig, args: argparse.Namespace, stop: threading.Event, lock: int) -> str:
    """Ships until the end and gives up the lock; returns the line that says what was shipped."""
    import pyarrow as pa

    from capture.shipping.emf import MetricLines
    from capture.shipping.shipper import Shipper

    pa.set_memory_pool(pa.system_memory_pool())  # as fast here, and what a batch needed does not stay taken
    _allow_open_files()
    gc.disable()
    try:
        shipper = Shipper(spool, config)
    except OSError as error:
        raise SpoolError(f"the spool directory {spool.directory} cannot be used: {error}") from error
    gc.freeze()
    metrics = MetricLines(sys.stdout, spool.directory, config)
    while not _loop(shipper, metrics, args, stop):
        metrics.write()
        if spool.leave(lock):
            shipper.close()
            removed = "" if spool.directory.exists() else "; the spool was empty and is removed"
            return f"{shipper.result()}{removed}"
    line = shipper.stop(_LAST_LEDGERS)
    metrics.write()
    if shipper.ended() and spool.remove_if_done():
        line += "; the spool was empty and is removed"
    os.close(lock)
    return line


def _loop(shipper: Shipper, metrics: MetricLines, args: argparse.Namespace, stop: threading.Event) -> bool:
    """Ships until the process is told to stop (True), or until there is nothing to do (False)."""
    end = idle_since = None
    next_metrics = time.monotonic() + _METRICS_EVERY
    while True:
        busy = shipper.step()
        now = time.monotonic()
        if stop.is_set() and end is None:
            end = now + args.deadline
            shipper.drain()
            continue
        if end is not None and (now >= end or not shipper.waiting()):
            return True
        if args.until_idle and shipper.idle():
            idle_since = now if idle_since is None else idle_since
            shipper.ending = now - idle_since >= _IDLE_FOR
            if shipper.ending and (shipper.ended() or now - idle_since >= _LEDGERS_FOR):
                return False
        else:
            idle_since, shipper.ending = None, False
        if now >= next_metrics:
            next_metrics = now + _METRICS_EVERY
            metrics.write()
            gc.collect()  # what failed calls left behind while no batch was finished
        tick = _TICK if end is None else _TICK / 10
        if shipper.disk_fails or not (shipper.wait(tick) or busy):
            (stop.wait if end is None else time.sleep)(tick)


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop


def _lock(spool: Spool, stop: threading.Event) -> int | None:
    """The shipper's lock, tried for a moment: somebody may just be asking whether it is held."""
    end = time.monotonic() + _TRY_LOCK
    while (lock := spool.shipper_lock()) is None and time.monotonic() < end and not stop.is_set():
        time.sleep(_TICK / 4)
    return lock


def _allow_open_files() -> None:
    """Each segment that waits is an open file, and an outage lets a large spool fill."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

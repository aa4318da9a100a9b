"""`python -m monitoring notify`: the subscriber, as a process, and the rehearsal of a history."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from typing import TYPE_CHECKING

from monitoring.errors import UsageError

if TYPE_CHECKING:
    from types import FrameType

    from monitoring.notify.dry_run import Rehearsal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--config", default="monitor.toml", metavar="FILE", help="destinations and routes (default: monitor.toml)"
    )
    parser.add_argument("--queue", metavar="URL", help="the SQS queue to read; default: notify.queue of monitor.toml")
    parser.add_argument(
        "--dry-run",
        metavar="HISTORY",
        help="print what the runs below this directory or S3 URI would have sent; send nothing",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for a program")


def run(args: argparse.Namespace) -> int:
    """Reads the queue until SIGTERM or SIGINT, or prints a rehearsal. Raises MonitoringError where that is not possible."""
    return _rehearse(args) if args.dry_run else _serve(args)


def _serve(args: argparse.Namespace) -> int:
    from monitoring.notify.consumer import QueueConsumer
    from monitoring.notify.settings import load
    from monitoring.notify.wiring import deliverer_of

    settings, _ = load(args.config)
    queue = args.queue or settings.queue
    if not queue:
        raise UsageError("no queue: give --queue URL or set notify.queue in monitor.toml")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    consumer = QueueConsumer(queue, deliverer_of(settings), settings.foreign == "count")
    ended: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        ended.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    consumer.run(lambda: bool(ended))
    counted = dict(sorted(consumer.counts.items()))
    print(json.dumps(counted) if args.json else f"stopped; {counted or 'no message was read'}")
    return 0


def _rehearse(args: argparse.Namespace) -> int:
    from monitoring.notify.dry_run import history, lines, rehearse
    from monitoring.notify.settings import load
    from monitoring.storage import open_storage

    settings, policy = load(args.config)
    rehearsal = rehearse(history(open_storage(args.dry_run)), policy, settings)
    if args.json:
        sys.stdout.write(f"{json.dumps(_as_json(rehearsal))}\n")
    else:
        for line in lines(rehearsal):
            print(line)
    return 0


def _as_json(rehearsal: Rehearsal) -> dict[str, object]:
    sent = [{"at": entry.at.isoformat(), "kind": entry.kind, "line": entry.line} for entry in rehearsal.sent]
    return {"runs": rehearsal.runs, "counts": dict(rehearsal.counts()), "sent": sent}

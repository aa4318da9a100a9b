"""`python -m monitoring watch monitor.toml`: each window judged as soon as its ledgers prove it complete."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING

from monitoring.commands.arguments import required
from monitoring.errors import MonitoringError
from monitoring.monitor import Monitor
from monitoring.schedule.catch_up import CatchUp
from monitoring.schedule.consequences import acting
from monitoring.settings import load_settings
from monitoring.storage import open_storage

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from monitoring.schedule.catch_up import Judgement
    from monitoring.schedule.consequences import Acting

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("config", metavar="MONITOR_TOML", help="the description of the monitor")
    parser.add_argument(
        "--every", type=float, default=60.0, metavar="SECONDS", help="pause between looks (default: 60)"
    )
    parser.add_argument("--once", action="store_true", help="look once and end")


def run(args: argparse.Namespace) -> int:
    """Judges windows until SIGTERM or SIGINT. A look that fails is logged, and the next one tries again."""
    settings = load_settings(args.config)
    required(settings, "captured", "baseline", "output")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    consequences = acting(settings)
    catch_up = CatchUp(
        Monitor(settings.baseline, settings),
        open_storage(settings.output),
        consequences,
        schedule=settings.schedule,
        stopped=stop.is_set,
    )
    while True:
        failed = _look(catch_up, consequences)
        if args.once:
            return 1 if failed else 0
        if stop.wait(args.every):
            return 0


def _look(catch_up: CatchUp, consequences: Acting) -> bool:
    """Judges what is ready, then asks of every variant whether all its monitors still run. Returns True where it failed."""
    try:
        for judgement in catch_up.run():
            print(line_of(judgement), flush=True)
        for endpoint, variant in catch_up.subjects():
            consequences.check_heartbeats(endpoint, variant)
    except MonitoringError as error:
        _log.error("%s", error)
        return True
    return False


def line_of(judgement: Judgement) -> str:
    """Returns one line about a judged window."""
    result = judgement.report.result
    version = f" {result.subject.model_version}" if result.subject.model_version else ""
    return (
        f"{result.start:%Y-%m-%d %H:%M} {result.subject.endpoint}/{result.subject.variant}{version}: {result.outcome}. "
        f"{result.verdict} {judgement.page}"
    )

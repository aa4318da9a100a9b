"""`python -m monitoring watch monitor.toml`: each window judged as soon as its ledgers prove it complete."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING

from monitoring.commands.arguments import required
from monitoring.errors import MonitoringError, UsageError
from monitoring.monitor import Monitor
from monitoring.schedule.catch_up import CatchUp
from monitoring.schedule.consequences import acting
from monitoring.settings import load_settings
from monitoring.source.captured import CapturedSource
from monitoring.source.files import is_file
from monitoring.storage import open_storage

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from monitoring.schedule.catch_up import Judgement
    from monitoring.schedule.consequences import Acting
    from monitoring.settings import MonitorSettings

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
    refuse_one_file(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    consequences = acting(settings)
    monitor = Monitor(settings.baseline, settings)
    catch_up = CatchUp(
        monitor,
        open_storage(settings.output),
        consequences,
        schedule=settings.schedule,
        stopped=stop.is_set,
    )
    while True:
        failed = _look(monitor, catch_up, consequences)
        if args.once:
            return 1 if failed else 0
        if stop.wait(args.every):
            return 0


def refuse_one_file(settings: MonitorSettings) -> None:
    """Raises UsageError where `captured` is one file: only captured data has windows that are complete."""
    if is_file(settings.captured):
        raise UsageError(
            f"--captured {settings.captured} is one file: give the place of captured data, or judge the file with "
            "`python -m monitoring run` without --catch-up"
        )


def no_data_yet(monitor: Monitor) -> str:
    """Returns a sentence where there is no captured data, "" where there is some."""
    if isinstance(monitor.open(), CapturedSource):
        return ""
    return f"There is no captured data below {monitor.settings.captured} yet: check the URI and that the endpoint captures."


def _look(monitor: Monitor, catch_up: CatchUp, consequences: Acting) -> bool:
    """Judges what is ready, then asks of every variant whether all its monitors still run. Returns True where it failed."""
    try:
        if missing := no_data_yet(monitor):
            _log.warning("%s", missing)
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

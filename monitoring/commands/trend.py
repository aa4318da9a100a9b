"""`python -m monitoring trend`: many windows on one page."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from typing import TYPE_CHECKING

from monitoring.commands.arguments import add_settings, add_window, required, settings_of
from monitoring.errors import UsageError
from monitoring.monitor import Monitor
from monitoring.outputs import PAGE, write_pages, write_result
from monitoring.report.trend import encode, render
from monitoring.storage import open_storage
from monitoring.trend import UNIT, build_trend, read_trend, with_recent
from monitoring.window import Window

if TYPE_CHECKING:
    import argparse

TREND_PAGE, TREND_DATA = "trend.html", "trend.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_settings(parser)
    add_window(parser)
    parser.add_argument("--json", action="store_true", help="print the trend as JSON")


def run(args: argparse.Namespace) -> int:
    """Writes `trend.html`, `trend.json` and the report of all windows together, and prints their places."""
    settings = settings_of(args)
    required(settings, "captured", "baseline", "output")
    monitor = Monitor(settings.baseline, settings)
    source, storage = monitor.open(), open_storage(settings.output)
    window = monitor.window(source, args.start, args.end)
    if window is None:
        raise UsageError(
            f"{source.uri} is not captured data: a trend needs its hours; for one table use `python -m monitoring run`"
        )
    given = read_trend(monitor, source, window, settings.schedule, storage)
    now = dt.datetime.now(dt.UTC)
    page = f"merged/{PAGE}"
    given = dataclasses.replace(given, page=page)
    trend = build_trend(monitor, given, UNIT[settings.schedule], now)
    result = with_recent(given.merged, trend)
    profile = monitor.profile(source, Window(given.windows[0].start, given.windows[-1].end))
    write_pages(storage, result, monitor.baseline, profile, "merged/", trend=f"../{TREND_PAGE}")
    write_result(storage, result, "merged/")
    storage.put(TREND_DATA, encode(trend))
    storage.put(TREND_PAGE, render(trend).encode(), "text/html; charset=utf-8")
    if args.json:
        sys.stdout.write(encode(trend).decode() + "\n")
    else:
        sys.stdout.write(
            f"{trend.verdict}\n{trend.lead}\nTrend: {storage.uri}/{TREND_PAGE}\nReport: {storage.uri}/{page}\n"
        )
    return 0

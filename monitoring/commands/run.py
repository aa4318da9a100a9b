"""`python -m monitoring run`: one window judged, or every hour that is complete and not judged yet."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import msgspec

from monitoring.commands.arguments import EXIT_CODES, add_settings, add_window, required, settings_of
from monitoring.commands.progress import progress_bar
from monitoring.commands.watch import line_of, no_data_yet, refuse_one_file
from monitoring.monitor import Monitor, spanned
from monitoring.outputs import PAGE, write_outputs
from monitoring.publish.destination import NAMES, publish
from monitoring.publish.destination import parse as parse_publish
from monitoring.report.terminal import render
from monitoring.result import Outcome, encode
from monitoring.schedule.catch_up import CatchUp
from monitoring.schedule.consequences import acting
from monitoring.storage import open_storage

if TYPE_CHECKING:
    import argparse

    from monitoring.result import RunResult
    from monitoring.settings import MonitorSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_settings(parser)
    add_window(parser)
    parser.add_argument("--model-version", help="only rows of this version of the model")
    parser.add_argument("--catch-up", action="store_true", help="judge every complete window that is not judged yet")
    parser.add_argument(
        "--publish", action="append", choices=NAMES, help="where metrics go; may be given several times"
    )
    parser.add_argument("--all", action="store_true", help="list columns without drift too")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Judges the window, writes its files and prints the table. Returns 0, 3 for violations, 4 where nothing was judged."""
    settings = settings_of(args)
    required(settings, "captured", "baseline")
    if args.publish:
        settings = msgspec.structs.replace(settings, publish=settings.publish | {"to": args.publish})
    if args.catch_up:
        return _catch_up(args, settings)
    monitor = Monitor(settings.baseline, settings)
    source = monitor.open()
    window = monitor.window(source, args.start, args.end)
    with progress_bar(None, "files and hours read") as advance:
        profile = monitor.profile(source, window, lambda group: advance())
    report = monitor.judge(source, window or spanned(profile), profile, model_version=args.model_version)
    page = ""
    if settings.output:
        page = write_outputs(open_storage(settings.output), report.result, monitor.baseline, profile)[PAGE]
    for problem in publish(report.result, parse_publish(settings.publish)):
        sys.stderr.write(f"metrics were not published: {problem}\n")
    show(report.result, page, json=args.json, everything=args.all)
    return EXIT_CODES[report.outcome]


def _catch_up(args: argparse.Namespace, settings: MonitorSettings) -> int:
    """Judges what is complete and not judged yet, one line each. Returns the gravest exit code: 3, else 4, else 0."""
    required(settings, "output")
    refuse_one_file(settings)
    monitor = Monitor(settings.baseline, settings)
    catch_up = CatchUp(monitor, open_storage(settings.output), acting(settings), schedule=settings.schedule)
    outcomes = set()
    for judgement in catch_up.run(args.start):
        outcomes.add(judgement.report.outcome)
        print(encode(judgement.report.result).decode() if args.json else line_of(judgement), flush=True)
    if not outcomes and (missing := no_data_yet(monitor)):
        sys.stderr.write(f"{missing}\n")
        return EXIT_CODES[Outcome.NOT_JUDGED]
    if not outcomes and not args.json:
        print("Every complete window is judged already.")
    return next((EXIT_CODES[o] for o in (Outcome.VIOLATIONS, Outcome.NOT_JUDGED) if o in outcomes), 0)


def show(result: RunResult, page: str, *, json: bool, everything: bool) -> None:
    """Prints a result: as JSON, or as a table that fits the terminal, with the page's place and the exit code."""
    if json:
        sys.stdout.write(encode(result).decode() + "\n")
        return
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    sys.stdout.write(render(result, width, everything=everything, colour=colour))
    code = EXIT_CODES[result.outcome]
    meaning = {0: "no violation", 3: "violations", 4: "nothing could be judged"}[code]
    sys.stdout.write(f"\n{f'Report: {page}' + chr(10) if page else ''}Exit code {code}: {meaning}\n")

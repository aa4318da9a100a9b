"""`python -m monitoring run`: one window judged, or every hour that is complete and not judged yet."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from monitoring.commands.arguments import EXIT_CODES, add_settings, add_window, required, settings_of
from monitoring.commands.progress import progress_bar
from monitoring.monitor import Monitor, spanned
from monitoring.outputs import PAGE, write_outputs
from monitoring.report.terminal import render
from monitoring.result import encode
from monitoring.storage import open_storage

if TYPE_CHECKING:
    import argparse

    from monitoring.result import RunResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_settings(parser)
    add_window(parser)
    parser.add_argument("--model-version", help="only rows of this version of the model")
    parser.add_argument("--all", action="store_true", help="list columns without drift too")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Judges the window, writes its files and prints the table. Returns 0, 3 for violations, 4 where nothing was judged."""
    settings = settings_of(args)
    required(settings, "captured", "baseline")
    monitor = Monitor(settings.baseline, settings)
    source = monitor.open()
    window = monitor.window(source, args.start, args.end)
    with progress_bar(None, "files and hours read") as advance:
        profile = monitor.profile(source, window, lambda group: advance())
    report = monitor.judge(source, window or spanned(profile), profile, model_version=args.model_version)
    page = ""
    if settings.output:
        page = write_outputs(open_storage(settings.output), report.result, monitor.baseline, profile)[PAGE]
    show(report.result, page, json=args.json, everything=args.all)
    return EXIT_CODES[report.outcome]


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

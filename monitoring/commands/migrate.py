"""`python -m monitoring migrate`: Model Monitor's rule and ours over one window, side by side."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import msgspec

from monitoring.checks.model_monitor import service_violations
from monitoring.checks.run import ComparedStates
from monitoring.checks.side_by_side import RuleComparison, ViolatedCheck, compare
from monitoring.commands.arguments import add_settings, add_window, required, settings_of
from monitoring.commands.progress import progress_bar
from monitoring.findings import wording
from monitoring.findings.visible import visible, visible_name
from monitoring.monitor import Monitor, spanned
from monitoring.report.terminal import GLYPHS
from monitoring.result import Grade, RunResult

if TYPE_CHECKING:
    import argparse

    from monitoring.states.profile import Profile

_SETTINGS = (
    "captured",
    "baseline",
    "endpoint",
    "variant",
    "id_column",
    "time_column",
    "preprocess",
    "feature_names",
    "threads",
    "unit",
    "level",
    "floor",
    "ignore",
)
_CHECK_WIDTH = 26
_SIDE_WIDTH = 15
_NAME_WIDTH = 18


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_settings(parser, only=_SETTINGS)
    add_window(parser)
    parser.add_argument(
        "--ours",
        metavar="URI",
        help="baseline of our rule, where it is another one than Model Monitor's (default: --baseline)",
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(args: argparse.Namespace) -> int:
    """Runs both rules and prints where they differ. Returns 0, and 4 where the window has no row."""
    settings = settings_of(args)
    required(settings, "captured", "baseline")
    theirs = Monitor(settings.baseline, settings)
    ours = Monitor(args.ours, settings) if args.ours else theirs
    source = theirs.open()
    window = theirs.window(source, args.start, args.end)
    with progress_bar(None, "files and hours read") as advance:
        profile = theirs.profile(source, window, lambda group: advance())
        counted = profile if ours is theirs else ours.profile(source, window, lambda group: advance())
    result = ours.judge(source, window or spanned(profile), counted).result
    checked = checked_window(theirs, profile)
    service = service_violations(theirs.baseline.constraints, checked)
    found = compare(theirs.baseline.constraints, checked, service, result)
    if args.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document(found, result)), indent=1) + b"\n")
    else:
        width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 100
        sys.stdout.write(render(found, result, width))
    return 0 if found.rows else 4


def checked_window(monitor: Monitor, profile: Profile) -> ComparedStates:
    """Returns what the checks see of a window, with every column that the monitor does not ignore."""
    trained, window = monitor.baseline.profile.total(), profile.total()
    names = {*monitor.baseline.binning, *window.columns}
    return ComparedStates(
        columns={name: state for name, state in window.columns.items() if not monitor.settings.column(name).ignore},
        rows=window.rows,
        events=window.events,
        binning=monitor.baseline.binning,
        baseline=trained.columns,
        baseline_events=trained.events,
        predictions=profile.predictions,
        hashed=profile.hashed,
        ignored={name for name in names if monitor.settings.column(name).ignore},
    )


def document(found: RuleComparison, result: RunResult) -> dict[str, object]:
    """Returns the comparison as a program reads it."""
    return {
        "endpoint": result.subject.endpoint,
        "variant": result.subject.variant,
        "start": result.start,
        "end": result.end,
        "rows": found.rows,
        "events": found.events,
        "model_monitor_violations": found.service,
        "our_violations": found.ours,
        "agreeing": found.agreeing,
        "outcome": result.outcome,
        "verdict": result.verdict,
        "lines": found.lines,
        "notes": result.notes,
    }


def render(found: RuleComparison, result: RunResult, width: int) -> str:
    """Returns the comparison as text whose lines have at most `width` characters (at least 72)."""
    width = max(width, 72)
    name_width = max(_NAME_WIDTH, width - _CHECK_WIDTH - 2 * _SIDE_WIDTH)
    subject = result.subject
    lines = [
        f"{visible_name(subject.endpoint)} / {visible_name(subject.variant)}   {wording.span(result.start, result.end)}",
        f"{wording.counted(found.rows, 'row')} in {wording.counted(found.events, 'event')}",
        "",
        f"Model Monitor's rule: {wording.counted(found.service, 'violation')}. Ours: {found.ours}. "
        f"They agree on {found.agreeing}.",
        *textwrap.wrap(result.verdict, width),
    ]
    if found.lines:
        heading = f"{'Column':{name_width}}{'Check':{_CHECK_WIDTH}}{'Model Monitor':{_SIDE_WIDTH}}Ours"
        lines += ["", heading]
    for line in found.lines:
        shown = visible_name(line.column, name_width - 1)
        service = "violated" if line.service else "–"
        lines.append(f"{shown:{name_width}}{line.check:{_CHECK_WIDTH}}{service:{_SIDE_WIDTH}}{_ours(line)}")
        for text in (line.sentence, line.why):
            lines += textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="    ")
    for note in result.notes:
        lines += textwrap.wrap(f"note: {visible(note)}", width, subsequent_indent="      ")
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _ours(line: ViolatedCheck) -> str:
    return f"{GLYPHS[Grade(line.grade)]} {line.grade}" if line.ours else "–"

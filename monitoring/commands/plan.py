"""`python -m monitoring plan`: what an hour, a day and a week of this traffic would show, before any of it is captured."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from monitoring.drift.plan import Sight, Traffic, plan
from monitoring.errors import UsageError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--requests", type=float, required=True, metavar="N", help="requests an hour, before sampling")
    parser.add_argument(
        "--sampling-percentage", type=float, default=100.0, metavar="P", help="captured share (default: 100)"
    )
    parser.add_argument("--rows", type=float, default=1.0, metavar="N", help="rows of a request (default: 1)")
    parser.add_argument("--columns", type=int, default=50, metavar="N", help="monitored columns (default: 50)")
    parser.add_argument(
        "--correlation", type=float, default=0.1, metavar="R",
        help="how alike the rows of one request are, 0 to 1 (default: 0.1)",
    )  # fmt: skip
    parser.add_argument(
        "--baseline-requests", type=float, default=2000.0, metavar="N", help="of the baseline (default: 2000)"
    )
    parser.add_argument("--level", type=float, default=0.05, help="false-alarm rate of a run (default: 0.05)")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the plan. Raises UsageError where a number is not allowed."""
    for name, value, low, high in (
        ("requests", args.requests, 0, 1e9),
        ("sampling-percentage", args.sampling_percentage, 0, 100),
        ("rows", args.rows, 1, 1e6),
        ("columns", args.columns, 1, 100_000),
        ("correlation", args.correlation, 0, 1),
        ("baseline-requests", args.baseline_requests, 10, 1e9),
        ("level", args.level, 1e-6, 0.5),
    ):
        if not low <= value <= high:
            raise UsageError(f"--{name} {value:g} is not allowed: give a number from {low:g} to {high:,}")
    kept = args.requests * args.sampling_percentage / 100
    traffic = Traffic(kept, args.rows, args.correlation, args.columns, args.baseline_requests)
    found = plan(traffic, level=args.level)
    if args.json:
        print(msgspec.json.encode(found).decode())
        return 0
    sys.stdout.write("Seen in four of five windows in which it happens, in one column of the run:\n\n")
    sys.stdout.write(f"{'window':<8}{'requests':>10}{'mean moves by':>16}{'L∞ of':>9}{'a share doubles from':>23}\n")
    for sight in found:
        sys.stdout.write(_line(sight) + "\n")
    return 0


def _line(sight: Sight) -> str:
    if sight.mean is None or sight.linf is None:
        return f"{sight.window:<8}{sight.requests:>10,.0f}   not judged: {sight.reason}"
    share = "never" if sight.doubled is None else f"{sight.doubled:.2%}"
    reason = f"   {sight.reason}" if sight.reason else ""
    return f"{sight.window:<8}{sight.requests:>10,.0f}{sight.mean:>13.2f} sd{sight.linf:>9.3f}{share:>23}{reason}"

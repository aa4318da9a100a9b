"""`python -m capture stats`: the live counters of a spool of this machine, for a person or a program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from capture.config import CaptureConfig
from capture.errors import SpoolError
from capture.journal.location import spools_of_this_user
from capture.shipping.stats import Stats, read_stats

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--spool", help="spool directory (default: CAPTURE_SPOOL_DIR, else the one chosen)")
    parser.add_argument("--config", metavar="FILE", help="capture.toml with the settings that the environment lacks")
    parser.add_argument("--json", action="store_true", help="for a program")


def run(args: argparse.Namespace) -> int:
    """Prints the counters; raises SpoolError where there is no spool."""
    if args.config and not Path(args.config).is_file():
        raise SpoolError(f"there is no file {args.config}")
    file = Path(args.config) if args.config else None
    directory = Path(args.spool) if args.spool else CaptureConfig.from_env(toml=file).spool().directory
    if not directory.is_dir():
        there = ", ".join(map(str, spools_of_this_user())) or "there is none"
        raise SpoolError(
            f"there is no spool at {directory}: set CAPTURE_SPOOL_DIR, or give --spool DIRECTORY or --config capture.toml "
            f"(spools that were chosen on this machine: {there})"
        )
    stats = read_stats(directory)
    if args.json:
        print(msgspec.json.encode(stats).decode())
        return 0
    for name, text in _lines(stats):
        sys.stdout.write(f"{name:<22}{text}\n")
    return 0


def _lines(stats: Stats) -> list[tuple[str, str]]:
    dropped = ", ".join(f"{reason} {number:,}" for reason, number in sorted(stats.dropped.items())) or "0"
    return [
        ("appended", f"{stats.appended:,}"),
        ("shipped", f"{stats.shipped:,} in {stats.objects:,} objects of {stats.object_bytes:,} bytes"),
        ("waiting", f"{stats.waiting:,} ({stats.backlog_bytes:,} bytes, the oldest {stats.oldest_seconds:.0f} s)"),
        ("dropped", dropped),
        ("sampled out", f"{stats.sampled_out:,}"),
        ("rows", f"{stats.rows:,} ({stats.row_mismatches:,} records with another number of predictions)"),
        ("rescued cells", f"{stats.rescued_cells:,}"),
        ("writers", f"{stats.writers:,}"),
        ("spool", f"{stats.spool_bytes:,} bytes, {stats.dropped_segments:,} segments dropped"),
        (
            "append",
            f"{stats.append_mean_us:.1f} µs mean, {stats.append_p99_us:.1f} p99, {stats.append_max_us:.1f} max"
            f" over {stats.append_count:,} calls",
        ),
    ]

"""`python -m monitoring training-set`: one Parquet table of the captured, labelled rows that manifests name."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import argparse

    from monitoring.quality.training_table import TrainingTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST", help="manifest that `quality --manifest` wrote")
    parser.add_argument("--output", required=True, metavar="FILE", help="path or S3 URI of the Parquet file to write")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(args: argparse.Namespace) -> int:
    """Writes the table and prints its counts. Objects that were set aside are named on stderr.

    Raises MonitoringError where a manifest cannot be used or no object is left.
    """
    from monitoring.quality.training_table import write_training_table

    found = write_training_table(args.manifests, args.output)
    for message in found.set_aside:
        print(f"monitoring training-set: set aside: {message}", file=sys.stderr)
    sys.stdout.write(msgspec.json.encode(asdict(found)).decode() + "\n" if args.json else _text(found, args.output))
    return 0


def _text(found: TrainingTable, output: str) -> str:
    aside = f", {len(found.set_aside)} set aside" if found.set_aside else ""
    return (
        f"{output}: {found.rows:,} rows, {found.train_rows:,} to train and {found.test_rows:,} to test, "
        f"from {found.objects:,} objects{aside}\n"
    )

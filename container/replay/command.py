"""`python -m container replay`: the command line of a replay."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from capture.dataset import EVENT_ID, ITEM_INDEX, is_prediction, parse_time
from capture.reading.reader import Dataset
from container.replay.comparison import ReplayComparison, compare
from container.replay.events import FeatureContainer, ReplayError
from container.replay.run import ReplayCounts, ReplayWindow, replay
from container.replay.unpack import opened
from container.worker.user_module import load

if TYPE_CHECKING:
    import argparse

    import pyarrow as pa

DIFFERENT = 3
"""Exit code of `--expect-identical` where a prediction differs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--captured", required=True, metavar="URI", help="captured data: s3://bucket/prefix or a directory"
    )
    parser.add_argument("--model", required=True, metavar="PATH", help="model.tar.gz, or the directory of an artefact")
    parser.add_argument(
        "--program", default=None, help="the artefact's module (default: SAGEMAKER_PROGRAM, else inference)"
    )
    parser.add_argument("--start", type=parse_time, help="first event time, ISO 8601 (UTC without a zone)")
    parser.add_argument("--end", type=parse_time, help="end of the event times, not included")
    parser.add_argument("--endpoint", help="only this endpoint's rows")
    parser.add_argument("--variant", help="only this variant's rows")
    parser.add_argument(
        "--shape", choices=[str(shape) for shape in FeatureContainer], default="auto", help="what predict_fn is given"
    )
    parser.add_argument("--rank-by", metavar="COLUMN", help="prediction column that orders an event's items")
    parser.add_argument("--output", metavar="DIRECTORY", help="keep the replayed rows here, as captured data")
    parser.add_argument(
        "--expect-identical", action="store_true", help=f"exit with {DIFFERENT} where a prediction differs"
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(args: argparse.Namespace) -> int:
    """Replays, compares and prints. Raises ReplayError, ArtefactError or an error of the reader."""
    program = args.program or os.environ.get("SAGEMAKER_PROGRAM", "inference.py")
    window = ReplayWindow(args.start, args.end, args.endpoint, args.variant)
    with ExitStack() as stack:
        artefact = stack.enter_context(opened(Path(args.model)))
        output = Path(args.output or stack.enter_context(tempfile.TemporaryDirectory(prefix="replayed-")))
        if args.output and output.exists() and any(output.iterdir()):
            raise ReplayError(f"{output} is not empty: give a new directory for --output")
        functions = load(artefact, program.removesuffix(".py"))
        captured = Dataset(args.captured)
        counts = replay(captured, window, artefact, functions, output, FeatureContainer(args.shape))
        found = compare(
            _predictions(captured, window),
            _predictions(Dataset(str(output / "captured")), ReplayWindow()),
            args.rank_by,
        )
    if args.json:
        print(msgspec.json.format(msgspec.json.encode({"counts": _plain(counts), "comparison": found})).decode())
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(counts, found)))
    return DIFFERENT if args.expect_identical and not found.identical else 0


def _predictions(dataset: Dataset, window: ReplayWindow) -> pa.Table:
    import pyarrow as pa

    tables = []
    for batch in dataset.batches(window.start, window.end, endpoint=window.endpoint, variant=window.variant):
        names = [name for name in batch.schema.names if name in (EVENT_ID, ITEM_INDEX) or is_prediction(name)]
        tables.append(pa.Table.from_batches([batch]).select(names))
    return pa.concat_tables(tables, promote_options="permissive")


def _plain(counts: ReplayCounts) -> dict[str, object]:
    return {
        "events": counts.events,
        "rows": counts.rows,
        "failed_events": counts.failed_events,
        "failures": counts.failures,
        "model_seconds": counts.model_seconds,
    }


def _lines(counts: ReplayCounts, found: ReplayComparison) -> list[str]:
    lines = [f"Replayed {counts.events:,} events, {counts.rows:,} rows."]
    if counts.failed_events:
        lines.append(f"predict_fn failed on {counts.failed_events:,} events:")
        lines += [f"  {failure}" for failure in counts.failures]
    if found.only_captured or found.only_replayed:
        lines.append(f"{found.only_captured:,} rows only captured, {found.only_replayed:,} only replayed.")
    for column in found.columns:
        if column.equal == column.rows:
            lines.append(f"{column.name}: all {column.rows:,} equal, bit for bit.")
        elif column.largest is None or column.mean is None:
            lines.append(f"{column.name}: {column.equal:,} of {column.rows:,} equal.")
        else:
            lines.append(
                f"{column.name}: {column.equal:,} of {column.rows:,} equal; the difference is {column.mean:.4g} on "
                f"average, {column.largest:.4g} at most."
            )
    ranks = found.ranks
    if ranks is not None and ranks.moved_items:
        lines.append(
            f"Order by {ranks.column}: {ranks.changed_events:,} of {ranks.events:,} events change; {ranks.moved_items:,} of "
            f"{ranks.items:,} items move, by {ranks.mean_move:.2f} ranks on average, {ranks.largest_move} at most; the first "
            f"item changes in {ranks.first_changed:,} events. Events that move most:"
        )
        lines += [f"  {event}" for event in ranks.examples]
    elif ranks is not None and ranks.events:
        lines.append(f"Order by {ranks.column}: the same in all {ranks.events:,} events of two items or more.")
    return lines

"""`python -m monitoring baseline`: what training data looks like, written as a baseline."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from monitoring.baseline.baseline import Baseline
from monitoring.baseline.registration import add_to_version, create_version, digest_of_object, files_of
from monitoring.baseline.registry import is_registered, parse_arn
from monitoring.commands.arguments import add_window
from monitoring.errors import UsageError
from monitoring.findings import wording
from monitoring.window import Window

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--data", metavar="TRAINING", help="training data: Parquet or CSV, a file, a directory or a prefix"
    )
    parser.add_argument(
        "--captured", metavar="URI", help="make the baseline from a good period of captured data instead"
    )
    parser.add_argument("--output", required=True, metavar="URI", help="where the baseline goes")
    parser.add_argument(
        "--id-column", metavar="COLUMN", help="column of the training data that names the request of a row"
    )
    parser.add_argument("--time", metavar="COLUMN", help="column with the time of a row: hours and days become units")
    parser.add_argument("--unit", metavar="COLUMN", default="", help="column whose values are units")
    parser.add_argument("--label", metavar="COLUMN", help="the label: it is not monitored")
    parser.add_argument("--prediction", metavar="COLUMN", action="append", default=[], help="column with predictions")
    parser.add_argument("--endpoint", help="with --captured: only this endpoint's rows")
    parser.add_argument("--variant", help="with --captured: only this variant's rows")
    add_window(parser)
    parser.add_argument(
        "--register",
        metavar="MODEL",
        help="put it into the model registry: model-package:ARN of a version that exists, or a model package group for a new one",
    )
    parser.add_argument(
        "--types", action="store_true", help="also print the columns' types, as capture.toml wants them"
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Makes the baseline, writes it and says what it holds."""
    if (args.data is None) == (args.captured is None):
        raise UsageError("give --data TRAINING or --captured URI, one of them")
    if (args.start is None) != (args.end is None):
        raise UsageError("--start and --end go together")
    if args.register is not None and not args.output.startswith("s3://"):
        raise UsageError(f"--register names baselines in S3 only: --output is {args.output!r}, give s3://bucket/prefix")
    if args.data is not None:
        if args.start is not None:
            raise UsageError("--start and --end narrow --captured; training data is taken whole")
        baseline = Baseline.from_training(
            args.data,
            id_column=args.id_column,
            time_column=args.time,
            unit_column=args.unit,
            predictions=args.prediction,
            label=args.label,
        )
    else:
        window = Window(args.start, args.end) if args.start is not None else None
        baseline = Baseline.from_captured(
            args.captured, window=window, endpoint=args.endpoint, variant=args.variant, unit_column=args.unit
        )
    baseline.save(args.output)
    registered = _register(args, baseline)
    if args.json:
        summary = _summary(baseline, args.output) | ({"model_package": registered} if registered else {})
        print(msgspec.json.encode(summary).decode())
    else:
        lines = _lines(baseline, args.output, types=args.types) + (
            [f"Registered with {registered}"] if registered else []
        )
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _register(args: argparse.Namespace, baseline: Baseline) -> str:
    """Puts the baseline into the model registry and returns the version's ARN, "" without `--register`."""
    if args.register is None:
        return ""
    training = args.data or args.captured
    files = files_of(
        args.output,
        baseline_id=baseline.id,
        training_data=training,
        training_digest=digest_of_object(training),
    )
    if is_registered(args.register) or args.register.startswith("arn:"):
        add_to_version(files, args.register)
        return parse_arn(args.register)
    return create_version(files, args.register)


def _summary(baseline: Baseline, uri: str) -> dict[str, object]:
    return {
        "id": baseline.id,
        "uri": uri,
        "rows": baseline.profile.rows,
        "requests": baseline.units.requests,
        "hours": len(baseline.units.hours),
        "columns": {name: str(column.kind) for name, column in baseline.binning.items()},
        "notes": baseline.notes,
    }


def _lines(baseline: Baseline, uri: str, *, types: bool) -> list[str]:
    units = baseline.units
    lines = [f"Baseline {baseline.id} of {baseline.profile.rows:,} rows, {len(baseline.binning)} columns: {uri}"]
    if units.rows_are_units:
        lines.append(
            "Each row counts as a request. If rows of one request belong together, name the column that says so: --id-column."
        )
    else:
        lines.append(
            f"Units: {wording.counted(units.requests, 'request')}, {wording.counted(len(units.hours), 'hour')}."
        )
    if not len(units.hours):
        lines.append('Without --time the question "is this day unlike ordinary days?" cannot be answered.')
    lines += [f"note: {note}" for note in baseline.notes]
    if types:
        lines += ["Types for capture.toml:", "[types]"]
        lines += [f'"{name}" = "{column.type_name}"' for name, column in baseline.binning.items() if column.type_name]
    return lines

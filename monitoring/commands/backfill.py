"""`python -m monitoring backfill`: what the model saw, rebuilt from managed logs and an offline store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from capture.dataset import parse_time, to_microseconds
from monitoring.commands.progress import progress_bar
from monitoring.errors import UsageError
from monitoring.source.managed import ManagedReader
from monitoring.source.managed_columns import BaselineColumns
from monitoring.source.preprocess import load_handler
from monitoring.storage import open_storage
from monitoring.time_travel.backfill import Backfilled, Model, backfill, managed_keys
from monitoring.time_travel.groups import load_groups
from monitoring.time_travel.item_list import item_handler
from monitoring.time_travel.rebuild import OfflineHistory

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--logs", required=True, metavar="URI", help="what the managed Data Capture wrote")
    parser.add_argument(
        "--groups", required=True, metavar="FILE", help="TOML file of the feature groups (docs/time-travel.md)"
    )
    parser.add_argument("--output", required=True, metavar="URI", help="where the captured dataset goes")
    parser.add_argument("--endpoint", required=True, help="the endpoint's name, the first part of the keys")
    parser.add_argument("--variant", default="AllTraffic", help="the variant's name (default: AllTraffic)")
    parser.add_argument("--start", type=parse_time, help="first hour, ISO 8601 (UTC without a zone)")
    parser.add_argument("--end", type=parse_time, help="end of the hours, not included")
    parser.add_argument("--items", metavar="NAME", help="the list in a JSON request whose entries are the rows")
    parser.add_argument("--preprocess", metavar="FILE", help="script with preprocess_handler, as Model Monitor's")
    parser.add_argument("--feature-names", metavar="A,B,C", help="names of the values of CSV requests, in order")
    parser.add_argument(
        "--request-columns", metavar="A,B,C", default="", help="columns with one value for each request"
    )
    parser.add_argument("--model-name", default="model", help="the model that answered (default: model)")
    parser.add_argument("--model-version", help="its version")
    parser.add_argument(
        "--sampling-percentage", type=float, default=100.0, help="of the managed capture (default: 100)"
    )
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(args: argparse.Namespace) -> int:
    """Rebuilds and prints the counts. Raises UsageError or MonitoringError."""
    if args.items and args.preprocess:
        raise UsageError("--items and --preprocess both make rows: give one of them")
    handler = load_handler(args.preprocess) if args.preprocess else item_handler(args.items) if args.items else None
    groups = load_groups(args.groups)
    logs, output = open_storage(args.logs), open_storage(args.output)
    start, end = (None if time is None else to_microseconds(time) for time in (args.start, args.end))
    keys = list(managed_keys(logs, args.endpoint, args.variant, start, end))
    if not keys:
        raise UsageError(
            f"there is no JSON Lines object of {args.endpoint}/{args.variant} in this window below {logs.uri}"
        )
    given = tuple(args.feature_names.split(",")) if args.feature_names else ()
    reader = ManagedReader(BaselineColumns(given=given), handler)
    model = Model(args.model_name, args.model_version, args.sampling_percentage)
    columns = [name for name in args.request_columns.split(",") if name]
    with progress_bar(len(keys), "objects") as advance:
        written = backfill(logs, keys, OfflineHistory(groups), output, model, reader, columns, advance)
    notes = reader.report.notes()
    if args.json:
        found = {"objects": written.objects, "rows": written.rows, "lookups": written.found, "notes": notes}
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(written, notes, output.uri)))
    return 0


def _lines(written: Backfilled, notes: tuple[str, ...], uri: str) -> list[str]:
    lines = [f"{written.rows:,} rows in {written.objects:,} objects below {uri}"]
    for group, counts in written.found.items():
        lines.append(f"{group}: " + ", ".join(f"{kind} {count:,}" for kind, count in counts.items()))
    return lines + [f"note: {note}" for note in notes]

"""`python -m monitoring skew`: captured features against the offline store, cell by cell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from capture.dataset import EVENT_ID, EVENT_TIME, ITEM_INDEX, parse_time
from monitoring.errors import MonitoringError, UsageError
from monitoring.storage import key_in_storage
from monitoring.time_travel.captured import read_captured
from monitoring.time_travel.groups import load_groups
from monitoring.time_travel.rebuild import OfflineHistory
from monitoring.time_travel.skew import CellClass, FeatureSkew, compare

if TYPE_CHECKING:
    import argparse

    from monitoring.time_travel.groups import OfflineGroup

VIOLATIONS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--captured", required=True, metavar="URI", help="captured data: s3://bucket/prefix or a directory"
    )
    parser.add_argument(
        "--groups", required=True, metavar="FILE", help="TOML file of the feature groups (docs/time-travel.md)"
    )
    parser.add_argument(
        "--ids", metavar="URI", help=f"Parquet file with {EVENT_ID}, {ITEM_INDEX} and the columns of the ids"
    )
    parser.add_argument("--start", type=parse_time, help="first event time, ISO 8601 (UTC without a zone)")
    parser.add_argument("--end", type=parse_time, help="end of the event times, not included")
    parser.add_argument("--endpoint", help="only this endpoint's rows")
    parser.add_argument("--variant", help="only this variant's rows")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(args: argparse.Namespace) -> int:
    """Compares and prints. Returns 3 where a cell is different, which nothing explains."""
    groups = load_groups(args.groups)
    captured = read_captured(args.captured, args.start, args.end, args.endpoint, args.variant)
    rows = with_ids(captured, args.ids, groups) if args.ids else captured
    answers = OfflineHistory(groups, with_training=True).answer(rows, EVENT_TIME)
    found = compare(rows, answers, rows[EVENT_ID])
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(rows.num_rows, found)))
    return VIOLATIONS if any(feature.counts[CellClass.DIFFERENT] for feature in found) else 0


def with_ids(captured: pa.Table, uri: str, groups: tuple[OfflineGroup, ...]) -> pa.Table:
    """Returns the captured rows with the id columns of a Parquet file, joined by event and item.

    Raises UsageError where the file lacks a column, and MonitoringError where it cannot be read.
    """
    import io

    import pyarrow.parquet as pq

    storage, key = key_in_storage(uri)
    try:
        ids = pq.read_table(io.BytesIO(storage.get(key).body))
    except pa.ArrowInvalid as error:
        raise MonitoringError(f"{uri} is not a Parquet file: {error}") from error
    wanted = list(dict.fromkeys(column for group in groups for column in group.id_columns))
    for column in (EVENT_ID, ITEM_INDEX, *wanted):
        if column not in ids.column_names:
            raise UsageError(f"{uri} has no column {column!r}; it has {', '.join(ids.column_names)}")
    kept = [name for name in captured.column_names if name not in wanted]
    ids = ids.select([EVENT_ID, ITEM_INDEX, *wanted])
    ids = ids.set_column(1, ITEM_INDEX, ids[ITEM_INDEX].cast(pa.int32()))
    plain = captured.select(kept)
    return plain.join(ids, keys=[EVENT_ID, ITEM_INDEX], join_type="left outer").combine_chunks()


def _lines(rows: int, found: list[FeatureSkew]) -> list[str]:
    width = max((len(feature.column) for feature in found), default=6)
    head = f"{'column':<{width}}" + "".join(f"{kind.value:>12}" for kind in CellClass)
    lines = [f"{rows:,} rows, {len(found)} features", "", head]
    for feature in found:
        counts = "".join(f"{feature.counts[kind]:>12,}" for kind in CellClass)
        lines.append(f"{feature.column:<{width}}{counts}")
    for feature in found:
        for kind, events in feature.examples.items():
            lines.append(f"\n{feature.column}, {kind.value}: events")
            lines += [f"  {event}" for event in events]
    different = sum(feature.counts[CellClass.DIFFERENT] for feature in found)
    lines.append("")
    lines.append(f"{different:,} cells differ and nothing explains them." if different else "Every cell is explained.")
    return lines

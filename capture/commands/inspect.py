"""`python -m capture inspect URI`: a person, or a program with `--json`, looks at captured data."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from typing import TYPE_CHECKING, Any

from capture import dataset
from capture.commands.visible import visible_json
from capture.errors import CaptureError

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa

    from capture.reading.completeness import Gap
    from capture.reading.reader import Dataset
    from capture.reading.summary import WindowSummary

_PATIENCE = 2.0


class NoSuchEvent(CaptureError):
    """The event that was asked for is not there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("uri", metavar="URI", help="s3://bucket/prefix, file:///directory, or a directory's path")
    parser.add_argument(
        "--from", dest="start", type=time_argument, metavar="TIME", help="first event time, ISO 8601, UTC"
    )
    parser.add_argument("--to", dest="end", type=time_argument, metavar="TIME", help="event time to stop before")
    parser.add_argument("--endpoint", help="only this endpoint")
    parser.add_argument("--variant", help="only this variant")
    parser.add_argument("--event", metavar="ID", help="one event, by its event id or inference id, with its rows")
    parser.add_argument("--rows", type=int, default=3, metavar="N", help="first rows to show (default: 3)")
    parser.add_argument("--json", action="store_true", help="for a program")


def time_argument(text: str) -> dt.datetime:
    """A time of the command line, in UTC where it names no zone."""
    try:
        return dataset.parse_time(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give ISO 8601, as 2026-03-01T09:00") from None


def run(args: argparse.Namespace) -> int:
    """Prints the summary or the event; raises CaptureError where the data cannot be read or is not there."""
    from capture.reading.reader import Dataset

    captured = Dataset(args.uri, clock=time.time_ns)
    if args.event is not None:
        return _show_event(captured, args)
    from capture.reading.summary import summarize

    with _Progress() as progress:
        found = summarize(
            captured, args.start, args.end, args.endpoint, args.variant, max(0, args.rows), progress.update
        )
    if args.json:
        _print_json(_summary_json(found))
    else:
        from capture.commands.inspect_text import print_summary

        print_summary(found)
    return 0


def _show_event(captured: Dataset, args: argparse.Namespace) -> int:
    table = captured.event(args.event, args.start, args.end, endpoint=args.endpoint, variant=args.variant)
    if table is None:
        raise NoSuchEvent(f"there is no event {args.event} under {captured.uri}")
    if args.json:
        _print_json({"event": args.event, "rows": _valued(table)})
    else:
        from capture.commands.inspect_text import print_event

        print_event(table)
    return 0


def _valued(table: pa.Table) -> list[dict[str, Any]]:
    """The rows without the columns in which none has a value."""
    kept = [
        name for name, column in zip(table.schema.names, table.columns, strict=True) if column.null_count < len(column)
    ]
    return list(table.select(kept).to_pylist())


def _print_json(value: Any) -> None:
    from capture.encoding.json_text import json_text

    sys.stdout.write(f"{visible_json(json_text(value))}\n")


def _summary_json(found: WindowSummary) -> dict[str, Any]:
    judged = found.completeness
    return {
        "uri": found.uri,
        "from": found.start,
        "to": found.end,
        "variants": [{"endpoint": endpoint, "variant": variant} for endpoint, variant in found.variants],
        "objects": found.objects,
        "bytes": found.bytes,
        "events": found.events,
        "rows": found.rows,
        "rescued_rows": found.rescued_rows,
        "first_event_time": found.first,
        "last_event_time": found.last,
        "complete": judged.complete if judged else None,
        "complete_until": found.alive_until,
        "unreadable": [one.why for one in found.unreadable],
        "share": judged.share if judged else None,
        "gaps": [_gap_json(gap) for gap in judged.gaps] if judged else [],
        "instances": [
            {
                "spool": instance.spool,
                "last_heard_of": dataset.to_datetime(instance.as_of),
                "complete_until": dataset.to_datetime(instance.complete_until),
                "closed": instance.closed,
                "alive": instance.alive,
            }
            for instance in (judged.instances if judged else ())
        ],
        "columns": [
            {"name": c.name, "level": c.level, "types": c.types, "null_share": round(found.null_share(c), 6)}
            for c in found.columns.values()
        ],
        "rows_sample": found.sample,
    }


def _gap_json(gap: Gap) -> dict[str, Any]:
    given = {
        "kind": str(gap.kind),
        "message": gap.message,
        "endpoint": gap.endpoint,
        "variant": gap.variant,
        "records": gap.records,
        "first_event_time": dataset.to_datetime(gap.times[0]) if gap.times else None,
        "last_event_time": dataset.to_datetime(gap.times[1]) if gap.times else None,
        "key": gap.key,
        "spool": gap.spool,
        "writer": gap.writer,
        "reason": gap.reason,
    }
    return {name: value for name, value in given.items() if value is not None}


class _Progress:
    """A bar on stderr, where that is a terminal and the work takes longer than a person waits without one."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """So many of so many objects are read."""
        if self._bar is None:
            if not sys.stderr.isatty() or time.monotonic() - self._since < _PATIENCE:
                return
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task("reading objects", total=total)
        self._bar.update(self._bar.task_ids[0], completed=done)

"""What a window of captured data holds, counted: for `capture inspect`, a person or a program."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from capture import dataset
from capture.reading.completeness import Gap, GapKind
from capture.reading.reader import ReadError, UnreadableObject

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.reading.completeness import Completeness
    from capture.reading.reader import CapturedObject, Dataset


@dataclass(slots=True)
class ColumnSummary:
    """One column over all objects: how many objects have it in which type, and how many rows have no value in it.

    A row of an object without the column has no value. `level` is `request` where every object says so, `item`,
    `prediction`, or `capture` for the dataset's own.
    """

    name: str
    level: str
    types: dict[str, int] = field(default_factory=dict)
    values: int = 0


@dataclass(slots=True)
class WindowSummary:
    """Counts of a window. Times are those of events; `first` and `last` are None where there is no row.

    `alive_until` is until when the data is complete, where instances are alive and the window has no end; `unreadable`
    are the objects that could not be read.
    """

    uri: str
    start: dt.datetime | None
    end: dt.datetime | None
    variants: list[tuple[str, str]]
    objects: int = 0
    bytes: int = 0
    rows: int = 0
    events: int = 0
    rescued_rows: int = 0
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    columns: dict[str, ColumnSummary] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)
    completeness: Completeness | None = None
    alive_until: dt.datetime | None = None
    unreadable: list[UnreadableObject] = field(default_factory=list)

    def null_share(self, column: ColumnSummary) -> float:
        """The share of rows without a value in the column."""
        return 1 - column.values / self.rows if self.rows else 0.0


def summarize(
    captured: Dataset,
    start: dt.datetime | None,
    end: dt.datetime | None,
    endpoint: str | None = None,
    variant: str | None = None,
    rows: int = 3,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> WindowSummary:
    """Reads the objects of the window and counts; keeps the first `rows` rows.

    Where the window is open, completeness is judged from the first to the last event that is there or that a ledger
    lists, but, while instances are alive, no further than their ledgers reach (if `captured` has a clock). `progress` gets how many of how
    many objects are read. Raises ReadError where there is no captured data below the URI.
    """
    variants = captured.variants(endpoint, variant)
    if not variants:
        which = "".join(
            f" of {name} {value}" for name, value in (("endpoint", endpoint), ("variant", variant)) if value
        )
        raise ReadError(f"there is no captured data{which} under {captured.uri}: {captured.lies_there()}")
    found = list(captured.objects(start, end, endpoint=endpoint, variant=variant))
    summary = WindowSummary(captured.uri, start, end, variants, len(found), sum(entry.size for entry in found))
    for number, entry in enumerate(captured.tries(start, end, endpoint=endpoint, variant=variant), 1):
        if isinstance(entry, UnreadableObject):
            summary.unreadable.append(entry)
        else:
            _count(summary, entry, start, end, rows)
        progress(number, len(found))
    listed = captured.listed_times(endpoint, variant)
    if not listed and not found and not captured.has_ledgers(variants):
        raise ReadError(f"there is no captured data under {captured.uri}: {captured.lies_there()}")
    firsts = [dataset.to_datetime(entry.key.hour) for entry in found] + listed
    lasts = [time + dataset.MICROSECOND for time in [*listed, *filter(None, [summary.last])]]
    if (start or firsts) and (end or lasts):
        first = start or min(firsts)
        _judge(summary, captured, first, end, max(lasts, default=first), endpoint, variant)
    return summary


def _judge(
    summary: WindowSummary,
    captured: Dataset,
    first: dt.datetime,
    end: dt.datetime | None,
    latest: dt.datetime,
    endpoint: str | None,
    variant: str | None,
) -> None:
    """Judges the window; without an `end`, up to where the instances that are alive vouch for it."""
    last = end or latest
    if first >= last:
        return
    judged = captured.completeness(first, last, endpoint=endpoint, variant=variant)
    alive = [instance.complete_until for instance in judged.instances if instance.alive]
    if end is None and alive:
        summary.alive_until = dataset.to_datetime(min(alive))
        if first < summary.alive_until < last:
            judged = captured.completeness(first, summary.alive_until, endpoint=endpoint, variant=variant)
    named = {gap.key for gap in judged.gaps}
    damaged = tuple(
        Gap(GapKind.ROW_COUNT, one.why, one.key.endpoint, one.key.variant, key=str(one.key))
        for one in summary.unreadable
        if str(one.key) not in named
    )
    summary.completeness = replace(judged, gaps=judged.gaps + damaged)


def _count(
    summary: WindowSummary, entry: CapturedObject, start: dt.datetime | None, end: dt.datetime | None, rows: int
) -> None:
    request, predictions = set(entry.request_columns), set(entry.prediction_columns)
    for field_ in entry.schema:
        level = "capture" if field_.name.startswith("capture_") else "item"
        level = "prediction" if field_.name in predictions else "request" if field_.name in request else level
        column = summary.columns.setdefault(field_.name, ColumnSummary(field_.name, level))
        if column.level == "request" != level:
            column.level = level
        kind = _type_text(field_.type)
        column.types[kind] = column.types.get(kind, 0) + 1
    for batch in entry.batches():
        times = batch.column(dataset.EVENT_TIME)
        kept = batch if start is None and end is None else batch.filter(_inside(times, start, end))
        if kept.num_rows:
            _count_batch(summary, kept, rows)


def _count_batch(summary: WindowSummary, batch: pa.RecordBatch, rows: int) -> None:
    summary.rows += batch.num_rows
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        summary.columns[name].values += len(column) - column.null_count
    firsts = pc.equal(batch.column(dataset.ITEM_INDEX), 0)
    summary.events += pc.sum(firsts).as_py() or 0
    rescued = batch.column(dataset.RESCUED_DATA)
    summary.rescued_rows += len(rescued) - rescued.null_count
    span = pc.min_max(batch.column(dataset.EVENT_TIME)).as_py()
    summary.first = span["min"] if summary.first is None else min(summary.first, span["min"])
    summary.last = span["max"] if summary.last is None else max(summary.last, span["max"])
    wanted = rows - len(summary.sample)
    if wanted > 0:
        summary.sample += batch.slice(0, wanted).to_pylist()


def _inside(times: pa.Array, start: dt.datetime | None, end: dt.datetime | None) -> pa.Array:
    mask = pc.is_valid(times)
    for limit, compare in ((start, pc.greater_equal), (end, pc.less)):
        if limit is not None:
            mask = pc.and_(mask, compare(times, pa.scalar(limit, times.type)))
    return mask


def _type_text(kind: pa.DataType) -> str:
    """A type's name as `[types]` takes it."""
    return dataset.column_type(str(kind)) or str(kind)

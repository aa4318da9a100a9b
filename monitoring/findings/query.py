"""The DuckDB query that shows the rows behind a finding, with every name and value quoted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.window import Window

_PLAIN = frozenset({"capture_event_id", "capture_event_time", "capture_item_index", "capture_rescued_data"})
ROWS_SHOWN = 100
LONG_VALUE = 200
"""Longer values are shortened where they are counted, so a query compares their first characters only."""
_KEY_TIME = ("%Y", "%m", "%d", "%H")
"""The parts of an object's key that name its hour."""


@dataclass(frozen=True, slots=True)
class QuerySource:
    """Where a query finds the rows of a window.

    `objects` are URIs or globs of Parquet files; empty for a table in memory, which the query calls `table`. `keys` are the
    columns that identify a row. `time_column` is "" where rows have no time.
    """

    objects: tuple[str, ...]
    keys: tuple[str, ...] = ()
    time_column: str = ""
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    table: str = "captured"


def captured_rows(uri: str, endpoint: str, variant: str, window: Window) -> QuerySource:
    """Returns the rows of a captured data set in `window`. `uri` is the capture's destination.

    One pattern names the objects, down to what the window's first and last hour share: DuckDB refuses a list in which one
    pattern finds nothing, and a quiet day has no object.
    """
    prefix = f"{uri.rstrip('/').removeprefix('file://')}/{endpoint}/{variant}"
    first, last = window.start, window.end - dt.timedelta(microseconds=1)
    parts = [first.strftime(part) for part in _KEY_TIME]
    alike = [part == last.strftime(form) for part, form in zip(parts, _KEY_TIME, strict=True)]
    shared = alike.index(False) if False in alike else len(alike)
    objects = ["/".join([prefix, *parts[:shared], *"*" * (len(parts) - shared), "*.parquet"])]
    keys = ("capture_event_id", "capture_event_time", "capture_item_index")
    return QuerySource(tuple(objects), keys, "capture_event_time", window.start, window.end)


def select(source: QuerySource, column: str, condition: str) -> str:
    """Returns the query for the rows of `source` that fulfil `condition`, with the keys and `column`."""
    names = dict.fromkeys([*source.keys, *([column] if column else [])])
    lines = [f"SELECT {', '.join(map(identifier, names)) or '*'}", f"FROM {_from(source)}"]
    conditions = []
    if source.time_column and source.start is not None and source.end is not None:
        time = identifier(source.time_column)
        conditions += [f"{time} >= {_time(source.start)}", f"{time} < {_time(source.end)}"]
    conditions += [condition] if condition else []
    lines += [f"{'WHERE' if not at else '  AND'} {text}" for at, text in enumerate(conditions)]
    order = f"ORDER BY {identifier(source.time_column)} " if source.time_column else ""
    return "\n".join([*lines, f"{order}LIMIT {ROWS_SHOWN};"])


def identifier(name: str) -> str:
    """Returns a name as SQL. Only the names of captured metadata stand without quotes: they are no keywords."""
    if name in _PLAIN:
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def equals(column: str, text: str) -> str:
    """Returns the condition that a column has the value that is written as `text`; a long value is compared by its start."""
    value = f"CAST({identifier(column)} AS VARCHAR)"
    if len(text) >= LONG_VALUE:
        return f"starts_with({value}, {literal(text[: LONG_VALUE // 2])})"
    return f"{value} = {literal(text)}"


def one_of(column: str, texts: Sequence[str]) -> str:
    """Returns the condition that a column has one of the values that are written as `texts`, "" where there are none."""
    short = [literal(text) for text in texts if len(text) < LONG_VALUE]
    parts = [f"CAST({identifier(column)} AS VARCHAR) IN ({', '.join(short)})"] if short else []
    parts += [equals(column, text) for text in texts if len(text) >= LONG_VALUE]
    return f"({' OR '.join(parts)})" if len(parts) > 1 else "".join(parts)


def rescued(column: str) -> str:
    """Returns the condition that a row's value of `column` did not fit and stands in `capture_rescued_data`."""
    return f"list_contains(json_keys(capture_rescued_data), {literal(column)})"


def _from(source: QuerySource) -> str:
    if not source.objects:
        return identifier(source.table)
    separator = ",\n                   "
    return f"read_parquet([{separator.join(map(literal, source.objects))}], union_by_name = true)"


def _time(time: dt.datetime) -> str:
    time = time.astimezone(dt.UTC)
    shown = f"{time:%Y-%m-%d %H:%M}" if not (time.second or time.microsecond) else f"{time:%Y-%m-%d %H:%M:%S.%f}"
    return f"TIMESTAMPTZ '{shown}Z'"

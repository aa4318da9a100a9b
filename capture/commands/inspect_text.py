"""What `capture inspect` prints for a person: tables on a terminal, plain aligned text in a pipe."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from capture import dataset
from capture.commands.visible import visible
from capture.encoding.json_text import json_text
from capture.reading.completeness import GapKind

if TYPE_CHECKING:
    import pyarrow as pa

    from capture.reading.summary import ColumnSummary, WindowSummary

_PIPE_WIDTH = 200
_MAX_WIDTH = 36
_MAX_ITEMS = 200


def print_summary(found: WindowSummary) -> None:
    """Counts, completeness, the schema with null shares, and the first rows."""
    console = _console()
    judged = found.completeness
    facts = _plain(console)
    facts.add_row("captured data", visible(found.uri))
    facts.add_row("endpoints", ", ".join(visible(f"{endpoint}/{variant}") for endpoint, variant in found.variants))
    facts.add_row("events", f"{found.events:,}")
    facts.add_row(
        "rows", f"{found.rows:,}" + (f", {found.rescued_rows:,} with rescued data" if found.rescued_rows else "")
    )
    facts.add_row("objects", f"{found.objects:,} of {_bytes(found.bytes)}")
    if found.first and found.last:
        facts.add_row("event times", f"{_time(found.first)} – {_time(found.last)} UTC")
    if judged is None:
        facts.add_row("complete", "unknown: nothing is there")
    else:
        facts.add_row("complete", _completeness(found))
        for instance in judged.instances if not judged.complete else ():
            state = "stopped" if instance.closed else "alive, last heard of" if instance.alive else "last heard of"
            facts.add_row(
                f"instance {visible(instance.spool)}", f"{state} at {_time(dataset.to_datetime(instance.as_of))} UTC"
            )
    console.print(facts)
    for gap in judged.gaps if judged else ():
        console.print(f"  {gap.kind}: {visible(gap.message)}", highlight=False, soft_wrap=True)
    if found.columns:
        console.print()
        console.print(_schema(console, found))
    if found.sample:
        console.print()
        console.print(_rows(console, found.sample, "first rows"))


def print_event(table: pa.Table) -> None:
    """One event: what its rows share, then what differs from row to row."""
    console = _console()
    rows = table.to_pylist()
    shared = [name for name in table.schema.names if len(rows) > 1 and all(row[name] == rows[0][name] for row in rows)]
    facts = _plain(console)
    for name in table.schema.names if len(rows) == 1 else shared:
        if rows[0][name] is not None:
            facts.add_row(visible(name), _cell(rows[0][name], 10_000))
    console.print(facts)
    if len(rows) > 1:
        console.print()
        items = [{name: value for name, value in row.items() if name not in shared} for row in rows[:_MAX_ITEMS]]
        console.print(_rows(console, items, f"{len(rows):,} items"))


def _console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)
    return (
        console
        if console.is_terminal
        else Console(highlight=False, markup=False, emoji=False, width=_PIPE_WIDTH, no_color=True)
    )


def _plain(console: Console) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold" if console.is_terminal else "", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _grid(console: Console, title: str) -> Table:
    style = box.SIMPLE_HEAD if console.is_terminal else None
    return Table(title=title, title_justify="left", title_style="bold", box=style, pad_edge=False)


def _schema(console: Console, found: WindowSummary) -> Table:
    table = _grid(console, "columns")
    for name in ("column", "level", "type"):
        table.add_column(name, overflow="fold")
    table.add_column("null", justify="right")
    for column in found.columns.values():
        table.add_row(visible(column.name), column.level, visible(_types(column)), f"{found.null_share(column):.1%}")
    return table


def _types(column: ColumnSummary) -> str:
    if len(column.types) == 1:
        return next(iter(column.types))
    return ", ".join(f"{kind} in {count}" for kind, count in column.types.items())


def _rows(console: Console, rows: list[dict[str, Any]], title: str) -> Table:
    """Rows as columns where they are few, which leaves room for many features; else as rows."""
    table = _grid(console, title)
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    if len(rows) <= 4:
        for head in ("column", *(str(number) for number in range(len(rows)))):
            table.add_column(head, overflow="fold")
        for name in names:
            table.add_row(visible(name), *(_cell(row[name]) for row in rows))
        return table
    for name in names:
        table.add_column(visible(name), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in names))
    return table


def _cell(value: Any, longest: int = _MAX_WIDTH) -> Text:
    if value is None:
        return Text("–", "dim")
    if isinstance(value, dt.datetime):
        text = _time(value) + f".{value:%f}"
    elif isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = value if isinstance(value, str) else json_text(value)
        text = visible(text[: longest + 1])
    return Text(text if len(text) <= longest else f"{text[: longest - 1]}…")


def _completeness(found: WindowSummary) -> Text:
    """Whether the window is complete; what only is not over yet is no alarm."""
    judged, until = found.completeness, found.alive_until
    if judged is not None and judged.complete:
        return Text("yes" if until is None else f"until {_time(until)} UTC, and the endpoint is alive", "green")
    if judged is not None and {gap.kind for gap in judged.gaps} == {GapKind.PENDING}:
        reached = min(instance.complete_until for instance in judged.instances if instance.alive)
        return Text(f"until {_time(dataset.to_datetime(reached))} UTC, and the endpoint is alive", "yellow")
    return Text(_incomplete(found), "red")


def _incomplete(found: WindowSummary) -> str:
    judged = found.completeness
    if judged is None:
        return ""
    share = "" if judged.share is None else f", {judged.share:.2%} of its events are there"
    gaps = "1 gap" if len(judged.gaps) == 1 else f"{len(judged.gaps)} gaps"
    return f"no: {gaps}{share}"


def _time(time: dt.datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"


def _bytes(count: int) -> str:
    if count < 1024:
        return f"{count:,} bytes"
    size, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if size >= 1024:
            size, unit = size / 1024, larger
    return f"{size:,.1f} {unit}"

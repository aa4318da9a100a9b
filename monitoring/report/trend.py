"""The trend page: columns by windows, each cell a link to its report, in one HTML file that makes no request.

A cell's colour says how unusual the window is among ordinary windows of that column. The switch between ranges is CSS; the
script adds numbers at the pointer, arrow keys, filter and sort. On a phone the first tap shows a cell's numbers in a bar
below, which holds the link.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

from monitoring.findings import wording
from monitoring.findings.severity import GRADES
from monitoring.findings.visible import visible_name, visible_value
from monitoring.report.anchors import anchor
from monitoring.report.markup import column_links, sentence
from monitoring.report.page import environment
from monitoring.result import Grade, Status
from monitoring.trend_data import TrendCell, TrendColumn, TrendResult, TrendWindow

RANGES = {"hour": (24, 72, 168), "day": (7, 30, 90)}
"""The ranges of the switch, in windows."""
WEEKS_SHOWN = 45
"""Up to this many days the map names weeks, beyond it months."""
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the map as the template shows it. `since` is the index of a window, 9999 for none."""

    name: str
    anchor: str
    mark: str
    word: str
    since: int
    cells: tuple[tuple[str, str], ...]


def render(trend: TrendResult) -> str:
    """Returns the trend page as HTML."""
    links = column_links((column.name for column in trend.columns), trend.report)
    shown = _ranges(trend)
    return (
        environment()
        .get_template("trend.html")
        .render(
            trend=trend,
            place=f"{visible_value(trend.subject.endpoint)} / {visible_value(trend.subject.variant)}",
            kick=_kick(trend),
            heads=[_head(trend, at) for at in range(len(trend.windows))],
            events=[_event(trend, at) for at in range(len(trend.events))],
            busiest=max((window.rows for window in trend.windows), default=0),
            groups=_groups(trend),
            ranges=shown,
            unit=trend.unit[:1],
            created=wording.moment(trend.created),
            say=lambda text: sentence(text, links if trend.report else column_links(c.name for c in trend.columns)),
            title=sentence,
            model=_model(trend),
            style=_asset("base.css") + _asset("trend.css") + _range_rules(shown),
            script=_asset("trend.js"),
        )
    )


def encode(trend: TrendResult) -> bytes:
    """Returns the trend as JSON."""
    return msgspec.json.format(msgspec.json.encode(trend), indent=1)


def _asset(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text())  # noqa: S704  # a file of this package


def _kick(trend: TrendResult) -> list[str]:
    if not trend.windows:
        return ["no windows"]
    end = wording.moment(trend.windows[-1].end, trend.created)
    proved = sum(window.proved is True for window in trend.windows)
    known = any(window.proved is not None for window in trend.windows)
    windows = wording.counted(len(trend.windows), trend.unit)
    return [
        f"{windows} to {end} UTC",
        wording.counted(sum(window.events for window in trend.windows), "event"),
        f"{proved} of {windows} proved complete" if known else "completeness unknown",
    ]


def _head(trend: TrendResult, at: int) -> dict[str, Any]:
    start = trend.windows[at].start.astimezone(dt.UTC)
    hourly = trend.unit == "hour"
    first = (
        start.hour == 0 if hourly else start.day == 1 or (len(trend.windows) <= WEEKS_SHOWN and start.weekday() == 0)
    )
    label = f"{start:%b} {start.day}" if first else ""
    return {"first": first, "label": label, "small": f"{start:%H}" if hourly else str(start.day)}


def _event(trend: TrendResult, at: int) -> dict[str, Any]:
    event = trend.events[at]
    inside = [index for index, w in enumerate(trend.windows) if w.start <= event.time < w.end]
    return {
        "number": at + 1,
        "at": inside[0] if inside else -1,
        "time": wording.moment(event.time, trend.created),
        "title": event.title,
        "text": event.text,
    }


def _groups(trend: TrendResult) -> list[tuple[str, list[Row]]]:
    ordered = sorted(trend.columns, key=_order)
    predictions = [_row(trend, column) for column in ordered if column.is_prediction]
    features = [_row(trend, column) for column in ordered if not column.is_prediction]
    return [(title, rows) for title, rows in (("Predictions", predictions), ("Features", features)) if rows]


def _order(column: TrendColumn) -> tuple[float, int, str]:
    level = -0.5 if column.status is Status.NOT_JUDGED else GRADES.index(column.grade) or -1
    coloured = sum(cell.grade not in (None, Grade.NONE) for cell in column.cells)
    return -level, -coloured, column.name


def _row(trend: TrendResult, column: TrendColumn) -> Row:
    judged = column.status is not Status.NOT_JUDGED
    since = next((at for at, window in enumerate(trend.windows) if window.start == column.since), 9999)
    return Row(
        visible_name(column.name),
        anchor(column.name),
        f"g{GRADES.index(column.grade)}" if judged else "gn",
        wording.capitalised(str(column.grade)) if judged else "Not judged",
        since,
        tuple(_cell(cell) for cell in column.cells),
    )


def _cell(cell: TrendCell) -> tuple[str, str]:
    """Returns class and text of a cell: the text is L-infinity with two decimals, without its zero."""
    name = "yn" if cell.grade is None else f"y{GRADES.index(cell.grade)}"
    if cell.linf is None:
        return name, ""
    return name, "1" if cell.linf >= 0.995 else f"{cell.linf:.2f}"[1:]


def _ranges(trend: TrendResult) -> list[int]:
    """Returns the ranges that the windows fill, the whole last."""
    whole = len(trend.windows)
    return [*(size for size in RANGES.get(trend.unit, ()) if size < whole), whole]


def _range_rules(sizes: list[int]) -> Markup:
    """Returns the CSS that hides the windows outside the chosen range."""
    rules = [f"#s-map table {{ --n: {sizes[-1]} }}"]
    for size in sizes[:-1]:
        chosen = f"body:has(#s-r{size}:checked) #s-map"
        rules.append(f"{chosen} table {{ --n: {size} }}")
        rules.append(f"{chosen} tr:not(.gr) > :nth-child(n+3):not(:nth-last-child(-n+{size})) {{ display: none }}")
    return Markup("\n" + "\n".join(rules))  # noqa: S704  # numbers only


def _model(trend: TrendResult) -> str:
    """Returns what the script shows of a cell, as JSON that is safe inside a script element."""
    model = {
        "times": [_span(window, trend.unit) for window in trend.windows],
        "volume": [_volume(window) for window in trend.windows],
        "ordinary": [
            round(c.ordinary, 2) if c.ordinary is not None else None for c in sorted(trend.columns, key=_group_order)
        ],
        "unit": trend.unit,
    }
    return msgspec.json.encode(model).decode().replace("<", "\\u003c")


def _group_order(column: TrendColumn) -> tuple[bool, tuple[float, int, str]]:
    return not column.is_prediction, _order(column)


def _span(window: TrendWindow, unit: str) -> str:
    start = window.start.astimezone(dt.UTC)
    if unit == "day":
        return f"{start:%b} {start.day}"
    return f"{wording.moment(start)}–{window.end.astimezone(dt.UTC):%H:%M}"


def _volume(window: TrendWindow) -> str:
    word = {True: "complete", False: "not proved complete", None: "completeness unknown"}[window.proved]
    return f"{wording.counted(window.rows, 'row')} in {wording.counted(window.events, 'event')}, {word}"

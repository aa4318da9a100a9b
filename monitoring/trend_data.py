"""What the trend page shows: columns by windows, as typed data. It is written as `trend.json` beside the page.

The windows have equal lengths (hours, days), oldest first, without a gap: a window without rows stands there with
`rows = 0`. A cell's grade says how unusual the window is among ordinary windows of that column
(`monitoring.findings.unusual`), not how large its distance is.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from monitoring.result import Grade, Status, Subject

TREND_VERSION = 1


class TrendWindow(msgspec.Struct, frozen=True):
    """One window. `proved` is None where no ledger exists. `report` is the URL of its report, "" where there is none."""

    start: dt.datetime
    end: dt.datetime
    rows: int
    events: int
    proved: bool | None
    report: str = ""


class TrendCell(msgspec.Struct, frozen=True):
    """One column in one window.

    `grade` is NONE for a window like ordinary ones, None for a window that was not judged. `linf` is the distance from the
    baseline's average. `unusual` is that distance in terms of the column's farthest ordinary window: 1.0 is as far.
    """

    grade: Grade | None
    linf: float | None = None
    unusual: float | None = None


class TrendColumn(msgspec.Struct, frozen=True):
    """One row of the map.

    `status` and `grade` are those of the latest report, which merges windows. `since` is the start of the window since which
    the column is unusual, None where it is not. `ordinary` is the largest L-infinity of an ordinary window.
    """

    name: str
    is_prediction: bool
    status: Status
    grade: Grade
    cells: tuple[TrendCell, ...]
    since: dt.datetime | None = None
    ordinary: float | None = None


class TrendEvent(msgspec.Struct, frozen=True):
    """Something that happened at a time, marked on the map: a cause that opened, a new model version."""

    time: dt.datetime
    title: str
    text: str = ""


class TrendResult(msgspec.Struct, frozen=True):
    """Columns by windows.

    `unit` is "hour" or "day", the length of a window. `merged` says what the grade beside a name covers ("31 h"). `report`
    is the URL of the latest report, "" where there is none. `ordinary_units` counts the ordinary windows of the baseline.
    `verdict` and `lead` come from `monitoring.findings.lasting.describe_trend`.
    """

    subject: Subject
    created: dt.datetime
    unit: str
    windows: tuple[TrendWindow, ...]
    columns: tuple[TrendColumn, ...]
    verdict: str = ""
    lead: str = ""
    merged: str = ""
    report: str = ""
    ordinary_units: int = 0
    events: tuple[TrendEvent, ...] = ()
    notes: tuple[str, ...] = ()
    version: int = TREND_VERSION

"""Trends for the tests: columns by hours from strings of marks."""

import datetime as dt
from typing import Any

from monitoring.findings.lasting import describe_trend
from monitoring.findings.unusual import unusual_since
from monitoring.result import Grade, Status, Subject
from monitoring.trend_data import TrendCell, TrendColumn, TrendEvent, TrendResult, TrendWindow

START = dt.datetime(2026, 11, 23, 18, tzinfo=dt.UTC)
MARKS = {".": Grade.NONE, "1": Grade.SMALL, "2": Grade.MEDIUM, "3": Grade.LARGE, "?": None}


def trend(rows: dict[str, str], *, grades: dict[str, Grade] | None = None, **more: Any) -> TrendResult:
    """Returns a trend: `rows` gives each column's hours as marks, `grades` the merged grade."""
    number = max((len(marks) for marks in rows.values()), default=0)
    windows = tuple(
        TrendWindow(
            START + dt.timedelta(hours=at), START + dt.timedelta(hours=at + 1), 800 + at, 50, True, f"{at}/report.html"
        )
        for at in range(number)
    )
    columns = []
    for name, marks in rows.items():
        cells = tuple(TrendCell(MARKS[mark], 0.04 if mark == "." else 0.96, 1.5) for mark in marks)
        since = unusual_since([cell.grade for cell in cells])
        grade = (grades or {}).get(name, Grade.NONE)
        status = Status.DRIFT if grade is not Grade.NONE else Status.NO_DRIFT
        start = None if since is None else windows[since].start
        columns.append(TrendColumn(name, name.startswith("prediction"), status, grade, cells, start, 0.82))
    fields: dict[str, Any] = {
        "windows": windows,
        "columns": tuple(columns),
        "merged": "31 h",
        "report": "report.html",
        "ordinary_units": 80,
        "events": (TrendEvent(START + dt.timedelta(hours=1), "Training period ends.", "What follows is new."),),
    }
    subject = Subject("flights", "AllTraffic", "flights-delay", "3", "flights")
    created = START + dt.timedelta(hours=number, minutes=7)
    return describe_trend(TrendResult(subject, created, "hour", **(fields | more)))

"""A run as a fragment for a notebook: verdict, lead, causes and the columns that moved.

Its styles stand inside the fragment, apply below one class of its own, and follow the colours of the notebook: they change
nothing outside. It has no script and no id, so that a notebook may hold many.
"""

from __future__ import annotations

from monitoring.findings import wording
from monitoring.findings.severity import GRADES
from monitoring.report.markup import sentence
from monitoring.report.page import environment
from monitoring.report.panel import panel_of, panel_order
from monitoring.result import RunResult, Status

CAUSES_SHOWN, COLUMNS_SHOWN = 6, 12


def render(result: RunResult) -> str:
    """Returns the fragment as HTML, for `_repr_html_`."""
    ordered = sorted(result.columns, key=panel_order)
    moved = [column for column in ordered if column.status is Status.DRIFT or column.violations]
    rows = [panel_of(column, at, result.end.year) for at, column in enumerate(moved[:COLUMNS_SHOWN])]
    quiet = len(result.columns) - len(moved)
    return (
        environment()
        .get_template("notebook.html")
        .render(
            result=result,
            window=wording.span(result.start, result.end, result.created),
            causes=[(f"g{GRADES.index(cause.grade)}", cause) for cause in result.causes[:CAUSES_SHOWN]],
            more_causes=max(0, len(result.causes) - CAUSES_SHOWN),
            rows=rows,
            more_rows=max(0, len(moved) - COLUMNS_SHOWN),
            quiet=wording.counted(quiet, "column") if quiet else "",
            say=sentence,
        )
    )

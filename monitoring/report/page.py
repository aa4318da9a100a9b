"""The report of a run: one HTML file that makes no request.

The order is verdict, four questions, facts, causes, what was ruled out, columns, data quality, how to read it. Every name and
value is escaped and cut to what a person reads. Without JavaScript the page shows everything; the script adds filter, sort,
the switch between histogram and CDF, and copying.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from monitoring.findings import with_causes, wording
from monitoring.findings.answers import Answer, answers
from monitoring.findings.columns import not_judged_reason, recent_heading
from monitoring.findings.severity import GRADES, gravest, is_broken
from monitoring.findings.verdict import has_verdict
from monitoring.findings.visible import visible, visible_value
from monitoring.report.checks_table import check_rows
from monitoring.report.facts import KIND_WORDS, facts, state_word
from monitoring.report.markup import column_links, lines, sentence
from monitoring.report.panel import Panel, panel_of, panel_order
from monitoring.result import Cause, ColumnResult, RunResult, Status, Urgency

if TYPE_CHECKING:
    from monitoring.quality.result import QualityResult

CAUSES_SHOWN = 6
NAMED = 8
_FOLDER = Path(__file__).parent


def render(result: RunResult, *, trend: str = "", quality: QualityResult | None = None) -> str:
    """Returns the report of a run as HTML.

    `trend` is the URL of the trend page, relative to the report, "" for none. `quality` is what a joined ground truth says of
    the same window: it answers the fourth question, adds a section, and its causes stand among the others.
    """
    answer, section = _quality(quality)
    result = with_causes(result, quality.causes if quality is not None else ())
    columns = sorted(result.columns, key=panel_order)
    panels = [panel_of(column, at, result.end.year) for at, column in enumerate(columns)]
    views = _cause_views(result.causes, {column.name: panel for column, panel in zip(columns, panels, strict=True)})
    links = column_links(column.name for column in columns)
    not_judged = [column for column in columns if column.status is Status.NOT_JUDGED]
    grade = gravest([cause.grade for cause in result.causes])
    judged = bool(result.events) and has_verdict(result)
    return (
        environment()
        .get_template("report.html")
        .render(
            result=result,
            place=f"{visible_value(result.subject.endpoint)} / {visible_value(result.subject.variant)}",
            window=wording.span(result.start, result.end, result.created),
            state=state_word(result),
            mark=_mark(result, judged, f"g{GRADES.index(grade)}"),
            answers=answers(result, answer),
            facts=facts(result),
            causes=views[:CAUSES_SHOWN],
            more_causes=views[CAUSES_SHOWN:],
            not_judged=_not_judged(not_judged, panels[columns.index(not_judged[0])]) if judged and not_judged else None,
            ruled_out=[line.split(": ", 1) for line in result.ruled_out],
            groups=_groups(columns, panels),
            counts=_column_counts(columns),
            checks=check_rows(result),
            recent=_recent(columns),
            created=wording.moment(result.created),
            trend=trend,
            quality_section=section,
            say=lambda text: sentence(text, links),
            title=sentence,
            style=_asset("base.css") + _asset("report.css"),
            script=_asset("report.js"),
        )
    )


@cache
def environment() -> Environment:
    """Returns the templates of this folder. Everything that they print is escaped."""
    found = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "count": wording.count,
        "percent": wording.percent,
        "duration": lambda seconds: "unknown" if seconds is None else wording.duration(seconds),
        "visible": visible,
        "mark": lambda grade: "gn" if grade is None else f"g{GRADES.index(grade)}",
    }
    return found


def _quality(quality: QualityResult | None) -> tuple[Answer | None, Markup]:
    if quality is None:
        return None, Markup("")
    from monitoring.report.quality_section import answer_quality, render_quality

    return answer_quality(quality), render_quality(quality)


def _asset(name: str) -> Markup:
    return Markup((_FOLDER / name).read_text())  # noqa: S704  # a file of this package


def _mark(result: RunResult, judged: bool, grade: str) -> str:
    if judged or any(is_broken(cause) for cause in result.causes):
        return grade
    return "g0" if result.completeness.proved and not result.events else "gn"


def _cause_views(causes: Sequence[Cause], panels: dict[str, Panel]) -> list[dict[str, Any]]:
    """Returns what the page shows of each cause. An advice that stands above already is not repeated."""
    views = []
    advice: set[str] = set()
    for cause in causes:
        pictured = next((panels[name] for name in cause.columns if name in panels and panels[name].chart), None)
        views.append(
            {
                "mark": f"g{GRADES.index(cause.grade)}",
                "word": wording.capitalised(str(cause.grade)),
                "kind": KIND_WORDS[cause.kind],
                "title": cause.title,
                "text": cause.sentence,
                "tonight": cause.tonight if cause.urgency is Urgency.PAGE else "",
                "tomorrow": "" if cause.tomorrow in advice else cause.tomorrow,
                "panel": pictured,
                "query": "" if pictured is not None else lines(cause.query),
            }
        )
        advice.add(cause.tomorrow)
    return views


def _not_judged(columns: Sequence[ColumnResult], panel: Panel) -> dict[str, Any]:
    reasons = [f"{wording.column(c.name)}: {c.reason or not_judged_reason(c) or 'no reason given'}" for c in columns]
    more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    one_side = all(c.window is None or c.baseline is None for c in columns)
    advice = "" if one_side else " A longer window, or more traffic, decides."
    return {
        "title": f"{wording.counted(len(columns), 'column')} could not be judged",
        "tag": "On one side only" if one_side else "Too little data",
        "text": f"{'; '.join(reasons[:NAMED])}{more}.{advice}",
        "panel": panel if panel.chart else None,
    }


def _recent(columns: Sequence[ColumnResult]) -> tuple[str, str] | None:
    """Returns the heading of the strip of recent windows, "Last 24 h", and its unit; None where no column has one."""
    column = next((column for column in columns if column.recent), None)
    if column is None:
        return None
    return recent_heading(columns), column.recent_unit


def _groups(columns: Sequence[ColumnResult], panels: Sequence[Panel]) -> list[tuple[str, list[Panel]]]:
    pairs = list(zip(columns, panels, strict=True))
    predictions = [panel for column, panel in pairs if column.is_prediction]
    features = [panel for column, panel in pairs if not column.is_prediction]
    return [(title, group) for title, group in (("Predictions", predictions), ("Features", features)) if group]


def _column_counts(columns: Sequence[ColumnResult]) -> dict[str, int]:
    counts = {f"g{level}": 0 for level in range(4)} | {"gn": 0}
    for column in columns:
        judged = column.status is not Status.NOT_JUDGED
        counts[f"g{GRADES.index(column.grade)}" if judged else "gn"] += 1
    counts["drifted"] = sum(column.status is Status.DRIFT for column in columns)
    counts["unseen"] = sum(bool(column.unseen) for column in columns)
    return counts

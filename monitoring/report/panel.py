"""What the page shows of one column: the row and the panel below it, as plain values for the template."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitoring.findings import wording
from monitoring.findings.columns import status_sentence
from monitoring.findings.moved import missing_change, missing_share, unit_of_count
from monitoring.findings.severity import GRADES
from monitoring.findings.visible import visible, visible_name, visible_value
from monitoring.report.anchors import anchor
from monitoring.report.charts import Chart, draw
from monitoring.report.markup import lines
from monitoring.result import Bin, ColumnResult, Grade, SideSummary, Status

ID_LENGTH, CONDITION_LENGTH = 64, 80
DISTANCES = {
    "linf_simple": "L∞ of present values, simple",
    "linf_robust": "L∞ of present values, robust",
    "chi_square": "Chi-square",
    "chi_square_p": "Chi-square, p",
    "psi": "PSI",
    "jensen_shannon": "Jensen-Shannon",
    "wasserstein": "Wasserstein",
}
"""The names of further distances on the page; others appear under their own name."""


@dataclass(frozen=True, slots=True)
class Category:
    """A row of the table of categories; widths are per cent of the largest share."""

    label: str
    is_value: bool
    baseline: str
    window: str
    change: str
    baseline_width: float
    window_width: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One column as the template shows it. `mark` is "g0" to "g3" or "gn"; `sort` holds the values that order rows."""

    at: int
    name: str
    anchor: str
    mark: str
    word: str
    type_name: str
    is_number: bool
    null: str
    linf: str
    linf_width: float
    p: str
    detectable: str
    since: str
    recent: tuple[str, ...]
    recent_start: str
    recent_end: str
    recent_text: str
    recent_unit: str
    tags: tuple[str, ...]
    decided: str
    text: str
    chart: Chart | None
    categories: tuple[Category, ...]
    numbers: tuple[tuple[str, str, str], ...]
    further: tuple[tuple[str, str], ...]
    event_ids: tuple[str, ...]
    affected: str
    condition: str
    query: str
    sort: dict[str, str]


def panel_of(column: ColumnResult, at: int, year: int) -> Panel:
    """Returns the panel of a column. `at` numbers it on the page, `year` is that of its "since"."""
    judged = column.status is not Status.NOT_JUDGED
    level = GRADES.index(column.grade)
    return Panel(
        at=at,
        name=visible_name(column.name, 120),
        anchor=anchor(column.name),
        mark=f"g{level}" if judged else "gn",
        word=wording.capitalised(str(column.grade)) if judged else "Not judged",
        type_name=visible_value(column.type_name, 24),
        is_number=column.kind != "categorical",
        null=_null(column),
        linf=wording.distance(column.linf),
        linf_width=round(100 * min(1.0, column.linf or 0.0), 1),
        p=wording.p_value(column.p_value),
        detectable=f"≥ {column.detectable:.2f}" if column.detectable is not None and not _drifted(column) else "",
        since=visible(column.since),
        recent=tuple("n" if grade is None else str(GRADES.index(grade)) for grade in column.recent[-24:]),
        recent_start=_recent_start(column),
        recent_end=wording.moment(column.recent_end) if column.recent_end else "",
        recent_text=_recent_text(column),
        recent_unit=column.recent_unit,
        tags=_tags(column),
        decided=status_sentence(column),
        text=column.sentence,
        chart=draw(column),
        categories=_categories(column.bins) if column.kind == "categorical" else (),
        numbers=_numbers(column),
        further=_further(column),
        event_ids=tuple(visible_value(event, ID_LENGTH) for event in column.event_ids[:5]),
        affected=_affected(column),
        condition=visible(column.condition) if len(column.condition) <= CONDITION_LENGTH else "",
        query=lines(column.query),
        sort=_sort(column, level if judged else -1, year),
    )


def _drifted(column: ColumnResult) -> bool:
    return column.status is Status.DRIFT


def panel_order(column: ColumnResult) -> tuple[float, float]:
    """Returns the sort key of a column: large, medium, small, not judged, none; then by distance."""
    level = -0.5 if column.status is Status.NOT_JUDGED else GRADES.index(column.grade) or -1
    return -level, -(column.linf or 0.0)


def _null(column: ColumnResult) -> str:
    before, after = wording.percent(missing_share(column.baseline)), wording.percent(missing_share(column.window))
    return before if before == after else f"{before} → {after}"


def _recent_start(column: ColumnResult) -> str:
    if column.recent_end is None:
        return ""
    length = dt.timedelta(days=1) if column.recent_unit == "day" else dt.timedelta(hours=1)
    return wording.moment(column.recent_end - len(column.recent[-24:]) * length)


def _recent_text(column: ColumnResult) -> str:
    cells, unit = column.recent[-24:], column.recent_unit
    unlike = sum(grade is not None and grade is not Grade.NONE for grade in cells)
    if unlike:
        return (
            f"{unlike} of {wording.counted(len(cells), unit)} {'is' if unlike == 1 else 'are'} unlike ordinary {unit}s."
        )
    if column.status is Status.DRIFT:
        return f"Single {unit}s are within the ordinary range; only the merged window shows the drift."
    return f"Every {unit} is within the ordinary range."


def _tags(column: ColumnResult) -> tuple[str, ...]:
    tags = []
    if column.unseen:
        tags.append(f"{len(column.unseen)} unseen")
    checks = {violation.constraint_check_type for violation in column.violations}
    tags += ["type"] if "data_type_check" in checks else []
    tags += ["missing"] if column.window is None else []
    tags += ["new"] if column.baseline is None and column.window is not None else []
    return tuple(tags)


def _categories(bins: Sequence[Bin]) -> tuple[Category, ...]:
    largest = max((max(bar.baseline, bar.window) for bar in bins), default=0.0) or 1.0
    return tuple(
        Category(
            visible_value(bar.label) or '""',
            not bar.is_other and not bar.is_null,
            wording.percent(bar.baseline),
            wording.percent(bar.window),
            _change(bar.window - bar.baseline),
            round(100 * bar.baseline / largest, 1),
            round(100 * bar.window / largest, 1),
        )
        for bar in bins
    )


def _change(change: float) -> str:
    shown = f"{abs(100 * change):.1f}"
    if shown == "0.0":
        return "0"
    return f"{'+' if change > 0 else '−'}{shown}"


def _numbers(column: ColumnResult) -> tuple[tuple[str, str, str], ...]:
    before, after = column.baseline, column.window
    rows = []
    spread = max((s.std_dev or 0.0 for s in (before, after) if s is not None), default=0.0)
    for label, attribute in (("Mean", "mean"), ("Std. deviation", "std_dev"), ("Minimum", "minimum")):
        rows.append((label, _value(before, attribute, spread), _value(after, attribute, spread)))
    for label, at in (("5 %", 1), ("Median", 3), ("95 %", 5)):
        rows.append((label, _quantile(before, at, spread), _quantile(after, at, spread)))
    rows.append(("Maximum", _value(before, "maximum", spread), _value(after, "maximum", spread)))
    rows = [row for row in rows if row[1] or row[2]]
    rows += [row for row in _counts(before, after, wording.capitalised(unit_of_count(column))) if row[1] or row[2]]
    return tuple(rows)


def _counts(before: SideSummary | None, after: SideSummary | None, noun: str) -> list[tuple[str, str, str]]:
    writers: dict[str, Callable[[SideSummary], str]] = {
        "Distinct": lambda side: "" if side.distinct is None else wording.count(side.distinct),
        "Infinite": lambda side: wording.count(sum(side.infinities)) if sum(side.infinities) else "",
        "Rescued": lambda side: wording.count(side.rescued) if side.rescued else "",
        "Null": lambda side: wording.percent(missing_share(side)),
        noun: lambda side: wording.count(side.rows),
    }
    return [
        (label, write(before) if before is not None else "", write(after) if after is not None else "")
        for label, write in writers.items()
    ]


def _value(side: SideSummary | None, attribute: str, spread: float) -> str:
    return wording.number(getattr(side, attribute), spread or None) if side is not None else ""


def _quantile(side: SideSummary | None, at: int, spread: float) -> str:
    return wording.number(side.quantiles[at], spread or None) if side is not None and len(side.quantiles) == 7 else ""


def _further(column: ColumnResult) -> tuple[tuple[str, str], ...]:
    rows = [(f"p, {visible(name)}", wording.p_value(p)) for name, p in column.tests]
    if column.shift is not None:
        rows.append(("Shift, std. deviations", f"{column.shift:.3f}"))
    known = [name for name in DISTANCES if name in column.distances]
    others = [name for name in column.distances if name not in DISTANCES and name != "linf"]
    rows += [(DISTANCES.get(name, visible_value(name)), f"{column.distances[name]:.3g}") for name in known + others]
    return tuple(rows)


def _affected(column: ColumnResult) -> str:
    shown = wording.capitalised(wording.counted(len(column.event_ids[:5]), "event"))
    if column.affected is None:
        return shown
    if column.request_level:
        return f"{len(column.event_ids[:5])} of {wording.counted(column.affected, 'event')}"
    return f"{shown} of {wording.counted(column.affected, 'row')}"


def _sort(column: ColumnResult, level: int, year: int) -> dict[str, str]:
    try:
        since = dt.datetime.strptime(f"{year} {column.since}", "%Y %b %d %H:%M").replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        since = 9e9
    return {
        "k": "text" if column.kind == "categorical" else "number",
        "g": str(level),
        "l": f"{column.linf or 0:.4f}",
        "p": f"{1 if column.p_value is None else column.p_value:.4f}",
        "z": f"{abs(missing_change(column)):.4f}",
        "e": f"{column.detectable or 0:.4f}",
        "i": f"{since:.0f}",
        "v": "1" if column.unseen else "",
    }

"""The Markdown tables of the drift benchmark's results."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from benchmarks import drift_rivals
from benchmarks.tables import markdown

_SHORT = {
    drift_rivals.ROBUST: "Model Monitor",
    drift_rivals.EVIDENTLY: "Evidently",
    drift_rivals.EVIDENTLY_HALF: "Evidently, half",
    drift_rivals.KS: "KS, rows",
    drift_rivals.PSI: "PSI",
    drift_rivals.ONE_ROW: "one row a request + BH",
}


def tables(result: dict[str, Any]) -> str:
    """Returns all tables of a result, those of missing parts left out."""
    parts = [_false_alarms(result["false_alarms"]), _power(result["power"], result["false_alarms"])]
    parts += [_real(result["real"]), _by_day(result["by_day"]), _hours(result.get("hours", {}))]
    parts.append(_months(result["months"]))
    return "\n\n".join(part for part in parts if part)


def _percent(count: float, of: float) -> str:
    return f"{100 * count / of:.1f}" if of else ""


def _error(count: float, of: float) -> float:
    p = max(count, 1) / of
    return 100 * float(np.sqrt(p * (1 - p) / of))


def _false_alarms(cells: list[dict[str, Any]]) -> str:
    if not cells:
        return ""
    head = ["world", "rows", "runs", "ours (%)", "± SE", "with floor", "one-sample form", *_SHORT.values()]
    rows = [
        [
            cell["world"],
            f"{cell['rows']:,}",
            cell["runs"],
            _percent(cell["ours"], cell["runs"]),
            f"{_error(cell['ours'], cell['runs']):.1f}",
            _percent(cell["with_floor"], cell["runs"]),
            _percent(cell["one_sample"], cell["one_sample_runs"]),
            *(_percent(cell["rivals"].get(name, 0), cell["rival_runs"]) for name in _SHORT),
        ]
        for cell in cells
    ]
    total, alarms = sum(cell["runs"] for cell in cells), sum(cell["ours"] for cell in cells)
    floors = sum(cell["with_floor"] for cell in cells)
    rows.append(
        ["all cells", "", total, _percent(alarms, total), f"{_error(alarms, total):.2f}", _percent(floors, total)]
    )
    rows[-1] += [""] * (len(head) - len(rows[-1]))
    text = "Runs (%) that alarm though nothing changed. Baseline: 2,000 requests, 1,000 blocks of 8 at 50,000 rows.\n\n"
    return "### False alarms\n\n" + text + markdown(head, rows) + f"\n\n{_outside(cells)}"


def _outside(cells: list[dict[str, Any]]) -> str:
    """Returns a sentence about the cells that lie more than two standard errors from 5 %."""
    distances = [(cell["ours"] / cell["runs"] - 0.05) / float(np.sqrt(0.05 * 0.95 / cell["runs"])) for cell in cells]
    named = [
        f"{cell['world']} at {cell['rows']:,} rows ({z:+.1f})"
        for cell, z in zip(cells, distances, strict=True)
        if abs(z) > 2
    ]
    chance = float(special.chdtrc(len(cells), np.square(distances).sum()))
    return (
        f"Cells of ours more than two standard errors from 5 %: {'; '.join(named) or 'none'}. Of {len(cells)} cells at exactly 5 %, "
        f"{0.0455 * len(cells):.1f} lie so far on average. The sum of squares of all {len(cells)} distances has the tail probability "
        f"{chance:.2f} under 5 % in every cell."
    )


def _power(cells: list[dict[str, Any]], false_alarms: list[dict[str, Any]]) -> str:
    if not cells:
        return ""
    broken = _broken(false_alarms)
    names = ["ours", "ours with floor", *(name for name in _SHORT if name != drift_rivals.EVIDENTLY_HALF)]
    head = ["column", "change", "rows", *(_SHORT.get(name, name) for name in names)]
    rows, below = [], []
    for cell in sorted(cells, key=lambda c: (c["column"], c["change"], c["rows"])):
        shown = []
        ours = cell["methods"]["ours"]
        for name in names:
            alarms, of = cell["methods"].get(name, (0, 0))
            value = _percent(alarms, of)
            shown.append(f"({value})" if name in broken.get(cell["rows"], ()) else value)
            if name in _SHORT and name not in broken.get(cell["rows"], ()) and of:
                gap = 100 * (alarms / of - ours[0] / ours[1])
                noise = np.sqrt(_error(alarms, of) ** 2 + _error(*ours) ** 2)
                if gap > noise:
                    below.append(
                        f"{cell['column']}, {cell['change']}, {cell['rows']:,} rows: {_percent(*ours)} against "
                        f"{value} of {_SHORT[name]}, difference {gap:.0f} ± {noise:.0f}"
                    )
        rows.append([cell["column"], cell["change"], f"{cell['rows']:,}", *shown])
    text = (
        "Runs (%) that name the one column of 50 that changed. In brackets: the method alarms falsely in over 6 % of runs of "
        "this size (ICC 0 to 1, 50 columns).\n\n"
    )
    verdict = "; ".join(below) if below else "none"
    return (
        "### Power\n\n"
        + text
        + markdown(head, rows)
        + f"\n\nCells where ours is below a method without brackets by more than one standard error: {verdict}."
    )


def _broken(cells: list[dict[str, Any]]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for cell in cells:
        if cell["world"] == "ICC 0 to 1, 50 columns" and cell["rival_runs"]:
            found[cell["rows"]] = {
                name for name, alarms in cell["rivals"].items() if alarms / cell["rival_runs"] > 0.06
            }
    return found


def _real(months: dict[str, Any]) -> str:
    if not months:
        return ""
    parts = ["### Real drift: flights, each month against January to March"]
    head = ["method", *months]
    names = ["ours", *(name for name in _SHORT if name != drift_rivals.EVIDENTLY_HALF)]
    rows = []
    for name in names:
        counts = []
        for columns in months.values():
            alarms = [c["status"] == "drift" if name == "ours" else name in c["rivals"] for c in columns]
            counts.append(f"{sum(alarms)} of {len(alarms)}")
        rows.append([_SHORT.get(name, name), *counts])
    parts.append("Columns that each method names.\n\n" + markdown(head, rows))
    parts += [_month_by_column(month, columns) for month, columns in months.items()]
    return "\n\n".join(parts)


def _month_by_column(month: str, columns: list[dict[str, Any]]) -> str:
    head = ["column", "ours", "p", "L-infinity", "shift (sd)", "what moved", "also named by"]
    rows = [
        [
            c["column"],
            c["grade"] if c["status"] == "drift" else c["status"],
            f"{c['p']:.3f}" if c["p"] is not None else "",
            f"{c['linf']:.3f}",
            "" if c["shift"] is None else f"{c['shift']:.2f}",
            c["what"],
            ", ".join(_SHORT[name] for name in c["rivals"]),
        ]
        for c in columns
    ]
    return f"{month}, column by column.\n\n" + markdown(head, rows)


def _by_day(found: dict[str, Any]) -> str:
    if not found:
        return ""
    head = [
        "shrinkage of the columns' scales (days)",
        "held-out days",
        "1–10 days later",
        "11–30 days later",
        *found["months"],
    ]
    rows = [
        [
            key,
            *(
                _percent(found[part][key]["alarms"], found[part][key]["of"])
                for part in ("held_out", "days_1_to_10", "days_11_to_30")
            ),
            *(_percent(by[key]["alarms"], by[key]["of"]) for by in found["months"].values()),
        ]
        for key in found["held_out"]
    ]
    weeks, after = found["budget_weeks"], found["budget_30_days_after"]
    return (
        "### By day, flights\n\nDays (%) that alarm at 5 %: ordinary days, held out by week from 90-day baselines, in bins of the "
        f"other days; days after; three months. {next(iter(found['held_out'].values()))['of']} held-out days.\n\n"
        + markdown(head, rows)
        + f"\n\nThe month's budget over days alone: {weeks['alarms']} of {weeks['of']} held-out weeks alarm, and {after['alarms']} "
        f"of {after['of']} spans of 30 days after a baseline."
    )


def _hours(found: dict[str, Any]) -> str:
    if not found:
        return ""
    head = [
        "spans of the flights",
        "spans",
        "budget (%)",
        "its hours (%)",
        "its days (%)",
        "hours that alarm at 5 % (%)",
    ]
    rows = [
        [
            name,
            found[spans]["of"],
            *(_percent(found[spans][part], found[spans]["of"]) for part in ("budget", "hours", "days")),
            _percent(*found[hours]),
        ]
        for name, spans, hours in (
            ("held-out weeks", "weeks", "hours"),
            ("30 days after a baseline", "after", "hours_after"),
        )
    ]
    rolling = found["rolling"]
    return (
        "### The month's budget on the flights, hours and days\n\nSpans (%) that alarm, and hours that alarm when each is judged at "
        "5 %. 17 baselines of 90 days; hours of day with under 30 rows are not judged.\n\n"
        + markdown(head, rows)
        + f"\n\nA rolling reference of 28 days: {rolling['alarms']} of {rolling['of']} days of the year alarm at 5 % "
        f"({_percent(rolling['alarms'], rolling['of'])} %); {rolling['declined']} are declined."
    )


def _months(found: list[dict[str, Any]]) -> str:
    if not found:
        return ""
    names = list(found[0]["alarms"])
    head = ["correlation of days", "shift (sd)", "months", *(f"{name} (%)" for name in names)]
    rows = [
        [f"{c['phi']:g}", f"{c['shift']:g}", c["months"], *(_percent(c["alarms"][n], c["months"]) for n in names)]
        for c in found
    ]
    return (
        "### Months of 720 hours and 30 days\n\nMonths (%) that alarm; baseline of 91 days, day effects of 0.1 standard deviations, "
        "10 columns.\n\n" + markdown(head, rows)
    )

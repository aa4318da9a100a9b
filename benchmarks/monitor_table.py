"""The table of the monitor's benchmark: `monitor.json` as people read it."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from benchmarks.tables import markdown

LARGE_ROWS = 20_000_000
OURS = "ours"


def table(found: dict[str, Any], peers: Container[str]) -> str:
    """Returns the Markdown table of `monitor.json`, and below it the ratios that the goals name."""
    figures = found["figures"]
    rows = []
    for name, entry in figures.items():
        seconds = entry.get("seconds")
        size = entry.get("rows", LARGE_ROWS if f"{LARGE_ROWS:,}" in name else found["rows"]) * found["columns"]
        stopped = entry.get("failed", f"stopped after {entry.get('stopped after')}")
        rows.append(
            (
                name,
                stopped if seconds is None else seconds,
                f"{size / seconds / 1e6:.2f}" if seconds else "",
                entry.get("peak MB", ""),
                entry.get("report KB", ""),
            )
        )
    head = ("", "seconds", "million cells a second", "peak MB", "report KB")
    ratios = [
        f"- row pass on {threads} thread(s): {_ratio(figures[f'row pass, {threads} threads'], figures[f'floor, {threads} threads'])} times the floor"
        for threads in (1, 2)
    ]
    spark = _ratio(figures.get("Spark, 2 cores", {}), figures["row pass, 2 threads"])
    ratios.append(f"- Spark after its start: {spark} times threads")
    for name in figures:
        peer, _, of = name.partition(", ")
        if peer in peers:
            ours = figures.get(f"{OURS}, {of}", {})
            run = (
                f", {_ratio(figures[name], ours, 'run processor')} times our run and report"
                if "run processor" in ours
                else ""
            )
            ratios.append(f"- {name}: {_ratio(figures[name], ours)} times our baseline, run and report{run}")
    text = f"{found['rows']:,} rows × {found['columns']} columns; a peer's rows stand beside its name."
    return "\n".join((text, "", markdown(head, rows), "", *ratios))


def _ratio(theirs: dict[str, Any], ours: dict[str, Any], of: str = "") -> str:
    """Returns the ratio of the seconds; of the processor's, where whole processes are known: a neighbour adds none of these."""
    whole = "whole processor" if "whole processor" in ours else "seconds"
    own = ours.get(of or whole)
    if own and "stopped after" in theirs:
        return f"at least {theirs['stopped after'] / own:.0f}"
    return f"{theirs[whole] / own:.2f}" if own and whole in theirs else "not measured"

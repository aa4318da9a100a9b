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
        f"- row pass on {threads} thread(s): {_ratio(figures, f'row pass, {threads} threads', f'floor, {threads} threads')} times the floor"
        for threads in (1, 2)
    ]
    ratios.append(f"- Spark after its start: {_ratio(figures, 'Spark, 2 cores', 'row pass, 2 threads')} times threads")
    for name in figures:
        peer, _, of = name.partition(", ")
        if peer in peers:
            ratios.append(f"- {name}: {_ratio(figures, name, f'{OURS}, {of}')} times ours (baseline, run and report)")
    text = f"{found['rows']:,} rows × {found['columns']} columns; a peer's rows stand beside its name."
    return "\n".join((text, "", markdown(head, rows), "", *ratios))


def _ratio(figures: dict[str, Any], first: str, second: str) -> str:
    """Returns the ratio of the seconds; of the processor's, where whole processes are known: a neighbour adds none of these."""
    theirs, ours = figures.get(first, {}), figures.get(second, {})
    of = "whole processor" if "whole processor" in ours else "seconds"
    if of in ours and "stopped after" in theirs:
        return f"at least {theirs['stopped after'] / ours[of]:.0f}"
    return f"{theirs[of] / ours[of]:.2f}" if of in ours and of in theirs else "not measured"

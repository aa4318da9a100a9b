"""Markdown tables of results."""

from __future__ import annotations

from collections.abc import Sequence


def markdown(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A table, its columns as wide as their longest cell."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)

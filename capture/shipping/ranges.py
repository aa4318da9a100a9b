"""Sets of whole numbers as sorted, merged, inclusive ranges: which record numbers are shipped, lost or present."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Range = tuple[int, int]


def add(ranges: list[Range], new: Range) -> list[Range]:
    """The union of `ranges` and `new`; empty where `new` ends before it begins.

    >>> add([(1, 3), (8, 9)], (4, 6))
    [(1, 6), (8, 9)]
    """
    if new[1] < new[0]:
        return ranges
    merged: list[Range] = []
    for first, last in sorted([*ranges, new]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def subtract(from_: Range, ranges: list[Range]) -> list[Range]:
    """What of one range no range of `ranges` covers.

    >>> subtract((1, 10), [(2, 3), (9, 12)])
    [(1, 1), (4, 8)]
    """
    rest: list[Range] = []
    first, end = from_
    for low, high in sorted(ranges):
        if high < first:
            continue
        if low > end:
            break
        if low > first:
            rest.append((first, low - 1))
        first = high + 1
    if first <= end:
        rest.append((first, end))
    return rest


def count(ranges: Iterable[Range]) -> int:
    """How many numbers the ranges hold."""
    return sum(last - first + 1 for first, last in ranges)

"""Merging of column states: the state of two disjoint sets of rows from their two states.

Counts are exact in any order. Sums of floats depend on the order in their last digits, so states are merged in the order of
time and of object keys.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from monitoring.states.column import EXAMPLES, HASHES, UNSEEN_VALUES, ColumnState, ExampleReason, Examples
from monitoring.states.far_values import merge_far

if TYPE_CHECKING:
    from collections.abc import Mapping

Hashes = npt.NDArray[np.uint64]


def merge_columns(first: ColumnState, second: ColumnState) -> ColumnState:
    """Returns the state of both states' rows. Both must come from the same binning (ValueError where they do not)."""
    if first.fine.shape != second.fine.shape:
        raise ValueError(f"states of {len(first.fine)} and {len(second.fine)} bins do not merge")
    return ColumnState(
        rows=first.rows + second.rows,
        missing=first.missing + second.missing,
        nans=first.nans + second.nans,
        absent=first.absent + second.absent,
        request_rows=first.request_rows + second.request_rows,
        rescued=first.rescued + second.rescued,
        kinds=first.kinds + second.kinds,
        zero_one=first.zero_one + second.zero_one,
        negatives=first.negatives + second.negatives,
        below=first.below + second.below,
        above=first.above + second.above,
        infinities=(first.infinities[0] + second.infinities[0], first.infinities[1] + second.infinities[1]),
        finite=first.finite + second.finite,
        sum1=first.sum1 + second.sum1,
        sum2=first.sum2 + second.sum2,
        minimum=min(first.minimum, second.minimum),
        maximum=max(first.maximum, second.maximum),
        fine=first.fine + second.fine,
        sums=first.sums + second.sums,
        unseen=smallest_names(added(first.unseen, second.unseen)),
        hashes=smallest_hashes(first.hashes, second.hashes),
        types=added(first.types, second.types),
        examples=merge_examples(first.examples, second.examples),
        far=merge_far(first.far, second.far),
    )


def added(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """Returns the sums of two counts by name."""
    if not first or not second:
        return dict(first or second)
    total = dict(first)
    for name, count in second.items():
        total[name] = total.get(name, 0) + count
    return total


def smallest_names(counts: dict[str, int]) -> dict[str, int]:
    """Returns the counts of at most UNSEEN_VALUES names: those with the smallest hashes.

    A name that is kept in a merged state was kept in every part of it, so its count is exact.
    """
    if len(counts) <= UNSEEN_VALUES:
        return counts
    kept = sorted(counts, key=lambda name: blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return {name: counts[name] for name in kept[:UNSEEN_VALUES]}


def smallest_hashes(first: Hashes, second: Hashes) -> Hashes:
    """Returns the HASHES smallest of two sorted sets of uint64."""
    if not len(first) or not len(second):
        return second if len(second) else first
    return np.union1d(first, second)[:HASHES]


def merge_examples(
    first: Mapping[ExampleReason, Examples], second: Mapping[ExampleReason, Examples]
) -> dict[ExampleReason, Examples]:
    """Returns the EXAMPLES events with the smallest hashes for each reason."""
    if not first or not second:
        return dict(first or second)
    merged = dict(first)
    for reason, entries in second.items():
        merged[reason] = tuple(sorted({*merged.get(reason, ()), *entries})[:EXAMPLES])
    return merged

"""The state of one online feature store group: how old its records were, and how many ids it did not have.

Ages are counted in bins that grow by a factor of 2**(1/4) from one second on, so that a quantile is right to 9 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

AGE_BINS = 122
AGE_EDGES: npt.NDArray[np.float64] = np.exp2(np.arange(AGE_BINS - 1) / 4)
"""Bin 0 holds ages up to 1 s, bin i ages up to AGE_EDGES[i], the last bin ages above 34 years."""


@dataclass(slots=True)
class StoreState:
    """What is known of one group.

    `events` counts those that looked the group up, `ages` (int64 of shape (AGE_BINS,)) those whose oldest record has a time,
    `oldest` and `newest` are their extreme ages in seconds. `missing_ids` counts ids that the store did not have,
    `events_with_missing` the events with at least one.
    """

    events: int = 0
    ages: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(AGE_BINS, np.int64))
    oldest: float = float("-inf")
    newest: float = float("inf")
    missing_ids: int = 0
    events_with_missing: int = 0

    def age_quantile(self, share: float) -> float | None:
        """Returns the age in seconds below which `share` of the events lie, interpolated; None without an age."""
        total = int(self.ages.sum())
        if not total:
            return None
        cumulated = np.cumsum(self.ages)
        index = int(np.searchsorted(cumulated, share * total))
        low = AGE_EDGES[index - 1] if index else 0.0
        high = AGE_EDGES[index] if index < len(AGE_EDGES) else self.oldest
        before = float(cumulated[index - 1]) if index else 0.0
        inside = (share * total - before) / max(1.0, float(self.ages[index]))
        return float(np.clip(low + (high - low) * inside, self.newest, self.oldest))


def count_ages(ages: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Returns the counts by bin of ages in seconds."""
    return np.bincount(np.searchsorted(AGE_EDGES, ages), minlength=AGE_BINS).astype(np.int64)


def merge_stores(first: StoreState, second: StoreState) -> StoreState:
    """Returns the state of both states' events."""
    return StoreState(
        first.events + second.events,
        first.ages + second.ages,
        max(first.oldest, second.oldest),
        min(first.newest, second.newest),
        first.missing_ids + second.missing_ids,
        first.events_with_missing + second.events_with_missing,
    )

"""The health of the online feature store groups that the window's events asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.result import StoreHealth

if TYPE_CHECKING:
    from monitoring.states.profile import SliceState


def store_health(window: SliceState, trained: SliceState) -> tuple[StoreHealth, ...]:
    """Returns the groups in the order of their names. Training data has no look-ups: its fields are None then."""
    found = []
    for group, state in sorted(window.stores.items()):
        before = trained.stores.get(group)
        found.append(
            StoreHealth(
                group=group,
                events=state.events,
                age_median=state.age_quantile(0.5),
                age_maximum=state.oldest if int(state.ages.sum()) else None,
                baseline_age_median=before.age_quantile(0.5) if before is not None else None,
                missing_ids=state.missing_ids,
                events_with_missing=state.events_with_missing,
                baseline_missing=before.events_with_missing / before.events
                if before is not None and before.events
                else None,
            )
        )
    return tuple(found)

"""Counts a window in the bins of a baseline, from kept states where they are valid and from the rows where not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING

from monitoring.states.plan import CountingPlan
from monitoring.states.profile import Profile, merge_profiles

if TYPE_CHECKING:
    from monitoring.baseline.baseline import Baseline
    from monitoring.engines.counting import Engine
    from monitoring.source.part import PartGroup, RowSource
    from monitoring.states.store import StateStore
    from monitoring.window import Window

HOURS_AT_ONCE = 24
"""Kept states that are in memory at once."""


@dataclass(frozen=True)
class CountedGroup:
    """A group of parts with its profile. `kept` says that the profile came from the store and no row was read."""

    group: PartGroup
    profile: Profile
    kept: bool


def count_groups(
    source: RowSource,
    window: Window | None,
    baseline: Baseline,
    engine: Engine,
    store: StateStore | None = None,
    progress: Callable[[PartGroup], None] = lambda group: None,
) -> Iterator[CountedGroup]:
    """Yields the profile of each group of the window, in order; of captured data a group is an hour.

    Whole hours are taken from `store` where their objects are still the same, else counted and kept there. An hour with an
    object that cannot be read is not kept.
    """
    plan = CountingPlan(baseline.id, baseline.binning, source.layout)
    if store is None:
        for group, profile in engine.count(source.groups(window), plan, progress):
            yield CountedGroup(group, profile, kept=False)
        return
    remaining = iter(source.groups(window))
    while groups := list(islice(remaining, HOURS_AT_ONCE)):
        states = [_kept(store, group) for group in groups]
        missing = [group for group, state in zip(groups, states, strict=True) if state is None]
        counted = engine.count(missing, plan, progress)
        for group, state in zip(groups, states, strict=True):
            if state is not None:
                progress(group)
                yield CountedGroup(group, state, kept=True)
                continue
            _, profile = next(counted)
            if group.hour is not None and _is_whole(group) and not profile.unreadable:
                store.put(group.endpoint, group.variant, group.hour, group.sizes, profile)
            yield CountedGroup(group, profile, kept=False)


def count_window(
    source: RowSource,
    window: Window | None,
    baseline: Baseline,
    engine: Engine,
    store: StateStore | None = None,
    progress: Callable[[PartGroup], None] = lambda group: None,
) -> Profile:
    """Returns the profile of a window; of all rows without one. Of an empty window the profile has no slice."""
    if store is None:
        return engine.total(source.groups(window), CountingPlan(baseline.id, baseline.binning, source.layout), progress)
    counted = count_groups(source, window, baseline, engine, store, progress)
    return reduce(merge_profiles, (entry.profile for entry in counted), Profile(baseline.id))


def _is_whole(group: PartGroup) -> bool:
    return group.start is None and group.end is None


def _kept(store: StateStore, group: PartGroup) -> Profile | None:
    if group.hour is None or not _is_whole(group):
        return None
    return store.get(group.endpoint, group.variant, group.hour, group.sizes)

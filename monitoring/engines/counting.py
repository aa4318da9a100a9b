"""Counts one part, and one group of parts without its duplicates: what every engine does on a worker.

An event may stand in two objects of an hour, when an object was synced twice. The usual case is that none does: parts are
counted on their own, and their row keys compared afterwards. Only a part that repeats a key is counted again, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from capture import dataset
from monitoring.errors import MonitoringError
from monitoring.source.part import UnreadablePart
from monitoring.states.kernel import Kernel
from monitoring.states.plan import CountingPlan
from monitoring.states.profile import Profile, merge_profiles

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from monitoring.source.part import OpenPart, Part, PartGroup

Hashes = npt.NDArray[np.uint64]

_NO_KEYS: Hashes = np.zeros(0, np.uint64)


class Engine(Protocol):
    """Counts groups of parts."""

    def count(
        self, groups: Iterable[PartGroup], plan: CountingPlan, progress: Callable[[PartGroup], None] = ...
    ) -> Iterator[tuple[PartGroup, Profile]]:
        """Yields the profile of each group, in order. `progress` is called for each group that is done."""

    def total(
        self, groups: Iterable[PartGroup], plan: CountingPlan, progress: Callable[[PartGroup], None] = ...
    ) -> Profile:
        """Returns the profile of all groups."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One part, counted. `keys` are the sorted keys of its rows; a part that cannot be read has only a note."""

    part: Part
    profile: Profile
    keys: Hashes


def plan_of_group(plan: CountingPlan, group: PartGroup) -> CountingPlan:
    """Returns the plan bounded by the group's window."""
    return replace(plan, start=_microseconds(group.start), end=_microseconds(group.end))


def count_part(
    part: Part, opened: OpenPart | MonitoringError, plan: CountingPlan, seen: Hashes | None = None
) -> Counted:
    """Returns the profile of one part; with `seen` without the rows whose keys are in it or repeat in the part.

    A part that cannot be read counts nothing: its profile has its name and the reason.
    """
    if isinstance(opened, MonitoringError):
        return Counted(part, _unreadable(part, plan, opened), _NO_KEYS if seen is None else seen)
    kernel = Kernel(plan, opened.facts, part.name, excluded=seen, exact=seen is not None)
    try:
        for batch in opened.batches():
            kernel.add(batch)
    except UnreadablePart as error:
        return Counted(part, _unreadable(part, plan, error), _NO_KEYS if seen is None else seen)
    profile = kernel.profile()
    profile.notes = (*profile.notes, *sorted(opened.notes))
    return Counted(part, profile, kernel.keys())


def fetch(part: Part) -> OpenPart | MonitoringError:
    """Returns the part with its bytes, or the error that says why it cannot be read."""
    try:
        return part.fetch()
    except UnreadablePart as error:
        return error


class GroupMerger:
    """Merges the parts of one group in order, each event and item once."""

    def __init__(self, plan: CountingPlan) -> None:
        self._plan = plan
        self.keys = _NO_KEYS
        """The sorted keys of all rows so far."""
        self.profile = Profile(plan.baseline_id)

    def add(self, counted: Counted) -> None:
        """Adds a part; counts it again where it repeats a row."""
        if len(counted.keys) and (repeats(counted.keys) or _common(self.keys, counted.keys)):
            counted = count_part(counted.part, fetch(counted.part), self._plan, self.keys)
            self.keys = counted.keys
        elif len(counted.keys):
            self.keys = _merged(self.keys, counted.keys)
        self.profile = merge_profiles(self.profile, counted.profile)


def _unreadable(part: Part, plan: CountingPlan, error: MonitoringError) -> Profile:
    return Profile(plan.baseline_id, unreadable=(part.name,), notes=(str(error),))


def repeats(keys: Hashes) -> bool:
    """Returns True if a key stands twice in sorted keys."""
    return bool((keys[1:] == keys[:-1]).any())


def _common(first: Hashes, second: Hashes) -> bool:
    """Returns True if two sorted arrays have a key in common."""
    if not len(first) or not len(second):
        return False
    place = np.minimum(np.searchsorted(first, second), len(first) - 1)
    return bool((first[place] == second).any())


def _merged(first: Hashes, second: Hashes) -> Hashes:
    if not len(first):
        return second
    merged = np.concatenate((first, second))
    merged.sort(kind="stable")
    return merged


def _microseconds(time: dt.datetime | None) -> int | None:
    return None if time is None else dataset.to_microseconds(time)

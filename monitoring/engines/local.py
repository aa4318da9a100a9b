"""Counts in threads of this process. Memory is bounded: a few parts are fetched ahead, and a part is read in batches.

Parts are fetched by threads of their own, so that a slow network and a busy processor do not wait for each other. Results are
merged in the order of the parts, so that the same data gives the same floats on any number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import reduce
from typing import TYPE_CHECKING

from monitoring.engines.counting import Counted, GroupMerger, count_part, fetch, plan_of_group
from monitoring.states.profile import Profile, merge_profiles

if TYPE_CHECKING:
    from monitoring.errors import MonitoringError
    from monitoring.source.part import OpenPart, Part, PartGroup
    from monitoring.states.plan import CountingPlan

FETCH_AHEAD = 4


def _ignore(group: PartGroup) -> None:
    """Reports nothing."""


class LocalEngine:
    """Threads on one machine: `threads` of them count, 0 for one a processor."""

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or len(os.sched_getaffinity(0))

    def count(
        self, groups: Iterable[PartGroup], plan: CountingPlan, progress: Callable[[PartGroup], None] = _ignore
    ) -> Iterator[tuple[PartGroup, Profile]]:
        """Yields the profile of each group, in order."""
        with (
            ThreadPoolExecutor(FETCH_AHEAD, thread_name_prefix="monitoring-fetch") as fetchers,
            ThreadPoolExecutor(self.threads, thread_name_prefix="monitoring-count") as counters,
        ):
            pending: deque[tuple[PartGroup, CountingPlan, int, Future[Counted]]] = deque()
            jobs = self._jobs(groups, plan, fetchers, counters)
            ahead = FETCH_AHEAD + self.threads
            merger: GroupMerger | None = None
            try:
                for job in jobs:
                    pending.append(job)
                    if len(pending) < ahead:
                        continue
                    merger, done = _merge(merger, pending.popleft())
                    if done:
                        progress(done[0])
                        yield done
                while pending:
                    merger, done = _merge(merger, pending.popleft())
                    if done:
                        progress(done[0])
                        yield done
            finally:
                for *_, future in pending:
                    future.cancel()

    def total(
        self, groups: Iterable[PartGroup], plan: CountingPlan, progress: Callable[[PartGroup], None] = _ignore
    ) -> Profile:
        """Returns the profile of all groups, merged in their order."""
        profiles = (profile for _, profile in self.count(groups, plan, progress))
        return reduce(merge_profiles, profiles, Profile(plan.baseline_id))

    def _jobs(
        self,
        groups: Iterable[PartGroup],
        plan: CountingPlan,
        fetchers: ThreadPoolExecutor,
        counters: ThreadPoolExecutor,
    ) -> Iterator[tuple[PartGroup, CountingPlan, int, Future[Counted]]]:
        """Yields each part's work once it has begun, with the number of parts of its group that follow."""
        for group in groups:
            bounded = plan_of_group(plan, group)
            for number, part in enumerate(group.parts, 1):
                fetched = fetchers.submit(fetch, part)
                work = counters.submit(_count, part, fetched, bounded)
                yield group, bounded, len(group.parts) - number, work


def _count(part: Part, fetched: Future[OpenPart | MonitoringError], plan: CountingPlan) -> Counted:
    return count_part(part, fetched.result(), plan)


def _merge(
    merger: GroupMerger | None, job: tuple[PartGroup, CountingPlan, int, Future[Counted]]
) -> tuple[GroupMerger | None, tuple[PartGroup, Profile] | None]:
    """Adds a part to its group's merger. Returns the group with its profile when the part was its last."""
    group, plan, left, future = job
    merger = merger or GroupMerger(plan)
    merger.add(future.result())
    return (merger, None) if left else (None, (group, merger.profile))

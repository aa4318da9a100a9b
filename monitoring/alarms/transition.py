"""State and observation to the next state and its changes: a pure function, so that histories can be tried at random.

A window is *late* where a newer window of the same monitor and model version was applied before. A late window that shows a
cause outside any known episode becomes an episode that is already over: it is reported and opens no page.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from msgspec.structs import replace

from monitoring.alarms.message import Change, Page
from monitoring.alarms.observation import Observation
from monitoring.alarms.policy import Policy, grade_rank, urgency_rank
from monitoring.alarms.state import KEPT_WINDOWS, CauseState, Phase, SubjectState, incident_key, slot
from monitoring.result import Cause, Urgency

KEPT_MONTHS = 14


@dataclass(frozen=True, slots=True)
class Changed:
    """A cause whose change a person should hear of."""

    change: Change
    state: CauseState


def observe(state: SubjectState, seen: Observation, policy: Policy) -> tuple[SubjectState, list[Changed]]:
    """Returns the state after the window of `seen`, and what changed, the most urgent first.

    The revision rises by one where something changed. A window that was applied before returns the state as it is.
    """
    known = state.windows.get(seen.lane, ())
    if seen.window in known or _is_forgotten(seen, known):
        return state, []
    step = _WindowStep(state, seen, policy)
    step.apply()
    lane_end = max(seen.end, state.latest.get(seen.lane, seen.end))
    after = replace(
        state,
        revision=state.revision + bool(step.changes),
        causes=step.causes,
        episodes=step.episodes,
        pages=step.pages,
        windows={**state.windows, seen.lane: (*known, seen.window)[-KEPT_WINDOWS:]},
        latest={**state.latest, seen.lane: lane_end},
    )
    return after, sorted(step.changes, key=_order)


def _is_forgotten(seen: Observation, known: tuple[str, ...]) -> bool:
    """Returns whether a window is older than all that are remembered, so that it may have been applied before."""
    return len(known) >= KEPT_WINDOWS and seen.window < min(known)


def supersede(state: SubjectState, serving: str, end: dt.datetime) -> tuple[SubjectState, list[Changed]]:
    """Closes the episodes of all model versions but `serving`, the only version of a window that ended at `end`.

    Does nothing where a newer window of another version was applied: the window is late. Causes
    without a model version (no data, heartbeat) stay as they are.
    """
    others = [last for lane, last in state.latest.items() if lane.rpartition("|")[2] not in ("", serving)]
    if any(last > end for last in others):
        return state, []
    changes = []
    causes = dict(state.causes)
    for name, held in state.causes.items():
        if held.version not in (None, serving) and held.phase is not Phase.OK:
            causes[name] = replace(held, phase=Phase.OK, streak=0)
            if held.is_open and held.urgency is not Urgency.NOTE:
                changes.append(Changed(Change.SUPERSEDED, causes[name]))
    return replace(state, revision=state.revision + bool(changes), causes=causes), sorted(changes, key=_order)


class _WindowStep:
    """One application of a window: copies of what changes, and the changes."""

    def __init__(self, state: SubjectState, seen: Observation, policy: Policy) -> None:
        self.causes = dict(state.causes)
        self.episodes = dict(state.episodes)
        self.pages = {month: dict(state.pages[month]) for month in sorted(state.pages)[-KEPT_MONTHS:]}
        self.changes: list[Changed] = []
        self._seen = seen
        self._policy = policy
        self._late = seen.end < state.latest.get(seen.lane, seen.end)

    def apply(self) -> None:
        gravest_first = sorted(self._seen.causes, key=lambda cause: (-grade_rank(cause.grade), cause.key))
        present = {slot(self._seen.model_version, cause.key): cause for cause in gravest_first}
        for name, cause in present.items():
            held = self.causes.get(name)
            if self._late:
                self._show_late(name, held, cause)
            else:
                self._show(name, held, cause)
        if self._late:
            return
        for name, held in list(self.causes.items()):
            if name not in present and held.monitor == self._seen.monitor and held.version == self._seen.model_version:
                self._miss(name, held)

    def _show(self, name: str, held: CauseState | None, cause: Cause) -> None:
        """The window shows the cause."""
        seen = self._seen
        if held is not None and held.phase is Phase.OK and held.episode and seen.start < held.seen:
            return  # the window holds a part of the last episode, and cannot show that the cause came back
        if held is None or held.phase is Phase.OK:
            held = CauseState(cause, seen.monitor, seen.model_version, Phase.SUSPECTED, seen.start, seen.end, seen.end)
        held = replace(held, cause=cause, seen=max(held.seen, seen.end), last=max(held.last, seen.end))
        if held.phase is Phase.SUSPECTED:
            held = replace(held, streak=held.streak + 1)
            self.causes[name] = self._open(held) if held.streak >= self._policy.confirm else held
            return
        self.causes[name] = self._continue(replace(held, phase=Phase.OPEN))

    def _open(self, held: CauseState) -> CauseState:
        urgency = self._policy.urgency_of(held.cause)
        episode = self.episodes.get(held.cause.key, 0) + 1
        self.episodes[held.cause.key] = episode
        held = replace(
            held, phase=Phase.OPEN, episode=episode, grade=held.cause.grade, urgency=urgency, reminded=self._seen.end
        )
        if urgency is Urgency.PAGE:
            held = self._page(held)
        self._change(Change.NEW, held)
        return held

    def _continue(self, held: CauseState) -> CauseState:
        """The cause lasts: it may be worse, and a message repeats once a day."""
        urgency = max(held.urgency, self._policy.urgency_of(held.cause), key=urgency_rank)
        larger = grade_rank(held.cause.grade) > grade_rank(held.grade)
        more_urgent = urgency_rank(urgency) > urgency_rank(held.urgency)
        grade = max(held.grade, held.cause.grade, key=grade_rank)
        held = replace(held, grade=grade, urgency=urgency)
        if larger or more_urgent:
            if urgency is Urgency.PAGE:
                held = self._page(held)
            held = replace(held, reminded=self._seen.end)
            self._change(Change.WORSE, held)
        elif urgency is Urgency.MESSAGE and self._reminder_is_due(held):
            held = replace(held, reminded=self._seen.end)
            self._change(Change.REMINDER, held)
        return held

    def _reminder_is_due(self, held: CauseState) -> bool:
        since = held.reminded or held.first
        return self._seen.end - since >= dt.timedelta(hours=self._policy.reminder_hours)

    def _miss(self, name: str, held: CauseState) -> None:
        """The window does not show the cause."""
        if held.phase is Phase.OK or not self._seen.judges(held.cause):
            return
        if held.phase is Phase.SUSPECTED:
            self.causes[name] = replace(held, phase=Phase.OK, streak=0, last=self._seen.end)
            return
        if held.phase is Phase.OPEN:
            held = replace(held, phase=Phase.RECOVERING, falls=held.falls + 1)
        held = replace(held, last=max(held.last, self._seen.end))
        if self._seen.end - held.seen >= self._policy.quiet(held.cause.kind):
            held = replace(held, phase=Phase.OK, streak=0)
            self._change(Change.RECOVERED, held)
        self.causes[name] = held

    def _show_late(self, name: str, held: CauseState | None, cause: Cause) -> None:
        seen = self._seen
        if held is not None and held.phase is not Phase.OK:
            self.causes[name] = replace(held, first=min(held.first, seen.start))
            return
        if held is not None and held.episode and held.first <= seen.start and seen.end <= held.last:
            return  # a part of the last episode
        if self._policy.confirm > 1:
            return  # one window alone does not open a cause
        urgency = self._policy.urgency_of(cause)
        episode = self.episodes.get(cause.key, 0) + 1
        self.episodes[cause.key] = episode
        over = CauseState(
            cause, seen.monitor, seen.model_version, Phase.OK, seen.start, seen.end, seen.end,
            episode=episode, grade=cause.grade, urgency=urgency,
        )  # fmt: skip
        self._change(Change.LATE, over)
        if held is None or held.last < seen.end:
            self.causes[name] = over
        else:
            self.causes[name] = replace(held, episode=episode)

    def _page(self, held: CauseState) -> CauseState:
        """Gives the cause a page of its own, or a place in the month's summary where the budget is used up."""
        month = f"{self._seen.created:%Y-%m}"
        counts = self.pages.setdefault(month, {})
        page = Page.OWN if sum(counts.values()) < self._policy.pages_per_month else Page.SUMMARY
        pages = held.pages + 1
        subject = (self._seen.endpoint, self._seen.variant)
        if page is Page.SUMMARY:
            return replace(held, page=page, pages=pages, page_key=incident_key(*subject, None, "over-budget", month))
        source = str(held.cause.kind)
        counts[source] = counts.get(source, 0) + 1
        number = str(held.episode) if pages == 1 else f"{held.episode}.{pages}"
        key = incident_key(*subject, held.version, held.cause.key, number)
        return replace(held, page=page, pages=pages, page_key=key)

    def _change(self, change: Change, held: CauseState) -> None:
        if held.urgency is not Urgency.NOTE:
            self.changes.append(Changed(change, held))


def _order(changed: Changed) -> tuple[int, int, str]:
    return -urgency_rank(changed.state.urgency), -grade_rank(changed.state.grade), changed.state.cause.key

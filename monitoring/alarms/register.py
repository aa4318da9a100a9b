"""Reads, changes and writes the state of causes, and publishes the messages that wait in it.

The state and its new message are one conditional write. A writer that loses the race reads again and applies its window to
the newer state. Publishing comes after the write: a message is removed from the state only after the publisher returned, so
every message is published at least once. `flush` publishes what a crashed run left behind.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from monitoring.alarms.composer import Context, compose, context_of, context_of_observation, context_of_quality
from monitoring.alarms.message import RunMessage
from monitoring.alarms.observation import Observation, alive, heartbeat, of_quality, of_run
from monitoring.alarms.policy import Policy
from monitoring.alarms.state import SubjectState, decode, encode, state_key
from monitoring.alarms.transition import Changed, observe, supersede
from monitoring.errors import MonitoringError
from monitoring.quality.result import QualityResult
from monitoring.result import Cause, CauseKind, Grade, RunResult, Urgency
from monitoring.storage import Conflict, MissingKey, Storage

MAX_ATTEMPTS = 100
"""Conditional writes that are tried before a state counts as contended beyond reason."""

MAX_SKEW = dt.timedelta(hours=1)
"""By how much clocks of two monitors may differ."""

Step = Callable[[SubjectState], SubjectState]


class MessagePublisher(Protocol):
    """Takes a message to its subscribers. Raises MonitoringError where the message may not have arrived."""

    def publish(self, message: RunMessage) -> None:
        """Publishes one message, perhaps a second time."""


class AlarmRegister:
    """The state of the causes of all endpoint variants in one storage."""

    def __init__(
        self,
        storage: Storage,
        policy: Policy,
        publisher: MessagePublisher | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._storage = storage
        self._policy = policy
        self._publisher = publisher
        self._new_id = new_id

    def record(self, result: RunResult, report: str = "", trend: str = "", retraining: str = "") -> SubjectState:
        """Applies a run over captured data, publishes its message, and returns the state."""
        return self.apply(of_run(result), context_of(result, report, trend, retraining))

    def record_quality(self, result: QualityResult, report: str = "", trend: str = "") -> SubjectState:
        """Applies a run of model quality, publishes its message, and returns the state."""
        return self.apply(of_quality(result), context_of_quality(result, report, trend))

    def announce(self, context: Context) -> SubjectState:
        """Publishes a message about something else than a cause, such as a retraining that started; returns the state."""

        def step(state: SubjectState) -> SubjectState:
            after = replace(state, revision=state.revision + 1)
            return replace(after, outbox=(*after.outbox, compose(after, [], context, self._policy)))

        self._update(context.subject.endpoint, context.subject.variant, step)
        return self.flush(context.subject.endpoint, context.subject.variant)

    def apply(self, seen: Observation, context: Context | None = None, *, proves_life: bool = True) -> SubjectState:
        """Applies one window of any monitor, publishes its message, and returns the state.

        Unless `proves_life` is false, the window also proves that the monitor runs, which closes its heartbeat cause.
        """
        context = context_of_observation(seen) if context is None else context

        def step(state: SubjectState) -> SubjectState:
            after, changes = observe(state, seen, self._policy)
            if not proves_life:
                return self._with_message(after, changes, context)
            after, revived = observe(after, alive(seen), self._policy)
            runs = {**after.runs, seen.monitor: _last_run(after.runs.get(seen.monitor), seen.created)}
            return self._with_message(replace(after, runs=runs), changes + revived, context)

        self._update(seen.endpoint, seen.variant, step)
        return self.flush(seen.endpoint, seen.variant)

    def supersede(self, seen: Context, serving: str) -> SubjectState:
        """Closes the episodes of the model versions that no longer serve, and publishes the message."""

        def step(state: SubjectState) -> SubjectState:
            after, changes = supersede(state, serving, seen.end)
            return self._with_message(after, changes, seen)

        self._update(seen.subject.endpoint, seen.subject.variant, step)
        return self.flush(seen.subject.endpoint, seen.subject.variant)

    def check_heartbeats(self, endpoint: str, variant: str, now: dt.datetime) -> SubjectState:
        """Opens a cause for each monitor that did not run within the policy's time, and returns the state."""
        for monitor, last in sorted(self.state(endpoint, variant).runs.items()):
            limit = self._policy.heartbeat(monitor)
            if limit is None or now - last < limit:
                continue
            seen = heartbeat(endpoint, variant, monitor, now, (_silent(monitor, last, now),))
            verdict = f"The monitor {monitor} did not run since {last:%b %-d %H:%M} UTC."
            context = context_of_observation(seen, verdict=verdict)

            def step(state: SubjectState, seen: Observation = seen, context: Context = context) -> SubjectState:
                after, changes = observe(state, seen, self._policy)
                return self._with_message(after, changes, context)

            self._update(endpoint, variant, step)
        return self.flush(endpoint, variant)

    def state(self, endpoint: str, variant: str) -> SubjectState:
        """Returns the present state, an empty one where there is none."""
        return self._load(endpoint, variant)[0]

    def flush(self, endpoint: str, variant: str) -> SubjectState:
        """Publishes the messages that wait, oldest first, and returns the state. Does nothing without a publisher."""
        state = self.state(endpoint, variant)
        if self._publisher is None:
            return state
        for message in state.outbox:
            self._publisher.publish(message)
            state = self._update(endpoint, variant, lambda held, sent=message.id: _without(held, sent))  # type: ignore[misc]
        return state

    def _with_message(self, state: SubjectState, changes: list[Changed], context: Context) -> SubjectState:
        if not changes:
            return state
        message = compose(state, changes, context, self._policy)
        return replace(state, outbox=(*state.outbox, message))

    def _load(self, endpoint: str, variant: str) -> tuple[SubjectState, str | None]:
        key = state_key(endpoint, variant)
        try:
            stored = self._storage.get(key)
        except MissingKey:
            return SubjectState(endpoint, variant), None
        return decode(stored.body, f"{self._storage.uri}/{key}"), stored.tag

    def _update(self, endpoint: str, variant: str, step: Step) -> SubjectState:
        key = state_key(endpoint, variant)
        for _ in range(MAX_ATTEMPTS):
            state, tag = self._load(endpoint, variant)
            after = step(state)
            if after == state:
                return state
            after = replace(after, writer=self._new_id())
            try:
                if tag is None:
                    self._storage.create(key, encode(after))
                else:
                    self._storage.replace(key, encode(after), tag)
            except Conflict:
                continue
            return after
        raise MonitoringError(
            f"{self._storage.uri}/{key} changed {MAX_ATTEMPTS} times while this run tried to write it"
        )


def _last_run(known: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    """Returns the later of two runs. One far in the future came from a clock that had jumped, and hides no silence."""
    return now if known is None or known - now > MAX_SKEW else max(known, now)


def _without(state: SubjectState, sent: str) -> SubjectState:
    return replace(state, outbox=tuple(message for message in state.outbox if message.id != sent))


def _silent(monitor: str, last: dt.datetime, now: dt.datetime) -> Cause:
    hours = (now - last).total_seconds() / 3600
    return Cause(
        key=f"heartbeat:{monitor}",
        kind=CauseKind.HEARTBEAT,
        grade=Grade.LARGE,
        urgency=Urgency.PAGE,
        title=f"The monitor {monitor} did not run for {hours:.0f} hours",
        sentence=f"The last run ended {last:%b %-d %H:%M} UTC, {hours:.1f} hours ago. What happened since is not judged.",
        since=f"{last:%b %-d %H:%M} UTC",
        tonight="Look at the log of the last job and at the schedule. Start one run by hand with --catch-up.",
        tomorrow="Find out why the schedule stopped.",
    )

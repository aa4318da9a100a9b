"""What happens after a run: metrics are published, alarms change, one message goes out, retraining starts.

    follow_up = FollowUp(settings)
    followed = follow_up.run(result, report="https://…/report.html")
    followed.problems        # what failed, one sentence each; none of it changes the run's verdict

With `alarms.topic` the message goes to SNS, and `monitoring notify` carries it on. Without a topic but with `[notify]`, this process
delivers it itself: the way of one machine. What could not be published waits in the alarm state for the next run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from monitoring.alarms.composer import Context, context_of, context_of_quality
from monitoring.alarms.register import AlarmRegister, Publisher
from monitoring.alarms.sns import TopicPublisher
from monitoring.errors import MonitoringError, UsageError
from monitoring.notify.settings import parse as parse_notify
from monitoring.notify.settings import policy
from monitoring.publish.destination import Name, publish
from monitoring.publish.destination import parse as parse_publish
from monitoring.result import RunResult
from monitoring.retraining.controller import Outcome, Retraining
from monitoring.retraining.settings import Rule
from monitoring.retraining.settings import parse as parse_retraining
from monitoring.retraining.starter import Starter
from monitoring.retraining.wiring import report as report_retraining
from monitoring.retraining.wiring import starter_of
from monitoring.storage import open_storage

if TYPE_CHECKING:
    from monitoring.alarms.message import RunMessage
    from monitoring.alarms.state import SubjectState
    from monitoring.notify.deliverer import Deliverer
    from monitoring.quality.result import QualityResult
    from monitoring.result import Subject
    from monitoring.settings import MonitorSettings

Manifest = str | Callable[[], str]


@dataclass
class Followed:
    """What came of a run: the alarm state, the retraining outcomes, and what failed."""

    state: SubjectState | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class FollowUp:
    """Follows up runs of one monitor. Raises UsageError where a table of monitor.toml is wrong.

    `publisher` takes messages instead of the topic, `starter` makes the starters of retraining rules, `now` is the clock.
    """

    def __init__(
        self,
        settings: MonitorSettings,
        *,
        to: Sequence[Name] = (),
        publisher: Publisher | None = None,
        starter: Callable[[Rule], Starter] | None = None,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._metrics = parse_publish(settings.publish)
        if to:
            self._metrics = msgspec.structs.replace(self._metrics, to=tuple(to))
        self._rules = parse_retraining(settings.retraining)
        self._now = now
        store = str(settings.alarms.get("store", settings.output))
        wanted = bool(settings.alarms or settings.notify or self._rules or publisher)
        if wanted and not store:
            raise UsageError("alarms need a place for their state: set alarms.store or output in monitor.toml")
        self._register: AlarmRegister | None = None
        if wanted:
            storage = open_storage(store)
            chosen = publisher or _publisher(settings, storage.uri)
            self._register = AlarmRegister(storage, policy(settings.alarms), chosen)
            folder = (
                Path(settings.output if settings.output and "://" not in settings.output else ".") / "retraining-runs"
            )
            self._retraining = Retraining(storage, self._rules, starter or starter_of(folder), now)

    def run(self, result: RunResult, report: str = "", trend: str = "", manifest: Manifest = "") -> Followed:
        """Follows up a run over captured data. `manifest` is the training set's, or a function that writes it."""
        followed = Followed(problems=publish(result, self._metrics))
        return self._alarms(followed, result.subject, lambda made: made.record(result, report, trend), manifest)

    def quality(self, result: QualityResult, report: str = "", trend: str = "", manifest: Manifest = "") -> Followed:
        """Follows up a run of model quality."""
        followed = Followed(problems=publish(result, self._metrics))
        return self._alarms(followed, result.subject, lambda made: made.record_quality(result, report, trend), manifest)

    def heartbeats(self, endpoint: str, variant: str) -> Followed:
        """Opens a cause for each monitor of a variant that did not run in time."""
        followed = Followed()
        if self._register is not None:
            register = self._register
            self._guarded(followed, lambda: register.check_heartbeats(endpoint, variant, self._now()))
        return followed

    def serves(self, result: RunResult | QualityResult, version: str) -> Followed:
        """Closes the episodes of every model version but `version`, the only one that serves now."""
        followed = Followed()
        if self._register is not None:
            register, context = self._register, _context(result)
            subject = msgspec.structs.replace(context.subject, model_version=version)
            self._guarded(followed, lambda: register.supersede(replace(context, subject=subject), version))
        return followed

    def _alarms(
        self, followed: Followed, subject: Subject, record: Callable[[AlarmRegister], SubjectState], manifest: Manifest
    ) -> Followed:
        register = self._register
        if register is None:
            return followed
        self._guarded(followed, lambda: record(register))
        state = register.state(subject.endpoint, subject.variant)
        followed.state = state
        if self._rules:
            try:
                followed.outcomes = self._retraining.consider(state, manifest)
                report_retraining(register, subject, followed.outcomes, self._now())
            except MonitoringError as error:
                followed.problems.append(f"retraining: {error}")
        return followed

    def _guarded(self, followed: Followed, call: Callable[[], SubjectState]) -> None:
        try:
            followed.state = call()
        except UsageError:
            raise
        except MonitoringError as error:
            followed.problems.append(f"alarms: {error}")


class DirectPublisher:
    """Delivers messages in this process, where no topic is between. What is not done stays in the alarm state."""

    def __init__(self, deliverer: Deliverer) -> None:
        self._deliverer = deliverer

    def publish(self, message: RunMessage) -> None:
        """Delivers one message."""
        self._deliverer.deliver(message)


def _context(result: RunResult | QualityResult) -> Context:
    return context_of(result) if isinstance(result, RunResult) else context_of_quality(result)


def _publisher(settings: MonitorSettings, store: str) -> Publisher | None:
    """Returns the topic's publisher, a direct one, or None where no one is to be notified."""
    topic = str(settings.alarms.get("topic", ""))
    if topic:
        return TopicPublisher(topic, open_storage(store))
    notify = parse_notify(settings.notify)
    if not notify.pagerduty and not notify.slack:
        return None
    from monitoring.notify.wiring import deliverer_of

    return DirectPublisher(deliverer_of(notify, store))

"""What follows a judged window: metrics, one message, retraining. Everything may happen twice and is counted once.

Metrics that cannot be published are logged and stop nothing. The alarms' state takes a window once, whoever brings it, so a
monitor that died in between is repeated without a second page.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.alarms.composer import context_of
from monitoring.alarms.register import AlarmRegister
from monitoring.alarms.sns import TopicPublisher
from monitoring.notify.settings import parse as parse_notify
from monitoring.notify.settings import policy
from monitoring.notify.wiring import deliverer_of
from monitoring.publish.destination import PublishSettings, publish
from monitoring.publish.destination import parse as parse_publish
from monitoring.retraining.controller import Retraining
from monitoring.retraining.settings import parse as parse_retraining
from monitoring.retraining.wiring import report, starter_of
from monitoring.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.alarms.message import RunMessage
    from monitoring.alarms.register import MessagePublisher
    from monitoring.alarms.state import SubjectState
    from monitoring.notify.deliverer import Deliverer
    from monitoring.quality.result import QualityResult
    from monitoring.result import RunResult, Subject
    from monitoring.settings import MonitorSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DirectPublisher:
    """Hands a message to PagerDuty and Slack at once, where no topic lies between."""

    deliverer: Deliverer

    def publish(self, message: RunMessage) -> None:
        """Delivers the message."""
        self.deliverer.deliver(message)


class Acting:
    """Publishes, records and retrains after each judged window.

    `manifest` writes the manifest of the training set and returns its URI; it is called only where a retraining starts.
    """

    def __init__(
        self,
        register: AlarmRegister,
        metrics: PublishSettings,
        retraining: Retraining | None = None,
        manifest: str | Callable[[], str] = "",
        trend: str = "",
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._register = register
        self._metrics = metrics
        self._retraining = retraining
        self._manifest = manifest
        self._trend = trend
        self._now = now

    def after(self, result: RunResult, page: str, *, alone: bool = True) -> None:
        """Acts on one result. `page` is the URI of its report; `alone` says that the window has one model version only."""
        for problem in publish(result, self._metrics):
            _log.warning("metrics were not published: %s", problem)
        state = self._register.record(result, page, self._trend)
        version = result.subject.model_version
        if alone and version is not None and result.events:
            state = self._register.supersede(context_of(result, page, self._trend), version)
        self._retrain(state, result.subject)

    def after_quality(self, result: QualityResult, page: str = "") -> None:
        """Acts on one run of model quality. Only a final window opens or closes a cause of quality."""
        for problem in publish(result, self._metrics):
            _log.warning("metrics were not published: %s", problem)
        self._retrain(self._register.record_quality(result, page, self._trend), result.subject)

    def check_heartbeats(self, endpoint: str, variant: str) -> None:
        """Opens a cause for each monitor of a variant that did not run in time."""
        self._register.check_heartbeats(endpoint, variant, self._now())

    def _retrain(self, state: SubjectState, subject: Subject) -> None:
        if self._retraining is not None:
            outcomes = self._retraining.consider(state, self._manifest)
            report(self._register, subject, outcomes, self._now())


def acting(settings: MonitorSettings, manifest: str | Callable[[], str] = "") -> Acting:
    """Returns what a monitor's settings ask for. Raises UsageError where a table is wrong.

    `[alarms] topic` is the ARN of an SNS topic; without it, messages go straight to the destinations of `[notify]`, if there
    are any. `[alarms] store` is where the state is kept, by default the monitor's output.
    """
    storage = open_storage(str(settings.alarms.get("store") or settings.output))
    topic = str(settings.alarms.get("topic", ""))
    publisher: MessagePublisher | None = None
    if topic:
        publisher = TopicPublisher(topic, storage)
    elif settings.notify:
        publisher = DirectPublisher(deliverer_of(parse_notify({"state": storage.uri} | settings.notify)))
    rules = parse_retraining(settings.retraining)
    retraining = Retraining(storage, rules, starter_of(_local_folder(storage.uri))) if rules else None
    register = AlarmRegister(storage, policy(settings.alarms), publisher)
    return Acting(register, parse_publish(settings.publish), retraining, manifest)


def _local_folder(uri: str) -> Path:
    """Returns where local retraining commands write: below the storage, or the working directory where that is in S3."""
    root = Path(uri.removeprefix("file://")) if uri.startswith("file://") else Path.cwd()
    return root / "retraining-output"

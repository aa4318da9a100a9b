"""Random histories: runs, a queue that repeats and swaps, services that fail, and processes that are killed at any step.

A history ends with quiet windows and working services, so that everything that can be delivered is delivered.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from monitoring.alarms.composer import Context, context_of_observation
from monitoring.alarms.message import RunMessage, encode
from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.alarms.state import SubjectState
from monitoring.errors import MonitoringError
from monitoring.notify.channel import ChannelRefused, TryAgain
from monitoring.notify.consumer import Handled, handle
from monitoring.notify.deliverer import Deliverer
from monitoring.notify.secrets import Secrets
from monitoring.notify.settings import NotifySettings, PagerDuty, Route, Slack
from monitoring.result import CauseKind, Grade
from monitoring.storage import Listed, Storage, StorageError, Stored
from monitoring.storage.directory import DirectoryStorage
from tests.monitoring.alarms.examples import START, cause, window
from tests.monitoring.notify.services import PagerDutyAccount, SlackWorkspace

Answer = TypeVar("Answer")
KEYS = ("completeness:a", "data_type:b", "drift:c", "quality:d")
SETTINGS = NotifySettings(
    pagerduty={"oncall": PagerDuty("env:ONCALL"), "second": PagerDuty("env:SECOND")},
    slack={"alerts": Slack(webhook="env:HOOK"), "bot": Slack(token="env:TOKEN", channel="C1")},
    route=(
        Route(kind=("quality",), pagerduty="second", slack="bot"),  # type: ignore[arg-type]
        Route(pagerduty="oncall", slack="alerts"),
    ),
)
SECRETS = {"ONCALL": "a" * 32, "SECOND": "b" * 32, "HOOK": "https://hooks/secret", "TOKEN": "xoxb-secret"}


class Killed(BaseException):
    """The process is gone: nothing after this line of it runs."""


@dataclass
class Dice:
    """Decides what fails. `calm` switches every fault off."""

    random: random.Random
    calm: bool = False
    kills: int = 0
    webhook_expired: bool = False

    def chance(self, share: float) -> bool:
        return not self.calm and self.random.random() < share

    def step(self) -> None:
        """A step at which the process may be killed."""
        if self.chance(0.02):
            self.kills += 1
            raise Killed


@dataclass
class FaultyStorage:
    """A directory whose calls fail now and then, and around which processes die."""

    inner: Storage
    dice: Dice
    uri: str = "file:///history"

    def _around(self, call: Callable[..., Answer], *arguments: Any) -> Answer:
        self.dice.step()
        if self.dice.chance(0.01):
            raise StorageError("the storage is busy", retryable=True)
        answer = call(*arguments)
        self.dice.step()
        return answer

    def get(self, key: str) -> Stored:
        return self._around(self.inner.get, key)

    def put(self, key: str, body: bytes, content_type: str = "") -> str:
        return self._around(self.inner.put, key, body)

    def create(self, key: str, body: bytes, content_type: str = "") -> str:
        return self._around(self.inner.create, key, body)

    def replace(self, key: str, body: bytes, tag: str, content_type: str = "") -> str:
        return self._around(self.inner.replace, key, body, tag)

    def delete(self, key: str) -> None:
        self._around(self.inner.delete, key)

    def list(self, prefix: str = "") -> Any:
        return iter(list[Listed](self.inner.list(prefix)))


@dataclass
class FaultyServices:
    """PagerDuty and Slack behind a bad network: 429, 503, time-outs before and after the effect, an expired webhook."""

    dice: Dice
    account: PagerDutyAccount = field(default_factory=PagerDutyAccount)
    workspace: SlackWorkspace = field(default_factory=SlackWorkspace)
    lost_answers: int = 0

    def _around(self, call: Callable[..., Answer], *arguments: Any) -> Answer:
        self.dice.step()
        if self.dice.chance(0.05):
            raise TryAgain("429", maybe_sent=False, after=30)
        if self.dice.chance(0.05):
            raise TryAgain("503", maybe_sent=True, after=10)
        answer = call(*arguments)
        if self.dice.chance(0.05):
            self.lost_answers += 1
            raise TryAgain("time-out", maybe_sent=True, after=10)
        self.dice.step()
        return answer

    def trigger(self, *arguments: Any) -> None:
        self._around(self.account.trigger, *arguments)

    def resolve(self, *arguments: Any) -> None:
        self._around(self.account.resolve, *arguments)

    def post(self, target: Slack, *arguments: Any) -> tuple[str, str]:
        if self.dice.webhook_expired and target.webhook and not self.dice.calm:
            raise ChannelRefused("410: no_service")
        return self._around(self.workspace.post, target, *arguments)

    def update(self, *arguments: Any) -> None:
        self._around(self.workspace.update, *arguments)


@dataclass
class Queue:
    """Bodies that are delivered at least once, in any order."""

    dice: Dice
    bodies: list[tuple[str, int]] = field(default_factory=list)
    published: list[RunMessage] = field(default_factory=list)

    def publish(self, message: RunMessage) -> None:
        self.dice.step()
        body = encode(message).decode()
        self.published.append(message)
        self.bodies += [(body, 1)] * (2 if self.dice.chance(0.2) else 1)
        if self.dice.chance(0.05):
            raise MonitoringError("the topic did not answer")
        self.dice.step()


@dataclass
class History:
    """One history and what came of it."""

    seed: int
    folder: Path
    now: dt.datetime = START

    def __post_init__(self) -> None:
        self.dice = Dice(random.Random(self.seed))
        self.random = random.Random(self.seed + 1)
        self.services = FaultyServices(self.dice)
        self.queue = Queue(self.dice)
        self.storage = FaultyStorage(DirectoryStorage(self.folder), self.dice)
        self.policy = Policy(quiet_hours=2, pages_per_month=self.random.choice([2, 100]))
        self.names = 0

    def play(self) -> None:
        """Runs, consumes and fails at random; then everything works until nothing is left."""
        hours = self.random.randrange(3, 14)
        plan = [(hour, self._shown()) for hour in range(hours)]
        order = list(plan)
        for _ in range(self.random.randrange(3)):
            first, second = self.random.randrange(hours), self.random.randrange(hours)
            order[first], order[second] = order[second], order[first]
        order += self.random.choices(plan, k=self.random.randrange(3))
        expires = self.random.randrange(3 * hours) if self.random.random() < 0.2 else None
        for number, (hour, shown) in enumerate(order):
            self.dice.webhook_expired = expires is not None and expires <= number < expires + 3
            self._run(hour, shown)
            for _ in range(self.random.randrange(4)):
                self._consume()
        self.dice.calm = True
        for hour in range(hours, hours + 4):
            self._run(hour, {})
        for _ in range(10_000):
            if not self.queue.bodies:
                return
            self._consume()
        raise AssertionError("the queue does not drain")

    def _shown(self) -> dict[str, Grade]:
        keys = [key for key in KEYS if self.random.random() < 0.35]
        return {key: self.random.choice([Grade.SMALL, Grade.MEDIUM, Grade.LARGE]) for key in keys}

    def _run(self, hour: int, shown: dict[str, Grade]) -> None:
        """One run of the monitor; a killed one is started again over the same window."""
        causes = [
            replace(cause(key, grade), sentence=f"{key} was seen in hour {hour}.") for key, grade in shown.items()
        ]
        seen = window(hour, *causes, kinds=frozenset(CauseKind))
        context: Context = context_of_observation(seen, "model", f"Run over hour {hour}")
        while True:
            register = AlarmRegister(self.storage, self.policy, self.queue)
            try:
                register.apply(seen, context)
                return
            except (Killed, MonitoringError):
                continue

    def _consume(self) -> None:
        if not self.queue.bodies:
            return
        index = self.random.randrange(len(self.queue.bodies))
        body, receives = self.queue.bodies[index]
        self.now += dt.timedelta(seconds=self.random.choice([1, 10, 100, 400]))
        self.names += 1
        deliverer = Deliverer(
            self.storage,
            SETTINGS,
            Secrets(SECRETS),
            self.services,
            self.services,
            lambda: self.now,
            f"holder-{self.names}",
        )
        try:
            verdict = handle(body, "id", receives, deliverer, False)
        except Killed:
            return
        assert verdict.handled in (Handled.DELIVERED, Handled.LATER)
        if verdict.after is None:
            del self.queue.bodies[index]

    # What came of it.

    def state(self) -> SubjectState:
        return AlarmRegister(DirectoryStorage(self.folder), self.policy).state("flights", "AllTraffic")

    def heard_text(self) -> str:
        posts = [posted.everything() for posted in self.services.workspace.posts]
        incidents = [str(entry.event) for entry in self.services.account.incidents]
        return "\n".join([*posts, *incidents])


def unmarked_posts(history: History) -> Counter[str]:
    """How often each run's message was posted without the mark of a repeat."""
    firsts = [posted.text.partition(" flights /")[0] for posted in history.services.workspace.posts]
    return Counter(line for line in firsts if line.startswith("Run over"))


def episodes(history: History) -> dict[tuple[str, int], set[str]]:
    """The sentences that the published messages hold about each episode."""
    found: dict[tuple[str, int], set[str]] = {}
    for message in history.queue.published:
        for item in message.items:
            found.setdefault((item.key, item.episode), set()).add(item.sentence)
    return found

"""What a history of runs would have sent: the same state machine and the same plan, with services that only note down.

A history is a storage with `result.json` and `quality.json` of runs below it, in any folders. They are applied in the order in
which the runs ended.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from monitoring.alarms.message import RunMessage
from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.errors import MonitoringError, UsageError
from monitoring.notify.deliverer import Deliverer
from monitoring.notify.secrets import Secrets
from monitoring.notify.settings import NotifySettings, PagerDuty, Slack
from monitoring.quality.result import QualityResult
from monitoring.quality.result import decode as decode_quality
from monitoring.result import RunResult, decode
from monitoring.storage import Storage
from monitoring.storage.directory import DirectoryStorage

Result = RunResult | QualityResult
DECODERS: dict[str, Callable[[bytes], Result]] = {"result.json": decode, "quality.json": decode_quality}
_NAMED = "env:DRY_RUN"


@dataclass(frozen=True, slots=True)
class Sent:
    """One thing that would have been sent: at the end of which window, to what, and its first line."""

    at: dt.datetime
    kind: str
    line: str


@dataclass
class Rehearsal:
    """What would have been sent, in order, and how many runs there were."""

    runs: int = 0
    sent: list[Sent] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """Returns the number of things by kind."""
        return Counter(entry.kind for entry in self.sent)


def history(storage: Storage) -> list[Result]:
    """Returns the results below a storage, by the time their runs ended. Raises MonitoringError for a file that is not one."""
    found: list[Result] = []
    for entry in storage.list():
        decoder = DECODERS.get(entry.key.rpartition("/")[2])
        if decoder is not None:
            try:
                found.append(decoder(storage.get(entry.key).body))
            except msgspec.DecodeError as error:
                raise MonitoringError(f"{storage.uri}/{entry.key} is not the result of a run: {error}") from None
    if not found:
        raise UsageError(f"{storage.uri} holds no {' or '.join(DECODERS)}: give the output of earlier runs")
    return sorted(found, key=lambda result: (result.created, result.end))


def rehearse(results: list[Result], policy: Policy, settings: NotifySettings) -> Rehearsal:
    """Returns what these runs would have sent under this policy and these routes. Nothing is sent."""
    rehearsal = Rehearsal(runs=len(results))
    with tempfile.TemporaryDirectory(prefix="dry-run-") as folder:
        services = _Notes(rehearsal)
        deliverer = Deliverer(
            DirectoryStorage(folder), _without_secrets(settings), Secrets({"DRY_RUN": "dry-run"}), services, services
        )
        register = AlarmRegister(DirectoryStorage(folder), policy, _Direct(deliverer, services))
        for result in results:
            if isinstance(result, RunResult):
                register.record(result)
            else:
                register.record_quality(result)
    return rehearsal


def lines(rehearsal: Rehearsal) -> Iterator[str]:
    """Yields the text of a rehearsal: one line for each thing, then the sums."""
    for entry in rehearsal.sent:
        yield f"{entry.at:%Y-%m-%d %H:%M}  {entry.kind:<8}  {entry.line}"
    counts = rehearsal.counts()
    listed = ", ".join(f"{counts[kind]} {kind}" for kind in ("page", "resolve", "slack", "update") if counts[kind])
    yield f"{rehearsal.runs} runs: {listed or 'nothing would have been sent'}"


class _Direct:
    """Takes a message from the register to the deliverer without a queue."""

    def __init__(self, deliverer: Deliverer, services: _Notes) -> None:
        self._deliverer = deliverer
        self._services = services

    def publish(self, message: RunMessage) -> None:
        self._services.at = message.end
        self._deliverer.deliver(message)


class _Notes:
    """Services that note down what they are asked to do."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        self.at = dt.datetime.min.replace(tzinfo=dt.UTC)

    def trigger(self, base_url: str, routing_key: str, incident: str, event: dict[str, Any]) -> None:
        self._note("page", event["payload"]["summary"])

    def resolve(self, base_url: str, routing_key: str, incident: str) -> None:
        self._note("resolve", incident)

    def post(self, target: Slack, secret: str, text: str, blocks: tuple[dict[str, Any], ...]) -> tuple[str, str]:
        self._note("slack", text)
        return ("dry-run", "1") if target.token else ("", "")

    def update(
        self, target: Slack, secret: str, channel: str, ts: str, text: str, blocks: tuple[dict[str, Any], ...]
    ) -> None:
        self._note("update", text)

    def _note(self, kind: str, line: str) -> None:
        self._rehearsal.sent.append(Sent(self.at, kind, line.partition("\n")[0]))


def _without_secrets(settings: NotifySettings) -> NotifySettings:
    """Returns the settings with every secret replaced, one destination of each service where there is none."""
    return msgspec.structs.replace(
        settings,
        pagerduty={name: PagerDuty(_NAMED) for name in settings.pagerduty or ("pagerduty",)},
        slack={
            name: Slack(webhook=_NAMED) if not target.token else Slack(token=_NAMED, channel="dry-run")
            for name, target in (settings.slack or {"slack": Slack(webhook=_NAMED)}).items()
        },
    )

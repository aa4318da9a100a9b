"""The tables `[notify]` of monitor.toml: destinations, and routes from causes to them.

    [notify]
    state = "s3://bucket/monitor"                 # where deliveries are recorded
    queue = "https://sqs…"
    foreign = "slack"                             # foreign messages: "slack" or "count"

    [notify.pagerduty.oncall]
    routing_key = "env:PAGERDUTY_ROUTING_KEY"     # or a Secrets Manager ARN, with #key for a JSON secret
    former_routing_keys = []                      # keys that still have open incidents

    [notify.slack.ml-alerts]
    webhook = "env:SLACK_WEBHOOK"                 # or: token = "env:SLACK_TOKEN", channel = "C0123456789"

    [[notify.route]]                              # the first that matches wins
    endpoint = "flights*"
    kind = ["quality", "concept"]
    at_least = "medium"
    pagerduty = "oncall"
    slack = "ml-alerts"

Without routes, the only destination of each service gets everything.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from monitoring.alarms.message import Item, RunMessage
from monitoring.alarms.policy import Policy, grade_rank, urgency_rank
from monitoring.errors import UsageError
from monitoring.notify.secrets import check_reference
from monitoring.result import CauseKind, Grade
from monitoring.settings import load_settings


class PagerDuty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A PagerDuty service: references to its routing key and to former ones. `base_url` is for the EU region or a test."""

    routing_key: str
    former_routing_keys: tuple[str, ...] = ()
    base_url: str = "https://events.pagerduty.com"

    def __post_init__(self) -> None:
        for reference in (self.routing_key, *self.former_routing_keys):
            check_reference(reference, "notify.pagerduty.routing_key")


class Slack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Slack channel: a webhook, or a bot token and the channel's id."""

    webhook: str = ""
    token: str = ""
    channel: str = ""
    base_url: str = "https://slack.com/api/"

    def __post_init__(self) -> None:
        if bool(self.webhook) == bool(self.token):
            raise UsageError("notify.slack needs either webhook or token")
        if bool(self.token) != bool(self.channel):
            raise UsageError("notify.slack needs token and channel together")
        check_reference(self.webhook or self.token, "notify.slack")


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which causes go where. Globs are matched with case. An empty destination sends nothing there."""

    endpoint: str = "*"
    variant: str = "*"
    cause: str = "*"
    kind: tuple[CauseKind, ...] = ()
    at_least: Grade = Grade.NONE
    pagerduty: str = ""
    slack: str = ""

    def matches(self, message: RunMessage, item: Item) -> bool:
        """Returns whether the route applies to an item of a message."""
        return (
            fnmatchcase(message.subject.endpoint, self.endpoint)
            and fnmatchcase(message.subject.variant, self.variant)
            and fnmatchcase(item.key, self.cause)
            and (not self.kind or item.kind in self.kind)
            and grade_rank(item.grade) >= grade_rank(self.at_least)
        )


class NotifySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that `monitoring notify` needs."""

    state: str = ""
    queue: str = ""
    foreign: Literal["slack", "count"] = "slack"
    pagerduty: dict[str, PagerDuty] = {}
    slack: dict[str, Slack] = {}
    route: tuple[Route, ...] = ()

    def __post_init__(self) -> None:
        for route in self.route:
            for kind, name, known in (
                ("pagerduty", route.pagerduty, self.pagerduty),
                ("slack", route.slack, self.slack),
            ):
                if name and name not in known:
                    raise UsageError(
                        f"notify.route names {kind} {name!r}: give one of {', '.join(sorted(known)) or 'none defined'}"
                    )

    def routes(self) -> tuple[Route, ...]:
        """Returns the routes, one to the only destinations where none is written."""
        if self.route:
            return self.route
        return (Route(pagerduty=_only(self.pagerduty, "pagerduty"), slack=_only(self.slack, "slack")),)

    def pagerduty_for(self, message: RunMessage, item: Item) -> str:
        """Returns the name of the PagerDuty service for an item, empty for none."""
        return next((route.pagerduty for route in self.routes() if route.matches(message, item)), "")

    def slack_for(self, message: RunMessage, items: list[Item]) -> str:
        """Returns the name of the Slack channel for a message: its most urgent item decides. Empty for none."""
        ordered = sorted(items, key=lambda item: (-urgency_rank(item.urgency), -grade_rank(item.grade)))
        found = (route.slack for item in ordered for route in self.routes() if route.matches(message, item))
        return next((name for name in found if name), "")


def _only(known: dict[str, Any], kind: str) -> str:
    if len(known) > 1:
        raise UsageError(
            f"notify has {len(known)} {kind} destinations and no [[notify.route]]: write which cause goes where"
        )
    return next(iter(known), "")


def load(path: str | Path) -> tuple[NotifySettings, Policy]:
    """Returns the tables `[notify]` and `[alarms]` of a monitor.toml. Raises UsageError where a key is wrong."""
    described = load_settings(path)
    return parse(described.notify, str(path)), policy(described.alarms, str(path))


def parse(table: dict[str, Any], where: str = "monitor.toml") -> NotifySettings:
    """Returns the settings in the table `[notify]`."""
    try:
        return msgspec.convert(table, NotifySettings)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}, [notify]: {error}") from None


NOT_POLICY = frozenset({"store", "topic"})
"""Keys of `[alarms]` that locate state and messages; the command that publishes reads them."""


def policy(table: dict[str, Any], where: str = "monitor.toml") -> Policy:
    """Returns the policy in the table `[alarms]`."""
    try:
        return msgspec.convert({key: value for key, value in table.items() if key not in NOT_POLICY}, Policy)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}, [alarms]: {error}") from None

"""PagerDuty and Slack as their documents describe them: what opens, updates and closes an incident, what a post returns.

The same classes stand behind the HTTPS servers of `https_servers` and, in process, behind the random histories.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from monitoring.notify.settings import Slack


@dataclass
class Incident:
    key: str
    routing_key: str
    event: dict[str, Any]
    is_open: bool = True
    updates: int = 0


@dataclass
class PagerDutyAccount:
    """Incidents by routing key and key. A trigger after a resolve opens another incident and pages again."""

    incidents: list[Incident] = field(default_factory=list)
    ignored: int = 0

    def trigger(self, base_url: str, routing_key: str, incident: str, event: dict[str, Any]) -> None:
        held = self.open_incident(routing_key, incident)
        if held is None:
            self.incidents.append(Incident(incident, routing_key, event))
        else:
            held.updates += 1
            held.event = event

    def resolve(self, base_url: str, routing_key: str, incident: str) -> None:
        held = self.open_incident(routing_key, incident)
        if held is None:
            self.ignored += 1
        else:
            held.is_open = False

    def open_incident(self, routing_key: str, key: str) -> Incident | None:
        found = (
            entry
            for entry in self.incidents
            if (entry.routing_key, entry.key, entry.is_open) == (routing_key, key, True)
        )
        return next(found, None)

    def still_open(self) -> list[str]:
        return [entry.key for entry in self.incidents if entry.is_open]

    def pages(self) -> Counter[str]:
        return Counter(entry.key for entry in self.incidents)


@dataclass
class Posted:
    text: str
    blocks: list[dict[str, Any]]
    ts: str
    updates: int = 0
    before: str = ""

    def everything(self) -> str:
        parts = [self.text]
        for block in self.blocks:
            parts += [block["text"]["text"]] if "text" in block else []
            parts += [entry["text"] for entry in block.get("elements", ()) if isinstance(entry.get("text"), str)]
        return "\n".join([self.before, *parts])


@dataclass
class SlackWorkspace:
    """Posts in order. A webhook returns no `ts`."""

    posts: list[Posted] = field(default_factory=list)
    _clock: Any = field(default_factory=lambda: itertools.count(1))

    def post(self, target: Slack, secret: str, text: str, blocks: Any) -> tuple[str, str]:
        posted = Posted(text, list(blocks), f"{next(self._clock)}.000")
        self.posts.append(posted)
        return ("C1", posted.ts) if target.token else ("", "")

    def update(self, target: Slack, secret: str, channel: str, ts: str, text: str, blocks: Any) -> None:
        [posted] = [entry for entry in self.posts if entry.ts == ts]
        posted.before = posted.everything()
        posted.text, posted.blocks, posted.updates = text, list(blocks), posted.updates + 1

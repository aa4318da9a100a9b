"""Record and message to the effects that are missing: a pure function.

Messages may come twice, late, or in any order. `revision` orders the messages of a variant, and each message lists all open
causes. So the newest message decides what is open; an older one can only add causes that people have not heard of.
"""

from __future__ import annotations

from msgspec.structs import replace

from monitoring.alarms.message import Change, Item, Page, RunMessage
from monitoring.notify.incident_text import event_of, summary_event
from monitoring.notify.record import (
    KEPT_INCIDENTS,
    KEPT_POSTS,
    MAX_MISSED,
    DeliveryRecord,
    Effect,
    Heard,
    Incident,
    IncidentState,
    Recolour,
    Resolve,
    Say,
    Trigger,
)
from monitoring.notify.settings import NotifySettings
from monitoring.notify.slack_text import announcement, green_post, post_of

CLOSED_NOTES = {
    Change.RECOVERED: "Closed: the windows since are as in training.",
    Change.SUPERSEDED: "Closed: another model version serves. This episode is superseded.",
}


def plan(record: DeliveryRecord, message: RunMessage, settings: NotifySettings) -> DeliveryRecord:
    """Returns the record with the effects of `message` that are missing added to `pending`.

    A message whose revision was handled returns the record as it is; its pending effects stay pending.
    """
    if message.revision == record.revision:
        return record
    return _Planner(record, message, settings).run()


def cause_name(item: Item) -> str:
    """Returns the name of a cause of a model version in a record."""
    return f"{item.model_version or ''}|{item.key}"


class _Planner:
    """One message applied to copies of what changes."""

    def __init__(self, record: DeliveryRecord, message: RunMessage, settings: NotifySettings) -> None:
        self._record = record
        self._message = message
        self._settings = settings
        self._newest = message.revision > record.revision
        self._heard = dict(record.heard)
        self._incidents = dict(record.incidents)
        self._posts = dict(record.posts)
        self._pending = list(record.pending)
        self._said: list[Item] = []
        self._lost: list[Heard] = []

    def run(self) -> DeliveryRecord:
        for item in self._message.items:
            held = self._heard.get(cause_name(item))
            if held is None or item.episode > held.episode:
                self._first(item, held)
            elif item.episode in held.missed:
                self._late(item, held)
            elif self._newest and item.episode == held.episode:
                self._again(item, held)
        if self._newest:
            self._close_what_is_not_listed()
        self._speak()
        return replace(
            self._record,
            revision=max(self._record.revision, self._message.revision),
            heard=self._heard,
            incidents=_without_oldest_closed(self._incidents),
            posts=dict(list(self._posts.items())[-KEPT_POSTS:]),
            pending=tuple(self._pending),
        )

    def _first(self, item: Item, held: Heard | None) -> None:
        """An episode that people have not heard of."""
        if held is not None:
            self._heard[cause_name(item)] = replace(held, is_open=False)
            self._resolve(held.incidents, "Closed: a later episode of this cause began.")
        is_open = item.is_open and self._newest
        change = item.change
        if is_open:
            change = Change.NEW
        elif item.is_open or held is None or item.change is Change.RECOVERED:
            change = Change.LATE
        incidents = self._open(item) if is_open else ()
        self._hear(item, is_open, incidents)
        self._said.append(replace(item, change=change))

    def _late(self, item: Item, held: Heard) -> None:
        """An episode that is over since people heard of a later one."""
        missed = tuple(episode for episode in held.missed if episode != item.episode)
        self._heard[cause_name(item)] = replace(held, missed=missed)
        self._said.append(replace(item, change=Change.LATE))

    def _again(self, item: Item, held: Heard) -> None:
        """A newer message about an episode that people know."""
        if not item.is_open:
            self._hear(item, False, held.incidents)
            self._resolve(held.incidents, _closing_note(item, self._message))
            if held.is_open:
                self._said.append(item)
            return
        if item.pages > held.pages:
            opened = self._open(item)
            self._hear(item, True, opened or held.incidents)
            if opened:
                self._resolve(held.incidents, f"Replaced: the cause became worse, see {opened[0]}.", opened[0])
            self._said.append(replace(item, change=Change.WORSE))
            return
        self._hear(item, True, held.incidents)
        if item.change in (Change.WORSE, Change.REMINDER):
            self._said.append(item)

    def _close_what_is_not_listed(self) -> None:
        """The newest message lists everything that is open: what it does not list is over, its own message is late."""
        listed = {cause_name(item) for item in self._message.items}
        for name, held in self._heard.items():
            if held.is_open and name not in listed:
                self._heard[name] = replace(held, is_open=False, revision=self._message.revision)
                self._resolve(held.incidents, _CLOSED)
                self._lost.append(held)

    def _hear(self, item: Item, is_open: bool, incidents: tuple[str, ...]) -> None:
        name = cause_name(item)
        held = self._heard.get(name)
        known = held.episode if held else 0
        missed = (*(held.missed if held else ()), *range(known + 1, item.episode))[-MAX_MISSED:]
        self._heard[name] = Heard(
            item.episode, self._message.revision, is_open, item.grade, item.title, item.pages, incidents, missed
        )

    def _open(self, item: Item) -> tuple[str, ...]:
        """Plans the incident of an item and returns its key, or nothing where none is wanted."""
        if item.page is Page.NONE or not item.page_key:
            return ()
        key = item.page_key
        known = self._incidents.get(key)
        if known is not None and (known.state is IncidentState.CLOSED or self._is_closing(key)):
            return ()  # the summary of a month is shown once
        destination = known.destination if known else self._settings.pagerduty_for(self._message, item)
        if not destination:
            return ()
        if known is None:
            self._incidents[key] = Incident(key, destination)
        event = event_of(self._message, item) if item.page is Page.OWN else summary_event(self._message, item)
        trigger = Trigger(f"{self._message.id}/trigger/{key}", self._message.id, key, destination, event)
        self._pending = [
            effect for effect in self._pending if not (isinstance(effect, Resolve) and effect.incident == key)
        ]
        for index, effect in enumerate(self._pending):
            if isinstance(effect, Trigger) and effect.incident == key:
                self._pending[index] = replace(effect, event=event)
                return (key,)
        self._pending.append(trigger)
        return (key,)

    def _resolve(self, incidents: tuple[str, ...], note: str, after: str = "") -> None:
        """Plans the end of incidents that no open cause refers to."""
        for key in incidents:
            incident = self._incidents.get(key)
            if self._is_in_use(key) or incident is None or incident.state is IncidentState.CLOSED:
                continue
            triggers = [effect for effect in self._pending if isinstance(effect, Trigger) and effect.incident == key]
            self._pending = [effect for effect in self._pending if effect not in triggers]
            if incident.state is IncidentState.INTENDED and triggers and not any(entry.tried for entry in triggers):
                self._incidents[key] = replace(incident, state=IncidentState.CLOSED)
                continue
            identity = f"{self._message.id}/resolve/{key}"
            if not any(isinstance(effect, Resolve) and effect.incident == key for effect in self._pending):
                self._pending.append(Resolve(identity, self._message.id, key, note, after))

    def _is_closing(self, incident: str) -> bool:
        """Returns whether the end of an incident may have reached PagerDuty."""
        ends = (effect for effect in self._pending if isinstance(effect, Resolve) and effect.incident == incident)
        return any(effect.tried for effect in ends)

    def _is_in_use(self, incident: str) -> bool:
        return any(held.is_open and incident in held.incidents for held in self._heard.values())

    def _speak(self) -> None:
        """Plans the Slack message of this run, and turns earlier messages green where all their causes are over."""
        if not self._said and not self._lost:
            if self._newest and self._message.retraining:
                self._announce()
            return
        greened = self._turn_green()
        said = [item for item in self._said if f"{cause_name(item)}#{item.episode}" not in greened]
        lost = [held.title for held in self._lost]
        channel = self._settings.slack_for(self._message, said or list(self._message.items))
        if not channel and lost:
            channel = next((route.slack for route in self._settings.routes() if route.slack), "")
        if not channel or not (said or lost):
            return
        all_over = not any(held.is_open for held in self._heard.values())
        title, text, blocks = post_of(self._message, said, lost, all_over)
        causes = tuple(f"{cause_name(item)}#{item.episode}" for item in said if item.is_open)
        self._pending.append(Say(f"{self._message.id}/slack", self._message.id, channel, title, text, blocks, causes))

    def _announce(self) -> None:
        """Plans a line about a retraining where there is nothing else to report."""
        channel = self._settings.slack_for(self._message, list(self._message.items))
        channel = channel or next((route.slack for route in self._settings.routes() if route.slack), "")
        if channel:
            text, blocks = announcement(self._message)
            say = Say(f"{self._message.id}/slack", self._message.id, channel, text, text, blocks)
            self._pending.append(say)

    def _turn_green(self) -> set[str]:
        """Plans the updates of posts, and returns the causes that these announce as over."""
        over = {f"{name}#{held.episode}" for name, held in self._heard.items() if not held.is_open}
        greened: set[str] = set()
        for name, post in list(self._posts.items()):
            if post.ts and post.causes and over.issuperset(post.causes):
                if not any(isinstance(effect, Recolour) and effect.post == name for effect in self._pending):
                    text, blocks = green_post(post, self._message)
                    self._pending.append(Recolour(f"{name}/green", self._message.id, name, text, blocks))
                greened.update(post.causes)
        return greened


_CLOSED = "Closed: a newer run does not list this cause as open."


def _closing_note(item: Item, message: RunMessage) -> str:
    note = CLOSED_NOTES.get(item.change, _CLOSED)
    if item.change is Change.SUPERSEDED and message.subject.model_version:
        note = f"Closed: version {message.subject.model_version} serves. The episode of {item.model_version} is superseded."
    return f"{note} It flapped {item.falls} times." if item.falls > 1 else note


def _without_oldest_closed(incidents: dict[str, Incident]) -> dict[str, Incident]:
    """Returns the incidents without the oldest closed ones beyond the number that is kept."""
    excess = len(incidents) - KEPT_INCIDENTS
    if excess <= 0:
        return incidents
    closed = [key for key, entry in incidents.items() if entry.state is IncidentState.CLOSED][:excess]
    return {key: entry for key, entry in incidents.items() if key not in closed}


def pending_of(record: DeliveryRecord, origin: str) -> list[Effect]:
    """Returns the effects of one message that are not done."""
    return [effect for effect in record.pending if effect.origin == origin]

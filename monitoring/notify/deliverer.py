"""Carries out what is missing for a message: intent written before, effect, outcome written after.

One holder at a time works on the record of a variant. Its lease is renewed with every write and is longer than a call can
take. A holder that lost its lease in the middle of a call stops; where the incident it opened was closed by another holder
meanwhile, it closes the incident again.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace

from monitoring.alarms.message import RunMessage
from monitoring.errors import MonitoringError
from monitoring.notify.channel import CALL_SECONDS, ChannelRefused, TryAgain
from monitoring.notify.effects import (
    destination_of,
    incident_of,
    notices,
    repaired,
    replaced_by,
    with_effect,
    with_incident,
    without_effect,
)
from monitoring.notify.foreign import plan_alarm, plan_foreign
from monitoring.notify.plan import pending_of, plan
from monitoring.notify.record import (
    DeliveryRecord,
    Effect,
    Incident,
    IncidentState,
    Post,
    Resolve,
    Say,
    Trigger,
    decode,
    encode,
    record_key,
)
from monitoring.notify.routing_key import routing_key
from monitoring.notify.secrets import SecretError, Secrets, fingerprint
from monitoring.notify.settings import NotifySettings, Slack
from monitoring.notify.slack_text import mark_repeat
from monitoring.storage import Conflict, MissingKey, Storage
from monitoring.storage.lease import Lease

LEASE = dt.timedelta(seconds=9 * CALL_SECONDS)
"""How long a holder may work between two writes. One call takes at most two answers and a short rate limit."""
MAX_ATTEMPTS = 20
_log = logging.getLogger("monitoring.notify")


class Incidents(Protocol):
    """What opens and closes incidents: PagerDuty."""

    def trigger(self, base_url: str, routing_key: str, incident: str, event: dict[str, Any]) -> None:
        """Opens an incident, or updates the open one."""

    def resolve(self, base_url: str, routing_key: str, incident: str) -> None:
        """Closes an incident."""


class Posts(Protocol):
    """What posts messages: Slack."""

    def post(self, target: Slack, secret: str, text: str, blocks: tuple[dict[str, Any], ...]) -> tuple[str, str]:
        """Posts a message and returns channel id and `ts`."""

    def update(
        self, target: Slack, secret: str, channel: str, ts: str, text: str, blocks: tuple[dict[str, Any], ...]
    ) -> None:
        """Replaces a message."""


class Later(MonitoringError):
    """A message's effects are not all done. `after` is the number of seconds until the next attempt."""

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after


class Deliverer:
    """Carries messages to people. `now` and `holder` are parameters so that tests decide about time and identity."""

    def __init__(
        self,
        storage: Storage,
        settings: NotifySettings,
        secrets: Secrets,
        incidents: Incidents,
        posts: Posts,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        holder: str = "",
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._secrets = secrets
        self._incidents = incidents
        self._posts = posts
        self._now = now
        self._holder = holder or uuid.uuid4().hex
        self._writes = 0

    def deliver(self, message: RunMessage) -> None:
        """Delivers a message of a run. Raises Later where something of it is not done yet."""
        subject = message.subject
        self._work(subject.endpoint, subject.variant, message.id, lambda record: plan(record, message, self._settings))

    def deliver_alarm(self, alarm: Any) -> None:
        """Delivers a CloudWatch alarm. Raises Later where something of it is not done yet."""
        origin = f"{alarm.name}/{alarm.changed.isoformat()}/{alarm.state}"
        self._work("cloudwatch", alarm.name, origin, lambda record: plan_alarm(record, alarm, origin, self._settings))

    def deliver_foreign(self, foreign: Any, message_id: str) -> None:
        """Delivers a foreign message, once for each id of the queue. Raises Later where it is not done yet."""
        self._work(
            "foreign", "messages", message_id, lambda record: plan_foreign(record, foreign, message_id, self._settings)
        )

    def _work(self, endpoint: str, variant: str, origin: str, step: Callable[[DeliveryRecord], DeliveryRecord]) -> None:
        record, tag = self._take(endpoint, variant, step)
        if tag is None:
            return
        waits = [0.0]
        blocked: set[str | None] = set()
        for effect in record.pending:
            if not any(entry.id == effect.id for entry in record.pending):
                continue  # another effect made it needless
            if not blocked.isdisjoint({incident_of(effect), replaced_by(effect)}):
                continue
            record, tag, wait = self._carry_out(record, tag, effect)
            if wait is not None:
                waits.append(wait)
                blocked |= {incident_of(effect)} - {None}
        self._write(replace(record, lease=None), tag)
        if pending_of(record, origin):
            raise Later(f"{len(pending_of(record, origin))} effects of {origin} are not done yet", max(waits) or 5.0)

    def _take(
        self, endpoint: str, variant: str, step: Callable[[DeliveryRecord], DeliveryRecord]
    ) -> tuple[DeliveryRecord, str | None]:
        """Takes the lease and writes what is intended. Returns no tag where nothing is to be done."""
        for _ in range(MAX_ATTEMPTS):
            record, tag = self._load(endpoint, variant)
            now = self._now()
            if record.lease is not None and record.lease.keeps_out(self._holder, now, LEASE):
                raise Later(
                    f"another notifier works on {endpoint}/{variant}", (record.lease.until - now).total_seconds()
                )
            after = step(record)
            if after == record and not record.pending:
                return record, None
            if after.pending:
                after = replace(after, lease=Lease(self._holder, now + LEASE))
            try:
                written, new_tag = self._store(after, tag)
            except Conflict:
                continue
            return written, new_tag if written.pending else None
        raise Later(f"the record of {endpoint}/{variant} changes all the time", 5.0)

    def _carry_out(self, record: DeliveryRecord, tag: str, effect: Effect) -> tuple[DeliveryRecord, str, float | None]:
        """Carries one effect out. Returns the record, its tag, and in how many seconds to try again (None when done)."""
        marked = replace(effect, tried=effect.tried + 1)
        record, tag = self._write(with_effect(self._named(record, marked), marked), tag)
        try:
            change = self._call(record, marked)
        except TryAgain as problem:
            _log.warning("%s", self._secrets.redact(str(problem)))
            kept = marked if problem.maybe_sent else effect
            record, tag = self._write(with_effect(record, kept), tag)
            return record, tag, problem.after
        except (ChannelRefused, SecretError) as problem:
            return (*self._set_aside(record, tag, effect, self._secrets.redact(str(problem))), 60.0)
        done = without_effect(change(record), effect)
        try:
            record, tag = self._write(repaired(done, effect), tag)
        except Later:
            self._undo_if_closed(record, effect)
            raise
        return record, tag, None

    def _named(self, record: DeliveryRecord, effect: Effect) -> DeliveryRecord:
        """Returns the record with the routing key of an incident written down before it is opened."""
        if not isinstance(effect, Trigger):
            return record
        incident = record.incidents.get(effect.incident) or Incident(effect.incident, effect.destination)
        record = with_incident(record, incident)
        if incident.fingerprint or effect.destination not in self._settings.pagerduty:
            return record
        reference = self._settings.pagerduty[effect.destination].routing_key
        try:
            key = self._secrets.value(reference)
        except SecretError:
            return record
        return with_incident(record, replace(incident, secret=reference, fingerprint=fingerprint(key)))

    def _call(self, record: DeliveryRecord, effect: Effect) -> Callable[[DeliveryRecord], DeliveryRecord]:
        """Calls the service. Returns the change of the record that an effect which is done makes."""
        if isinstance(effect, Trigger):
            base_url, key = routing_key(record.incidents[effect.incident], self._settings, self._secrets)
            self._incidents.trigger(base_url, key, effect.incident, effect.event)
            return lambda held: with_incident(held, replace(held.incidents[effect.incident], state=IncidentState.OPEN))
        if isinstance(effect, Resolve):
            base_url, key = routing_key(record.incidents[effect.incident], self._settings, self._secrets)
            self._incidents.resolve(base_url, key, effect.incident)
            return lambda held: with_incident(
                held, replace(held.incidents[effect.incident], state=IncidentState.CLOSED)
            )
        if isinstance(effect, Say):
            target, secret = self._slack(effect.channel)
            text, blocks = (
                (effect.text, effect.blocks) if effect.tried == 1 else mark_repeat(effect.text, effect.blocks)
            )
            channel, ts = self._posts.post(target, secret, text, blocks)
            post = Post(effect.channel, effect.title, effect.causes, channel, ts)
            return lambda held: replace(held, posts={**held.posts, effect.origin: post}) if effect.causes else held
        post = record.posts[effect.post]
        target, secret = self._slack(post.channel)
        self._posts.update(target, secret, post.channel_id, post.ts, effect.text, effect.blocks)
        return lambda held: replace(held, posts={name: p for name, p in held.posts.items() if name != effect.post})

    def _slack(self, name: str) -> tuple[Slack, str]:
        if name not in self._settings.slack:
            raise ChannelRefused(f"the settings name no Slack channel {name!r}")
        target = self._settings.slack[name]
        return target, self._secrets.value(target.webhook or target.token)

    def _set_aside(self, record: DeliveryRecord, tag: str, effect: Effect, reason: str) -> tuple[DeliveryRecord, str]:
        """Keeps a refused effect, reads its secret again next time, and reports the refusal through the other service."""
        destination = destination_of(record, effect)
        _log.error("%s is set aside: %s", destination, reason)
        self._forget(destination)
        record = with_effect(record, effect)
        if destination not in record.broken:
            record = replace(record, broken={**record.broken, destination: reason})
            record = replace(record, pending=(*record.pending, *notices(destination, reason, effect, self._settings)))
        return self._write(record, tag)

    def _forget(self, destination: str) -> None:
        kind, _, name = destination.partition(":")
        if kind == "pagerduty" and name in self._settings.pagerduty:
            self._secrets.forget(self._settings.pagerduty[name].routing_key)
        elif kind == "slack" and name in self._settings.slack:
            target = self._settings.slack[name]
            self._secrets.forget(target.webhook or target.token)

    def _undo_if_closed(self, record: DeliveryRecord, effect: Effect) -> None:
        """Closes an incident that this holder opened after another holder had closed it."""
        if not isinstance(effect, Trigger):
            return
        current, _ = self._load(record.endpoint, record.variant)
        incident = current.incidents.get(effect.incident)
        if incident is None or incident.state is IncidentState.CLOSED:
            base_url, key = routing_key(record.incidents[effect.incident], self._settings, self._secrets)
            self._incidents.resolve(base_url, key, effect.incident)

    def _load(self, endpoint: str, variant: str) -> tuple[DeliveryRecord, str | None]:
        key = record_key(endpoint, variant)
        try:
            stored = self._storage.get(key)
        except MissingKey:
            return DeliveryRecord(endpoint, variant), None
        return decode(stored.body, f"{self._storage.uri}/{key}"), stored.tag

    def _write(self, record: DeliveryRecord, tag: str) -> tuple[DeliveryRecord, str]:
        """Writes under the lease and renews it. Raises Later where another holder took over."""
        if record.lease is not None:
            record = replace(record, lease=Lease(self._holder, self._now() + LEASE))
        try:
            return self._store(record, tag)
        except Conflict:
            raise Later(f"another notifier took over {record.endpoint}/{record.variant}", 5.0) from None

    def _store(self, record: DeliveryRecord, tag: str | None) -> tuple[DeliveryRecord, str]:
        self._writes += 1
        record = replace(record, writer=f"{self._holder}/{self._writes}")
        key = record_key(record.endpoint, record.variant)
        body = encode(record)
        if tag is None:
            return record, self._storage.create(key, body)
        return record, self._storage.replace(key, body, tag)

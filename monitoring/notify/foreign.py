"""Messages of other senders on the same topic: CloudWatch alarms page and resolve, other messages become a line in Slack.

An alarm has no episode number. It gets one here: each `ALARM` after an `OK` is the next. `StateChangeTime` orders them, so a
late or repeated alarm changes nothing.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from msgspec.structs import replace

from monitoring.alarms.message import clean
from monitoring.notify.envelope import CloudWatchAlarm, Foreign
from monitoring.notify.record import DeliveryRecord, Effect, Heard, Incident, IncidentState, Resolve, Say, Trigger
from monitoring.notify.settings import NotifySettings, Route
from monitoring.notify.slack_text import escape
from monitoring.result import Grade

KEPT_FOREIGN = 500
_ALARM = "alarm"


def plan_alarm(record: DeliveryRecord, alarm: CloudWatchAlarm, origin: str, settings: NotifySettings) -> DeliveryRecord:
    """Returns the record with the effects of an alarm that are missing."""
    revision = int(alarm.changed.timestamp() * 1000)
    held = record.heard.get(_ALARM, Heard(0, 0, False))
    if revision <= held.revision or alarm.state not in ("ALARM", "OK"):
        return record
    rings = alarm.state == "ALARM"
    heard = Heard(held.episode, revision, rings, Grade.LARGE, alarm.name, incidents=held.incidents)
    changed = replace(record, revision=max(record.revision, revision), heard={_ALARM: heard})
    if rings == held.is_open:
        return changed
    route = _route(settings, f"cloudwatch:{alarm.name}")
    return _ring(changed, heard, alarm, origin, route) if rings else _calm(changed, heard, alarm, origin, route)


def plan_foreign(record: DeliveryRecord, foreign: Foreign, message_id: str, settings: NotifySettings) -> DeliveryRecord:
    """Returns the record with one Slack line for a foreign message, once for each id."""
    if settings.foreign == "count" or message_id in record.heard:
        return record
    channel = _route(settings, "foreign:message").slack
    kept = dict(list(record.heard.items())[-KEPT_FOREIGN + 1 :])
    record = replace(record, heard={**kept, message_id: Heard(1, 1, False)})
    if not channel:
        return record
    subject = f"{foreign.subject}: " if foreign.subject else ""
    title = clean(f"A message of another sender: {subject}{foreign.text}", 1_000)
    say = Say(f"{message_id}/slack", message_id, channel, title, escape(title))
    return replace(record, pending=(*record.pending, say))


def _ring(record: DeliveryRecord, heard: Heard, alarm: CloudWatchAlarm, origin: str, route: Route) -> DeliveryRecord:
    episode = heard.episode + 1
    key = clean(f"cloudwatch/{alarm.region}/{alarm.name}/{episode}", 255)
    effects: list[Effect] = []
    incidents = dict(record.incidents)
    if route.pagerduty:
        incidents[key] = Incident(key, route.pagerduty)
        effects.append(Trigger(f"{origin}/trigger", origin, key, route.pagerduty, _event(alarm)))
    if route.slack:
        title = f"▂▅█ CloudWatch alarm {alarm.name}"
        text = escape(clean(f"{title}. {alarm.description} {alarm.reason}", 2_000))
        effects.append(Say(f"{origin}/slack", origin, route.slack, title, text))
    heard = replace(heard, episode=episode, incidents=(key,) if route.pagerduty else ())
    return replace(record, heard={_ALARM: heard}, incidents=incidents, pending=(*record.pending, *effects))


def _calm(record: DeliveryRecord, heard: Heard, alarm: CloudWatchAlarm, origin: str, route: Route) -> DeliveryRecord:
    dropped = {
        effect.incident
        for effect in record.pending
        if isinstance(effect, Trigger) and effect.incident in heard.incidents and not effect.tried
    }
    pending: list[Effect] = [
        effect for effect in record.pending if not (isinstance(effect, Trigger) and effect.incident in heard.incidents)
    ]
    incidents = {
        key: replace(entry, state=IncidentState.CLOSED) if key in dropped else entry
        for key, entry in record.incidents.items()
    }
    still_open = [key for key in heard.incidents if incidents[key].state is not IncidentState.CLOSED]
    pending += [Resolve(f"{origin}/resolve", origin, key, clean(alarm.reason, 500)) for key in still_open]
    if route.slack:
        text = escape(clean(f"✓ CloudWatch alarm {alarm.name} is OK again. {alarm.reason}", 2_000))
        pending.append(Say(f"{origin}/slack", origin, route.slack, text, text))
    return replace(record, incidents=incidents, pending=tuple(pending))


def _route(settings: NotifySettings, name: str) -> Route:
    """Returns the first route whose glob of causes matches `name` and that does not narrow anything else."""
    for route in settings.routes():
        narrows = route.kind or route.endpoint != "*" or route.variant != "*" or route.at_least is not Grade.NONE
        if not narrows and fnmatchcase(name, route.cause):
            return route
    return Route(pagerduty=next(iter(settings.pagerduty), ""), slack=next(iter(settings.slack), ""))


def _event(alarm: CloudWatchAlarm) -> dict[str, object]:
    details = {
        "What": clean(alarm.description),
        "How bad": clean(alarm.reason),
        "Since": alarm.changed.isoformat(),
        "Do tonight": "Open the alarm in CloudWatch. For the heartbeat: start one run by hand with --catch-up.",
        "Help": "docs/alarms.md#heartbeat",
    }
    return {
        "payload": {
            "summary": clean(f"CloudWatch alarm {alarm.name}: {alarm.description or alarm.reason}", 1_024),
            "source": f"cloudwatch/{alarm.region}",
            "severity": "error",
            "timestamp": alarm.changed.isoformat(),
            "class": "cloudwatch",
            "custom_details": {name: value for name, value in details.items() if value},
        },
        "client": "endpoint monitor",
    }

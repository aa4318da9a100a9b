"""What an effect changes in a record, as pure functions."""

from __future__ import annotations

from msgspec.structs import replace

from monitoring.notify.record import DeliveryRecord, Effect, Incident, IncidentState, Recolour, Resolve, Say, Trigger
from monitoring.notify.settings import NotifySettings
from monitoring.notify.slack_text import escape


def incident_of(effect: Effect) -> str | None:
    """Returns the key of the incident an effect belongs to."""
    return effect.incident if isinstance(effect, Trigger | Resolve) else None


def replaced_by(effect: Effect) -> str | None:
    """Returns the key of the incident that must be open before this effect, None where there is none."""
    return effect.after or None if isinstance(effect, Resolve) else None


def destination_of(record: DeliveryRecord, effect: Effect) -> str:
    """Returns the destination of an effect, as `pagerduty:name` or `slack:name`."""
    if isinstance(effect, Trigger):
        return f"pagerduty:{effect.destination}"
    if isinstance(effect, Resolve):
        return f"pagerduty:{record.incidents[effect.incident].destination}"
    if isinstance(effect, Say):
        return f"slack:{effect.channel}"
    return f"slack:{record.posts[effect.post].channel}"


def with_effect(record: DeliveryRecord, effect: Effect) -> DeliveryRecord:
    """Returns the record with the pending effect of the same id replaced."""
    return replace(record, pending=tuple(effect if entry.id == effect.id else entry for entry in record.pending))


def without_effect(record: DeliveryRecord, effect: Effect) -> DeliveryRecord:
    """Returns the record without a pending effect."""
    return replace(record, pending=tuple(entry for entry in record.pending if entry.id != effect.id))


def with_incident(record: DeliveryRecord, incident: Incident) -> DeliveryRecord:
    """Returns the record with an incident added or replaced."""
    return replace(record, incidents={**record.incidents, incident.key: incident})


def notices(destination: str, reason: str, effect: Effect, settings: NotifySettings) -> list[Effect]:
    """Returns the effects that report a refusing destination through the other service."""
    text = f"Messages to {destination} are refused: {reason}"
    identity = f"{effect.origin}/notice/{destination}"
    if destination.startswith("pagerduty:"):
        channel = next(iter(settings.slack), "")
        return [Say(identity, identity, channel, text, escape(text))] if channel else []
    service = next(iter(settings.pagerduty), "")
    if not service:
        return []
    payload = {"summary": text[:1_000], "source": "endpoint monitor", "severity": "warning", "class": "notify"}
    return [Trigger(identity, identity, f"notify/{destination}", service, {"payload": payload})]


def repaired(record: DeliveryRecord, effect: Effect) -> DeliveryRecord:
    """Returns the record without the refusal of a destination that just took an effect, and closes its incident."""
    destination = destination_of(record, effect) if not isinstance(effect, Recolour) else ""
    if destination not in record.broken:
        return record
    broken = {name: reason for name, reason in record.broken.items() if name != destination}
    key = f"notify/{destination}"
    pending = tuple(entry for entry in record.pending if not (isinstance(entry, Trigger) and entry.incident == key))
    if key in record.incidents and record.incidents[key].state is not IncidentState.CLOSED:
        pending = (*pending, Resolve(f"{effect.origin}/repaired/{destination}", effect.origin, key, "It works again."))
    return replace(record, broken=broken, pending=pending)

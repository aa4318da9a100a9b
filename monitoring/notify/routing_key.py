"""The routing key of an incident: the one that opened it, wherever it stands in the settings by now."""

from __future__ import annotations

from monitoring.notify.channel import ChannelRefused
from monitoring.notify.record import Incident
from monitoring.notify.secrets import SecretError, Secrets, fingerprint
from monitoring.notify.settings import NotifySettings, PagerDuty


def routing_key(incident: Incident, settings: NotifySettings, secrets: Secrets) -> tuple[str, str]:
    """Returns the service's address and the routing key that opened the incident, or will open it.

    Raises Refused where no reference leads to that key any more: PagerDuty would ignore another one.
    """
    known = settings.pagerduty
    own = known.get(incident.destination)
    references = [incident.secret] if incident.secret else []
    for target in ([own] if own else []) + list(known.values()):
        references += [target.routing_key, *target.former_routing_keys]
    problem = f"the settings name no PagerDuty service {incident.destination!r}"
    for reference in dict.fromkeys(references):
        try:
            key = secrets.value(reference)
        except SecretError as error:
            problem = str(error)
            continue
        if not incident.fingerprint or fingerprint(key) == incident.fingerprint:
            return _base_url(own, settings), key
        problem = (
            f"the routing key that opened {incident.key} is gone: add it to former_routing_keys, or close it by hand"
        )
    raise ChannelRefused(problem)


def _base_url(own: PagerDuty | None, settings: NotifySettings) -> str:
    target = own or next(iter(settings.pagerduty.values()), None)
    return target.base_url if target else "https://events.pagerduty.com"

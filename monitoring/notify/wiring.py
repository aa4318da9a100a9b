"""Settings to a deliverer with the real services, for the process and for the Lambda function."""

from __future__ import annotations

import tomllib

from monitoring.errors import UsageError
from monitoring.notify.deliverer import Deliverer
from monitoring.notify.pagerduty import PagerDutyChannel
from monitoring.notify.secrets import Secrets
from monitoring.notify.settings import NotifySettings, load, parse
from monitoring.notify.slack import SlackChannel
from monitoring.storage import key_in_storage, open_storage


def settings_at(uri: str) -> NotifySettings:
    """Returns the table `[notify]` of the monitor.toml at a path or an S3 URI. Raises UsageError where it is wrong."""
    if "://" not in uri:
        return load(uri)[0]
    storage, key = key_in_storage(uri)
    try:
        document = tomllib.loads(storage.get(key).body.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{uri} is not TOML: {error}") from None
    return parse(document.get("notify", {}), uri)


def deliverer_of(settings: NotifySettings, state: str = "") -> Deliverer:
    """Returns a deliverer that reaches PagerDuty and Slack.

    `state` is where deliveries are recorded if the settings name no state. Raises UsageError where both are empty.
    """
    state = settings.state or state
    if not state:
        raise UsageError(
            "notify.state is not set: give s3://bucket/prefix or a directory, where deliveries are recorded"
        )
    if not settings.pagerduty and not settings.slack:
        raise UsageError("monitor.toml has neither [notify.pagerduty.NAME] nor [notify.slack.NAME]: add one")
    settings.routes()
    return Deliverer(open_storage(state), settings, Secrets(), PagerDutyChannel(), SlackChannel())

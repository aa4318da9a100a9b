"""The vendors' clients behind a network that refuses, limits and cuts: everything arrives, and no incident opens twice."""

import datetime as dt
import random

from monitoring.alarms.message import encode
from monitoring.notify.consumer import handle
from monitoring.notify.deliverer import Deliverer
from monitoring.notify.pagerduty import PagerDutyChannel
from monitoring.notify.secrets import Secrets
from monitoring.notify.settings import NotifySettings, PagerDuty, Slack
from monitoring.notify.slack import SlackChannel
from monitoring.storage.directory import DirectoryStorage
from tests.monitoring.alarms.examples import cause, window
from tests.monitoring.notify.broken_network import broken_network
from tests.monitoring.notify.https_servers import WEBHOOK_PATH
from tests.monitoring.notify.messages import conversation

KEY = "0" * 31 + "1"


def test_everything_arrives_through_a_network_that_breaks(servers, tmp_path):
    causes = [cause(key) for key in ("completeness:a", "data_type:b", "no_data:c")]
    windows = [window(hour, *causes[: 1 + hour % 3]) for hour in range(9)] + [window(hour) for hour in range(9, 16)]
    bodies = [encode(message).decode() for message in conversation(*windows)]
    bodies += bodies[:2]
    random.Random(3).shuffle(bodies)
    clock = [dt.datetime(2026, 11, 3, tzinfo=dt.UTC)]
    context = servers.client_context()
    with broken_network(servers, tmp_path) as address:
        settings = NotifySettings(
            pagerduty={"oncall": PagerDuty("env:KEY", base_url=address)}, slack={"alerts": Slack(webhook="env:HOOK")}
        )
        secrets = Secrets({"KEY": KEY, "HOOK": address + WEBHOOK_PATH})
        deliverer = Deliverer(
            DirectoryStorage(tmp_path / "state"), settings, secrets, PagerDutyChannel(context), SlackChannel(context),
            lambda: clock[0], "one",
        )  # fmt: skip
        for _ in range(300):
            if not bodies:
                break
            body = bodies.pop(0)
            if handle(body, "id", 1, deliverer, False).after is not None:
                bodies.append(body)
            clock[0] += dt.timedelta(minutes=5)
    assert bodies == []
    assert servers.account.still_open() == []
    assert set(servers.account.pages().values()) <= {1}
    posts = servers.workspace.posts
    unmarked = [posted.everything() for posted in posts if not posted.text.startswith("(may be")]
    assert len(unmarked) == len(set(unmarked))
    heard = "\n".join(posted.everything() for posted in posts)
    assert all(entry.title in heard for entry in causes)

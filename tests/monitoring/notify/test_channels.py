"""PagerDuty and Slack over HTTPS: what is accepted, what is tried again and when, and that no secret is shown."""

import logging

import pytest

from monitoring.notify.channel import ChannelRefused, TryAgain
from monitoring.notify.incident_text import event_of
from monitoring.notify.pagerduty import PagerDutyChannel
from monitoring.notify.record import Post
from monitoring.notify.settings import Slack
from monitoring.notify.slack import SlackChannel
from monitoring.notify.slack_text import green_post, post_of
from tests.monitoring.alarms.examples import cause
from tests.monitoring.notify.https_servers import Failure
from tests.monitoring.notify.messages import one

KEY = "0" * 31 + "1"


@pytest.fixture
def pagerduty(servers):
    return PagerDutyChannel(servers.client_context(), timeout=5)


@pytest.fixture
def slack(servers):
    return SlackChannel(servers.client_context(), timeout=5)


@pytest.fixture
def event():
    message = one(cause("quality:prediction_risk"))
    return event_of(message, message.items[0])


def test_an_incident_opens_once_and_closes(servers, pagerduty, event):
    for _ in range(2):
        pagerduty.trigger(servers.address, KEY, "k/1", event)
    pagerduty.resolve(servers.address, KEY, "k/1")
    assert servers.account.pages() == {"k/1": 1}
    assert servers.account.still_open() == []


@pytest.mark.parametrize(
    ("failure", "maybe_sent"),
    [
        (Failure(429), False),
        (Failure(500), True),
        (Failure(503), True),
        (Failure(cut="before"), True),
        (Failure(cut="after"), True),
    ],
)
def test_pagerduty_is_called_once_and_the_call_comes_back_later(servers, pagerduty, event, failure, maybe_sent):
    servers.failures += [failure, Failure(503), Failure(503)]
    with pytest.raises(TryAgain) as caught:
        pagerduty.trigger(servers.address, KEY, "k/1", event)
    assert caught.value.maybe_sent is maybe_sent
    assert len(servers.failures) == 2


def test_an_address_where_nobody_listens_took_nothing(pagerduty, event):
    with pytest.raises(TryAgain) as caught:
        pagerduty.trigger("https://127.0.0.1:1", KEY, "k/1", event)
    assert not caught.value.maybe_sent


def test_a_revoked_routing_key_is_refused_and_not_shown(servers, pagerduty, event):
    with pytest.raises(ChannelRefused, match="Invalid routing key") as caught:
        pagerduty.trigger(servers.address, "f" * 32, "k/1", event)
    assert "f" * 32 not in str(caught.value)


def test_a_webhook_takes_the_message(servers, slack):
    _, text, blocks = post_of(one(cause()), list(one(cause()).items), [], False)
    assert slack.post(Slack(webhook="env:X"), servers.webhook, text, blocks) == ("", "")
    [posted] = servers.workspace.posts
    assert posted.text == text
    assert posted.blocks == list(blocks)


def test_a_message_with_a_token_turns_green(servers, slack):
    target = Slack(token="env:X", channel="C0123", base_url=f"{servers.address}/api/")
    message = one(cause())
    title, text, blocks = post_of(message, list(message.items), [], False)
    channel, ts = slack.post(target, servers.token, text, blocks)
    slack.update(target, servers.token, channel, ts, *green_post(Post("alerts", title), message))
    [posted] = servers.workspace.posts
    assert posted.text.startswith("✓ Over since")


def test_a_short_rate_limit_is_waited_for_and_a_long_one_goes_back(servers, slack):
    servers.failures.append(Failure(429, headers={"Retry-After": "0"}))
    slack.post(Slack(webhook="env:X"), servers.webhook, "text", ())
    servers.failures.append(Failure(429, headers={"Retry-After": "120"}))
    with pytest.raises(TryAgain) as caught:
        slack.post(Slack(webhook="env:X"), servers.webhook, "text", ())
    assert caught.value.after == 120
    assert not caught.value.maybe_sent
    assert len(servers.workspace.posts) == 1


@pytest.mark.parametrize("failure", [Failure(503), Failure(cut="before"), Failure(cut="after")])
def test_a_post_that_may_have_been_taken_is_not_repeated_here(servers, slack, failure):
    servers.failures.append(failure)
    with pytest.raises(TryAgain) as caught:
        slack.post(Slack(webhook="env:X"), servers.webhook, "text", ())
    assert caught.value.maybe_sent
    assert len(servers.workspace.posts) == (1 if failure.cut == "after" else 0)


def test_an_expired_webhook_is_refused_and_its_address_is_in_no_log(servers, slack, caplog):
    caplog.set_level(logging.DEBUG)
    servers.expired = True
    with pytest.raises(ChannelRefused, match="no_service") as caught:
        slack.post(Slack(webhook="env:X"), servers.webhook, "text", ())
    servers.failures.append(Failure(cut="before"))
    with pytest.raises(TryAgain) as again:
        slack.post(Slack(webhook="env:X"), servers.webhook, "text", ())
    for text in (str(caught.value), str(again.value), caplog.text):
        assert "secret-part" not in text


def test_a_wrong_token_is_refused_and_not_shown(servers, slack, caplog):
    caplog.set_level(logging.DEBUG)
    target = Slack(token="env:X", channel="C0123", base_url=f"{servers.address}/api/")
    with pytest.raises(ChannelRefused, match="invalid_auth") as caught:
        slack.post(target, "xoxb-other", "text", ())
    assert "xoxb-other" not in str(caught.value) + caplog.text


def test_blocks_that_slack_refuses_are_sent_as_text(servers, slack):
    blocks = ({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}},)
    slack.post(Slack(webhook="env:X"), servers.webhook, "the text", blocks)
    [posted] = servers.workspace.posts
    assert (posted.text, posted.blocks) == ("the text", [])

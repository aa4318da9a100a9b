"""Messages that come twice, late or swapped: what is planned for each, and what is not."""

import itertools

import pytest
from msgspec.structs import replace

from monitoring.alarms.policy import Policy
from monitoring.notify.plan import plan
from monitoring.notify.record import DeliveryRecord, IncidentState, Post, Recolour, Resolve, Say, Trigger
from monitoring.notify.settings import NotifySettings, PagerDuty, Slack
from monitoring.result import Grade, Urgency
from tests.monitoring.alarms.examples import cause, window
from tests.monitoring.notify.messages import conversation

SETTINGS = NotifySettings(pagerduty={"oncall": PagerDuty("env:KEY")}, slack={"alerts": Slack(webhook="env:HOOK")})
EMPTY = DeliveryRecord("flights", "AllTraffic")
QUIET = [window(hour) for hour in range(1, 8)]


def planned(messages, settings=SETTINGS):
    """What is planned for each message, none of it carried out."""
    record, found = EMPTY, []
    for message in messages:
        before = {effect.id for effect in record.pending}
        record = plan(record, message, settings)
        found.append([type(effect).__name__ for effect in record.pending if effect.id not in before])
    return record, found


def test_a_repeated_message_plans_nothing():
    [opened] = conversation(window(0, cause()))
    record, found = planned([opened, opened])
    assert found == [["Trigger", "Say"], []]
    assert record.revision == 1


def test_a_late_message_of_an_episode_that_is_over_opens_no_incident():
    opened, closed, other = conversation(window(0, cause()), *QUIET, window(9, cause("data_type:b")))
    record, found = planned([other, opened, closed])
    assert found == [["Trigger", "Say"], ["Say"], []]
    assert [effect.incident for effect in record.pending if isinstance(effect, Trigger)] == [other.items[0].page_key]
    [late] = [effect for effect in record.pending if isinstance(effect, Say) and effect.origin == opened.id]
    assert "Over before this message" in str(late.blocks)


def test_an_end_that_overtakes_its_beginning_is_one_line():
    opened, closed = conversation(window(0, cause()), *QUIET)
    _, found = planned([closed, opened])
    assert found == [["Say"], []]


def test_an_end_before_its_incident_was_sent_takes_the_incident_back():
    opened, closed = conversation(window(0, cause()), *QUIET)
    record, _ = planned([opened, closed])
    assert [type(effect) for effect in record.pending] == [Say, Say]
    assert {incident.state for incident in record.incidents.values()} == {IncidentState.CLOSED}


def test_whatever_the_order_at_most_one_incident_opens_and_it_ends():
    shown = [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    messages = conversation(*(window(hour, *([cause()] * present)) for hour, present in enumerate(shown)))
    assert len(messages) == 3
    for order in itertools.permutations(messages):
        record, _ = planned(order)
        opening = {effect.incident for effect in record.pending if isinstance(effect, Trigger)}
        assert opening == {messages[2].items[0].page_key}


def test_a_worse_cause_opens_its_second_incident_before_the_first_one_ends():
    small, large = conversation(window(0, cause(grade=Grade.SMALL)), window(1, cause(grade=Grade.LARGE)))
    record, _ = planned([small])
    first = small.items[0].page_key
    sent = {first: record.incidents[first].__class__(first, "oncall", IncidentState.OPEN)}

    record = plan(replace(record, pending=(), incidents=sent), large, SETTINGS)
    trigger, resolve, _ = record.pending
    assert isinstance(trigger, Trigger)
    assert isinstance(resolve, Resolve)
    assert (trigger.incident, resolve.incident) == (large.items[0].page_key, first)
    assert resolve.after == trigger.incident


def test_causes_over_the_budget_share_one_incident_and_their_posts_say_so():
    policy = Policy(pages_per_month=1)
    messages = conversation(window(0, *(cause(f"completeness:{name}") for name in "abc")), policy=policy)
    record, _ = planned(messages)
    triggers = [effect for effect in record.pending if isinstance(effect, Trigger)]
    assert len(triggers) == 2
    [summary] = [effect for effect in triggers if effect.incident.endswith("over-budget/2026-11")]
    assert "completeness:a is wrong" in summary.event["payload"]["custom_details"]["Open now"]


@pytest.mark.parametrize("urgency", [Urgency.MESSAGE, Urgency.PAGE])
def test_drift_is_a_post_and_no_incident(urgency):
    _, found = planned(conversation(window(0, cause("drift:weather", urgency=urgency))))
    assert found == [["Say"]]


def test_a_post_turns_green_when_the_last_of_its_causes_is_over():
    first, second = cause("drift:a"), cause("drift:b")
    windows = [window(0, first, second), *(window(hour, second) for hour in range(1, 8))]
    windows += [window(hour) for hour in range(8, 15)]
    opened, one_over, all_over = conversation(*windows)

    record, _ = planned([opened])
    [say] = record.pending
    assert isinstance(say, Say)
    record = replace(record, pending=(), posts={opened.id: Post("alerts", say.title, say.causes, "C1", "1.0")})
    record = plan(record, one_over, SETTINGS)
    assert [type(effect) for effect in record.pending] == [Say]
    record = plan(replace(record, pending=()), all_over, SETTINGS)
    assert [type(effect) for effect in record.pending] == [Recolour]


def test_without_pagerduty_everything_is_a_post():
    settings = NotifySettings(slack=SETTINGS.slack)
    opened, closed = conversation(window(0, cause()), *QUIET)
    _, found = planned([opened, closed], settings)
    assert found == [["Say"], ["Say"]]

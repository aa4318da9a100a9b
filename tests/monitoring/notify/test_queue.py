"""From a topic through a queue to people: envelopes, foreign messages, CloudWatch alarms, poison, links, a Lambda function."""

import datetime as dt
import json

import pytest
from msgspec.structs import replace

from monitoring.alarms.message import MessageLink, encode
from monitoring.alarms.sns import TopicPublisher
from monitoring.notify.consumer import QueueConsumer, backoff, handle
from monitoring.notify.deliverer import Deliverer
from monitoring.notify.envelope import Foreign, UnreadableBody, read
from monitoring.notify.lambda_handler import answer
from monitoring.notify.secrets import Secrets
from monitoring.notify.settings import NotifySettings, PagerDuty, Route, Slack
from monitoring.storage.directory import DirectoryStorage
from tests.monitoring.alarms.examples import cause, window
from tests.monitoring.notify.messages import conversation, one
from tests.monitoring.notify.services import PagerDutyAccount, SlackWorkspace

SETTINGS = NotifySettings(pagerduty={"oncall": PagerDuty("env:ONCALL")}, slack={"alerts": Slack(webhook="env:HOOK")})
SECRETS = {"ONCALL": "a" * 32, "HOOK": "https://hooks.example/secret", "OTHER": "b" * 32}


class People:
    """A deliverer and what it reached."""

    def __init__(self, folder, settings=SETTINGS):
        self.account, self.workspace = PagerDutyAccount(), SlackWorkspace()
        self.storage = DirectoryStorage(folder)
        self.now = dt.datetime(2026, 11, 3, tzinfo=dt.UTC)
        self.use(settings)

    def use(self, settings, secrets=SECRETS):
        self.deliverer = Deliverer(
            self.storage, settings, Secrets(secrets), self.account, self.workspace, lambda: self.now, "one"
        )


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


def alarm(state="ALARM", minute=0, name="heartbeat"):
    return json.dumps(
        {
            "AlarmName": name,
            "AlarmDescription": "The monitor did not run.",
            "NewStateValue": state,
            "NewStateReason": "Threshold Crossed: no datapoints were received",
            "StateChangeTime": f"2026-11-03T00:{minute:02}:00.000+0000",
            "Region": "US East (N. Virginia)",
            "Trigger": {"MetricName": "monitor_heartbeat"},
        }
    )


def consume(aws, queue, people, times=1, **more):
    consumer = QueueConsumer(queue, people.deliverer, client=lambda: aws.client("sqs"), wait_seconds=0, **more)
    calls = iter(range(100))
    consumer.run(lambda: sum(consumer.counts.values()) >= times or next(calls) > 20)
    return dict(consumer.counts)


@pytest.mark.parametrize("raw", [True, False])
def test_a_message_reaches_people_with_and_without_the_envelope_of_sns(aws, people, raw):
    topic, queue, _ = aws.topic_and_queue(raw)
    TopicPublisher(topic, people.storage, lambda: aws.client("sns")).publish(one(cause()))
    assert consume(aws, queue, people) == {"delivered": 1}
    assert len(people.account.incidents) == 1
    assert len(people.workspace.posts) == 1
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (attributes["ApproximateNumberOfMessages"], attributes["ApproximateNumberOfMessagesNotVisible"]) == (
        "0",
        "0",
    )


def test_a_message_over_200_kb_travels_as_a_link(aws, people):
    topic, queue, _ = aws.topic_and_queue()
    message = one(*(replace(cause(f"drift:c{number}"), sentence="é" * 1_900) for number in range(80)))
    TopicPublisher(topic, people.storage, lambda: aws.client("sns")).publish(message)
    assert consume(aws, queue, people) == {"delivered": 1}
    assert "and 75 more in the report" in people.workspace.posts[0].everything()


def test_a_linked_message_that_was_changed_is_not_believed(people):
    message = one(cause())
    people.storage.put("m.json", encode(message))
    link = MessageLink("id", 1, f"{people.storage.uri}/m.json", "0" * 64, 1)
    with pytest.raises(UnreadableBody, match="another digest"):
        read(encode(link).decode())


def test_what_is_unreadable_waits_and_the_rest_goes_on(aws, people):
    _, queue, _ = aws.topic_and_queue()
    sqs = aws.client("sqs")
    for body in ("not json at all", '{"type": "endpoint-monitor.run", "version": 1}', encode(one(cause())).decode()):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert consume(aws, queue, people, times=3) == {"unreadable": 2, "delivered": 1}
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0).get("Messages", []) == []


def test_a_body_that_comes_back_waits_longer_each_time():
    assert [backoff(receives) for receives in (1, 2, 3, 5, 50)] == [5, 10, 20, 80, 900]


def test_what_is_unreadable_leaves_through_the_redrive_policy(aws, people):
    _, queue, dead = aws.topic_and_queue(receives=2)
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody="poison")
    for _ in range(3):
        consume(aws, queue, people)
        messages = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        if messages["ApproximateNumberOfMessagesNotVisible"] == "1":
            make_visible(aws)
    received = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=0)["Messages"]
    assert [message["Body"] for message in received] == ["poison"]


def make_visible(aws):
    """Lets the delay of every message run out at once: moto keeps its queues in this process."""
    from moto.sqs.models import sqs_backends

    for backend in sqs_backends["123456789012"].values():
        for queue in backend.queues.values():
            for message in queue._messages:
                message.visible_at = 0


def test_an_alarm_of_cloudwatch_pages_once_and_closes(people):
    for body in (alarm(), alarm(), alarm("INSUFFICIENT_DATA", 5), alarm("OK", 9), alarm("OK", 9), alarm()):
        assert handle(body, "id", 1, people.deliverer, False).after is None
    assert [entry.is_open for entry in people.account.incidents] == [False]
    assert len(people.workspace.posts) == 2


def test_a_second_alarm_is_another_incident(people):
    for body in (alarm(), alarm("OK", 5), alarm("ALARM", 9)):
        handle(body, "id", 1, people.deliverer, False)
    assert len(people.account.pages()) == 2
    assert people.account.still_open() == ["cloudwatch/US East (N. Virginia)/heartbeat/2"]


def test_an_end_that_overtakes_its_alarm_leaves_nothing_open(people):
    for body in (alarm("OK", 5), alarm("ALARM", 1)):
        handle(body, "id", 1, people.deliverer, False)
    assert people.account.incidents == []


@pytest.mark.parametrize(
    "text", ['{"Event": "s3:TestEvent"}', '{"Type": "Notification", "Message": "hello <!here>", "Subject": "Hi"}']
)
def test_a_foreign_message_is_one_line_once_or_only_counted(people, text):
    for _ in range(2):
        assert handle(text, "id-1", 1, people.deliverer, False).handled == "foreign"
    [posted] = people.workspace.posts
    assert posted.text.startswith("A message of another sender:")
    assert "<!here>" not in posted.text
    assert handle(text, "id-2", 1, people.deliverer, True).handled == "foreign"
    assert len(people.workspace.posts) == 1


def test_a_sentence_of_a_person_in_an_envelope_is_foreign():
    found = read('{"Type": "Notification", "Message": "lunch?", "Subject": null}')
    assert found == Foreign("lunch?")


def test_the_same_works_as_a_lambda_function(people):
    bodies = {"good": encode(one(cause())).decode(), "bad": "poison"}
    event = {
        "Records": [
            {"messageId": name, "receiptHandle": "r", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}
            for name, body in bodies.items()
        ]
    }
    assert answer(event, people.deliverer) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(people.account.incidents) == 1


def test_the_resolve_goes_to_the_key_that_was_paged_though_the_routing_changed(people):
    opened, closed = conversation(window(0, cause()), *(window(hour) for hour in range(1, 8)))
    people.deliverer.deliver(opened)
    rerouted = NotifySettings(
        pagerduty={"oncall": PagerDuty("env:ONCALL"), "second": PagerDuty("env:OTHER")},
        slack=SETTINGS.slack,
        route=(Route(pagerduty="second", slack="alerts"),),
    )
    people.use(rerouted)
    people.deliverer.deliver(closed)
    assert people.account.still_open() == []
    assert people.account.ignored == 0


def test_the_resolve_finds_a_rotated_key_among_the_former_ones(people):
    opened, closed = conversation(window(0, cause()), *(window(hour) for hour in range(1, 8)))
    people.deliverer.deliver(opened)
    rotated = NotifySettings(
        pagerduty={"oncall": PagerDuty("env:ONCALL", former_routing_keys=("env:OLD",))}, slack=SETTINGS.slack
    )
    people.use(rotated, {**SECRETS, "ONCALL": "c" * 32, "OLD": "a" * 32})
    people.deliverer.deliver(closed)
    assert people.account.still_open() == []


def test_a_record_and_a_state_hold_no_secret(people):
    people.deliverer.deliver(one(cause()))
    written = b"".join(people.storage.get(entry.key).body for entry in people.storage.list())
    for secret in SECRETS.values():
        assert secret.encode() not in written
    assert b"env:ONCALL" in written


def test_a_second_notifier_waits_for_the_first_ones_lease(people):
    from monitoring.notify.deliverer import Later

    class Stuck(PagerDutyAccount):
        def trigger(self, *arguments):
            raise SystemExit

    other = Deliverer(
        people.storage, SETTINGS, Secrets(SECRETS), Stuck(), SlackWorkspace(), lambda: people.now, "stuck"
    )
    message = one(cause())
    with pytest.raises(SystemExit):
        other.deliver(message)
    with pytest.raises(Later, match="another notifier works on"):
        people.deliverer.deliver(message)
    people.now += dt.timedelta(minutes=5)
    people.deliverer.deliver(message)
    assert len(people.account.incidents) == 1


def test_a_notifier_that_lost_its_lease_closes_what_it_opened_too_late(people):
    """The first notifier stops for minutes inside its call; the second closes the cause meanwhile."""
    from monitoring.notify.deliverer import Later

    opened, closed = conversation(window(0, cause()), *(window(hour) for hour in range(1, 8)))

    class Slow(PagerDutyAccount):
        def trigger(account, *arguments):
            people.now += dt.timedelta(minutes=10)
            people.deliverer.deliver(closed)
            people.account.trigger(*arguments)

        def resolve(account, *arguments):
            people.account.resolve(*arguments)

    slow = Deliverer(people.storage, SETTINGS, Secrets(SECRETS), Slow(), SlackWorkspace(), lambda: people.now, "slow")
    with pytest.raises(Later, match="took over"):
        slow.deliver(opened)
    assert people.account.still_open() == []

"""The state in S3: written by conditional writes, together with the message; published at least once."""

import concurrent.futures
import datetime as dt
import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from monitoring.alarms.composer import Context, context_of, context_of_observation
from monitoring.alarms.message import Change, RunMessage, decode, encode, schema
from monitoring.alarms.observation import of_run
from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.alarms.sns import MAX_BYTES, TopicPublisher, attributes_of, subject_of
from monitoring.errors import MonitoringError
from monitoring.result import CauseKind, Outcome, Status, Subject, WindowCompleteness
from monitoring.storage import open_storage
from tests.monitoring.alarms.examples import HOUR, START, cause, window
from tests.monitoring.alarms.results import column, result

SCHEMA = Path(__file__).resolve().parents[3] / "docs/schemas/run-message-1.json"


class Collected:
    """A publisher that keeps messages, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.messages: list[RunMessage] = []
        self.failures = failures

    def publish(self, message: RunMessage) -> None:
        if self.failures:
            self.failures -= 1
            raise MonitoringError("the topic did not answer")
        self.messages.append(message)


@pytest.fixture
def register(tmp_path):
    published = Collected()
    made = AlarmRegister(open_storage(str(tmp_path)), Policy(), published)
    return made, published


def test_monitors_that_write_at_once_lose_no_window(s3_bucket):
    storage = open_storage(f"s3://{s3_bucket}/monitor")

    def monitor(number: int) -> None:
        made = AlarmRegister(open_storage(f"s3://{s3_bucket}/monitor"), Policy(pages_per_month=100), Collected())
        for hour in range(4):
            made.apply(window(hour, cause(f"completeness:c{number}"), monitor=f"monitor-{number}"))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(monitor, range(4)))
    state = AlarmRegister(storage, Policy()).state("flights", "AllTraffic")
    assert sorted(held.cause.key for held in state.open_causes()) == [f"completeness:c{number}" for number in range(4)]
    windows = {lane: known for lane, known in state.windows.items() if not lane.startswith("heartbeat")}
    assert {lane: len(known) for lane, known in windows.items()} == {f"monitor-{n}|3": 4 for n in range(4)}
    assert state.outbox == ()


def test_a_message_that_could_not_be_published_goes_out_with_the_next_run(tmp_path):
    publisher = Collected(failures=1)
    made = AlarmRegister(open_storage(str(tmp_path)), Policy(), publisher)
    with pytest.raises(MonitoringError, match="did not answer"):
        made.record(result(0, cause()))
    assert [message.revision for message in made.state("flights", "AllTraffic").outbox] == [1]
    made.record(result(1, cause()))
    assert [message.revision for message in publisher.messages] == [1]
    assert made.state("flights", "AllTraffic").outbox == ()


def test_a_run_with_nothing_new_sends_nothing(register):
    made, published = register
    made.record(result(0, cause()))
    made.record(result(1, cause()))
    made.record(result(1, cause()))
    assert len(published.messages) == 1


def test_a_run_that_judged_nothing_says_what_was_not_judged(register):
    made, published = register
    empty = result(
        0, cause("no_data:all"), outcome=Outcome.NOT_JUDGED, columns=(), method=None,
        completeness=WindowCompleteness(None, 0, None),
    )  # fmt: skip
    made.record(empty)
    [message] = published.messages
    assert message.completeness == "completeness unknown, 0 records"
    assert [item.kind for item in message.items] == [CauseKind.NO_DATA]


def test_a_run_without_a_drift_decision_closes_no_drift(register):
    made, published = register
    made.record(result(0, cause("drift:temp")))
    for hour in range(1, 20):
        made.record(result(hour, method=None))
    assert [message.items[0].change for message in published.messages] == [Change.NEW]


def test_columns_that_are_not_judged_are_unknown_to_the_alarms():
    seen = of_run(result(0, columns=(column("a", Status.NOT_JUDGED), column("b"))))
    assert not seen.judges(cause("drift:x", columns=("a",)))
    assert seen.judges(cause("drift:x", columns=("a", "b")))


def test_a_monitor_that_did_not_run_opens_a_page_and_its_next_run_closes_it(register):
    made, published = register
    made.record(result(0))
    made.check_heartbeats("flights", "AllTraffic", START + 3 * HOUR)
    assert published.messages == []
    for hours in (5, 6, 7):
        made.check_heartbeats("flights", "AllTraffic", START + hours * HOUR)
    made.record(result(1, created=START + 8 * HOUR))
    assert [(message.items[0].key, str(message.items[0].change)) for message in published.messages] == [
        ("heartbeat:hourly", "new"),
        ("heartbeat:hourly", "recovered"),
    ]


def test_the_old_versions_causes_close_when_another_version_serves(register):
    made, published = register
    made.record(result(0, cause("drift:temp")))
    subject = Subject("flights", "AllTraffic", "flights-delay", "4", "hourly")
    made.supersede(Context(subject, START, START + HOUR, START + HOUR), "4")
    [_, closed] = published.messages
    assert [(item.change, item.model_version) for item in closed.items] == [(Change.SUPERSEDED, "3")]
    assert not made.state("flights", "AllTraffic").open_causes()


def test_a_message_keeps_to_its_schema_and_survives_its_encoding(register):
    made, published = register
    made.record(result(0, cause(), cause("drift:temp")), "https://reports.example/1", "https://reports.example/trend")
    [message] = published.messages
    text = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    assert SCHEMA.read_text() == text, (
        f"the message changed: raise its version if a field went, and write {SCHEMA.name} again"
    )
    jsonschema.validate(json.loads(encode(message)), json.loads(SCHEMA.read_text()))
    assert decode(encode(message)) == message
    assert [entry.name for entry in message.not_judged] == ["weekday"]


def test_a_newer_message_is_refused_with_what_to_do(register):
    made, published = register
    made.record(result(0, cause()))
    newer = msgspec.structs.replace(published.messages[0], version=9)
    with pytest.raises(MonitoringError, match="has version 9; this program reads up to 1: update it"):
        decode(encode(newer))


def test_text_that_sns_and_sqs_refuse_is_cleaned(register):
    made, published = register
    made.record(result(0, cause(), verdict="a\x00b\ud800c\ufffe 😀 é"))
    [message] = published.messages
    assert message.verdict == "a�b�c� 😀 é"
    encode(message).decode()


def check_notification(subject, body, attributes):
    """What SNS takes: moto counts characters, and lets more than ten attributes and emoji through."""
    assert 0 < len(subject) < 100
    assert subject.isascii()
    assert "\n" not in subject
    size = len(body.encode())
    for name, value in attributes.items():
        assert value["DataType"] in ("String", "Number")
        text = value["StringValue"]
        assert text.strip()
        assert all(" " <= letter <= "~" for letter in text)
        size += len(name) + len(value["DataType"]) + len(text.encode())
    assert len(attributes) <= 10
    assert size <= 262_144


@pytest.mark.parametrize("endpoint", ["flights", "größe\n😀" * 60, " "])
def test_a_notification_is_within_the_limits_of_sns(tmp_path, endpoint):
    seen = window(0, *(cause(f"drift:c{number}") for number in range(300)), endpoint=endpoint)
    publisher = Collected()
    register = AlarmRegister(open_storage(str(tmp_path)), Policy(), publisher)
    register.apply(seen, context_of_observation(seen, "m" * 400))
    [message] = publisher.messages
    from monitoring.alarms.sns import body_of

    body = body_of(message, open_storage(str(tmp_path)))
    check_notification(subject_of(message), body, attributes_of(message))
    assert len(body.encode()) <= MAX_BYTES


def test_a_topic_receives_the_message_with_its_severity(aws, tmp_path):
    topic, queue, _ = aws.topic_and_queue()
    publisher = TopicPublisher(topic, open_storage(str(tmp_path)), lambda: aws.client("sns"))
    AlarmRegister(open_storage(str(tmp_path)), Policy(), publisher).record(result(0, cause()))
    received = aws.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    [entry] = received
    assert entry["MessageAttributes"]["severity"]["StringValue"] == "page"
    assert isinstance(decode(entry["Body"]), RunMessage)


def test_a_topic_that_does_not_exist_is_named_and_the_message_waits(aws, tmp_path):
    publisher = TopicPublisher("arn:aws:sns:us-east-1:123456789012:gone", open_storage(str(tmp_path)))
    register = AlarmRegister(open_storage(str(tmp_path)), Policy(), publisher)
    with pytest.raises(MonitoringError, match=r"gone.*waits in the alarm state"):
        register.record(result(0, cause()))
    assert len(register.state("flights", "AllTraffic").outbox) == 1


def test_the_context_of_a_result_carries_report_and_retraining():
    context = context_of(result(0), "r", "t", "Retraining started.")
    assert (context.report, context.trend, context.retraining) == ("r", "t", "Retraining started.")
    assert context.created - context.end == dt.timedelta(minutes=5)

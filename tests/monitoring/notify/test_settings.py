"""Routes, references to secrets, and mistakes in monitor.toml that are named."""

import os
import subprocess
import sys

import pytest

from monitoring.errors import UsageError
from monitoring.notify.secrets import SecretError, Secrets, check_reference, fingerprint
from monitoring.notify.settings import load, parse
from monitoring.result import Grade, Urgency
from tests.monitoring.alarms.examples import cause
from tests.monitoring.notify.messages import one

TOML = """
[alarms]
topic = "arn:aws:sns:us-east-1:1:t"
quiet_hours = 4
[alarms.urgency]
"drift:fare" = "page"
[notify]
state = "s3://bucket/monitor"
[notify.pagerduty.oncall]
routing_key = "env:ONCALL"
[notify.pagerduty.science]
routing_key = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:pd-AbC#key"
[notify.slack.ml-alerts]
webhook = "env:HOOK"
[notify.slack.quiet]
token = "env:TOKEN"
channel = "C1"
[[notify.route]]
kind = ["quality", "concept"]
pagerduty = "science"
slack = "ml-alerts"
[[notify.route]]
endpoint = "flights*"
at_least = "medium"
pagerduty = "oncall"
slack = "ml-alerts"
[[notify.route]]
slack = "quiet"
"""


@pytest.fixture
def loaded(tmp_path):
    path = tmp_path / "monitor.toml"
    path.write_text(TOML)
    return load(path)


@pytest.mark.parametrize(
    ("key", "grade", "expected"),
    [
        ("quality:risk", Grade.SMALL, ("science", "ml-alerts")),
        ("completeness:a", Grade.MEDIUM, ("oncall", "ml-alerts")),
        ("completeness:a", Grade.SMALL, ("", "quiet")),
    ],
)
def test_the_first_route_that_matches_wins(loaded, key, grade, expected):
    settings, policy = loaded
    message = one(cause(key, grade))
    found = (settings.pagerduty_for(message, message.items[0]), settings.slack_for(message, list(message.items)))
    assert found == expected
    assert policy.quiet_hours == 4
    assert policy.urgency == {"drift:fare": Urgency.PAGE}


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"route": [{"slack": "nowhere"}]}, "slack 'nowhere': give one of none defined"),
        ({"pagerduty": {"a": {"routing_key": "0123456789abcdef0123456789abcdef"}}}, "holds no reference"),
        ({"slack": {"a": {"webhook": "env:A", "token": "env:B"}}}, "either webhook or token"),
        ({"slack": {"a": {"token": "env:B"}}}, "token and channel together"),
        ({"stae": "x"}, "stae"),
        ({"foreign": "page"}, "foreign"),
    ],
)
def test_a_mistake_is_named(table, named):
    with pytest.raises(UsageError, match=named) as caught:
        parse(table)
    assert "0123456789abcdef0123456789abcdef" not in str(caught.value)


def test_two_destinations_without_a_route_are_a_question():
    settings = parse({"slack": {"a": {"webhook": "env:A"}, "b": {"webhook": "env:B"}}})
    with pytest.raises(UsageError, match="2 slack destinations"):
        settings.routes()


def test_a_secret_comes_from_the_environment_or_secrets_manager_and_is_redacted(aws):
    arn = aws.client("secretsmanager").create_secret(Name="pd", SecretString='{"key": "r0uting-key"}')["ARN"]
    secrets = Secrets({"HOOK": "https://hooks.example/secret"})
    assert secrets.value("env:HOOK") == "https://hooks.example/secret"
    assert secrets.value(f"{arn}#key") == "r0uting-key"
    assert secrets.redact("r0uting-key at https://hooks.example/secret") == "*** at ***"
    check_reference(f"{arn}#key", "here")


def test_a_secret_that_was_rotated_is_read_again_after_it_was_forgotten(aws):
    client = aws.client("secretsmanager")
    arn = client.create_secret(Name="pd", SecretString="first-value")["ARN"]
    secrets = Secrets({})
    assert secrets.value(arn) == "first-value"
    client.put_secret_value(SecretId=arn, SecretString="second-value")
    assert secrets.value(arn) == "first-value"
    secrets.forget(arn)
    assert secrets.value(arn) == "second-value"


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ("env:NOT_SET", "NOT_SET is not set"),
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:gone", "ResourceNotFoundException"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_by_its_reference(aws, reference, named):
    with pytest.raises(SecretError, match=named):
        Secrets({}).value(reference)


def test_a_secret_without_the_key_is_named_without_its_text(aws):
    arn = aws.client("secretsmanager").create_secret(Name="pd", SecretString='{"other": "hidden"}')["ARN"]
    with pytest.raises(SecretError, match="with the key 'key'") as caught:
        Secrets({}).value(f"{arn}#key")
    assert "hidden" not in str(caught.value)


def test_a_fingerprint_does_not_hold_the_secret():
    assert fingerprint("abc") != fingerprint("abd")
    assert "abc" not in fingerprint("abc")


def test_the_command_names_what_is_missing(tmp_path):
    path = tmp_path / "monitor.toml"
    path.write_text("[notify]\n")
    command = [sys.executable, "-m", "monitoring", "notify", "--config", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert ended.returncode == 2
    assert ended.stderr == "monitoring notify: no queue: give --queue URL or set notify.queue in monitor.toml\n"

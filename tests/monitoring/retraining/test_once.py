"""One start for one episode, however many monitors run at once and wherever they are killed."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.alarms.state import SubjectState
from monitoring.alarms.transition import observe
from monitoring.errors import MonitoringError
from monitoring.result import Subject
from monitoring.retraining.controller import Retraining, RetrainingOutcome
from monitoring.retraining.decision import Verdict
from monitoring.retraining.guard import Guards, StartStage, guard_key
from monitoring.retraining.pipeline import PipelineStarter
from monitoring.retraining.settings import Rule
from monitoring.retraining.starter import Starter, StartRefused, StartRequest
from monitoring.retraining.wiring import report, starter_of
from monitoring.storage import Storage, open_storage
from tests.monitoring.alarms.examples import HOUR, START, cause, window

RULE = Rule(name="risk", causes=("quality:*",), rest_hours=24, pipeline="flights-train")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """Kills the process at one step in ten, until it is over."""

    random: random.Random
    kills: int = 0
    over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self) -> None:
        with self.lock:
            if not self.over and self.random.random() < 0.12:
                self.kills += 1
                raise Killed


class Mortal:
    """Calls an object's methods, and may die before and after each call."""

    def __init__(self, inner: Any, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._fate.step()
            answer = found(*arguments, **named)
            self._fate.step()
            return answer

        return call


def state_of(*keys: str, episode: int = 1) -> SubjectState:
    state = SubjectState("flights", "AllTraffic", episodes=dict.fromkeys(keys, episode - 1))
    for hour in range(3):
        state, _ = observe(state, window(hour, *(cause(key) for key in keys)), Policy())
    return state


def wave(
    storage: Storage, state: SubjectState, starter: Starter, fate: Fate, now: dt.datetime
) -> list[RetrainingOutcome]:
    """Four monitors consider one state at once; those that are killed return nothing."""

    def monitor(number: int) -> list[RetrainingOutcome]:
        made = Retraining(Mortal(storage, fate), (RULE,), lambda rule: Mortal(starter, fate), lambda: now)
        try:
            return made.consider(state, "s3://bucket/manifest.json")
        except Killed:
            return []

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return [outcome for outcomes in pool.map(monitor, range(4)) for outcome in outcomes]


def create_pipeline(aws) -> None:
    definition = {"Parameters": [{"Name": name, "Type": "String"} for name in ("CauseUri", "ManifestUri")], "Steps": []}
    aws.client("sagemaker").create_pipeline(
        PipelineName="flights-train",
        PipelineDefinition=json.dumps(definition),
        ClientRequestToken="a" * 32,
        RoleArn="arn:aws:iam::123456789012:role/pipeline",
    )


def executions(aws) -> Counter[str]:
    found = aws.client("sagemaker").list_pipeline_executions(PipelineName="flights-train")["PipelineExecutionSummaries"]
    return Counter(entry["PipelineExecutionDisplayName"] for entry in found)


def play(storage: Storage, starter: Starter, rounds: int, seed: int) -> int:
    """Rounds of one episode each; monitors come back, hour by hour, until the start is recorded. Returns the kills."""
    kills = 0
    for number in range(1, rounds + 1):
        fate = Fate(random.Random(seed + number))
        state = state_of(f"quality:auc{number}")
        now = START + number * 30 * HOUR
        key = guard_key("flights", "AllTraffic", f"quality:auc{number}", 1, 1)
        for attempt in range(20):
            fate.over = attempt >= 12
            wave(storage, state, starter, fate, now)
            now += dt.timedelta(minutes=11)
            guards = {guard.cause.key: guard for guard in Guards(storage, "flights", "AllTraffic", "x").all()}
            held = guards.get(f"quality:auc{number}")
            if held is not None and held.stage is StartStage.STARTED:
                break
        else:
            raise AssertionError(f"round {number}: nothing was started under {key}")
        kills += fate.kills
    return kills


def pipeline_of(aws) -> PipelineStarter:
    client = aws.client("sagemaker")
    return PipelineStarter(RULE, lambda: client)


def test_monitors_that_are_killed_start_a_pipeline_once(aws, tmp_path):
    create_pipeline(aws)
    kills = play(open_storage(str(tmp_path)), pipeline_of(aws), rounds=5, seed=1)
    assert kills >= 10
    assert set(executions(aws).values()) == {1}
    assert len(executions(aws)) == 5


@pytest.mark.long
def test_two_hundred_kills_of_four_monitors_start_each_pipeline_once(aws, s3_bucket):
    create_pipeline(aws)
    kills, rounds, starter = 0, 0, pipeline_of(aws)
    while kills < 200:
        kills += play(open_storage(f"s3://{s3_bucket}/{rounds}"), starter, rounds=20, seed=1_000 + rounds)
        rounds += 20
        assert set(executions(aws).values()) == {rounds // 20}


@dataclass
class Collected:
    """A publisher that keeps messages."""

    messages: list[Any] = field(default_factory=list)

    def publish(self, message: Any) -> None:
        self.messages.append(message)


@dataclass
class Noted:
    """A starter that notes its requests down."""

    requests: list[StartRequest] = field(default_factory=list)
    problem: MonitoringError | None = None

    def start(self, request: StartRequest) -> str:
        if self.problem is not None:
            raise self.problem
        self.requests.append(request)
        return f"run-{len(self.requests)}"

    def find(self, request: StartRequest, since: dt.datetime) -> str | None:
        return next((f"run-{n + 1}" for n, held in enumerate(self.requests) if held.key == request.key), None)


def consider(
    storage: Storage, starter: Starter, state: SubjectState, hour: float = 3, rule: Rule = RULE
) -> RetrainingOutcome:
    made = Retraining(storage, (rule,), lambda _: starter, lambda: START + hour * HOUR)
    [outcome] = made.consider(state)
    return outcome


def test_two_causes_at_once_are_one_start_of_the_rule(tmp_path):
    storage, starter = open_storage(str(tmp_path)), Noted()
    for key in ("quality:auc", "quality:recall"):
        consider(storage, starter, state_of(key))
    consider(storage, starter, state_of("quality:auc", "quality:recall"))
    assert [request.cause for request in starter.requests] == ["quality:auc"]


def test_a_start_says_what_was_started_and_for_what(tmp_path):
    storage, starter = open_storage(str(tmp_path)), Noted()
    outcome = consider(storage, starter, state_of("quality:auc"))
    assert outcome.sentence == "Retraining started at Nov 2 03:00 UTC for quality:auc, episode 1: run-1"
    [guard] = Guards(storage, "flights", "AllTraffic", "x").all()
    assert (guard.stage, guard.reference, guard.token) == (StartStage.STARTED, "run-1", starter.requests[0].token)
    assert starter.requests[0].cause_uri.endswith("retraining/flights/AllTraffic/quality%3Aauc-1.json")


def test_a_manifest_is_written_only_where_something_starts(tmp_path):
    written = []

    def manifest() -> str:
        written.append(1)
        return "s3://bucket/manifest.json"

    storage, starter = open_storage(str(tmp_path)), Noted()
    made = Retraining(storage, (RULE,), lambda _: starter, lambda: START + 3 * HOUR)
    made.consider(state_of("completeness:a"), manifest)
    assert written == []
    made.consider(state_of("quality:auc"), manifest)
    made.consider(state_of("quality:auc"), manifest)
    assert written == [1]
    assert starter.requests[0].manifest_uri == "s3://bucket/manifest.json"


def test_a_service_that_does_not_answer_is_tried_again_by_the_next_run(tmp_path):
    storage = open_storage(str(tmp_path))
    outcome = consider(storage, Noted(problem=MonitoringError("no answer")), state_of("quality:auc"))
    assert outcome.verdict is Verdict.WAIT
    starter = Noted()
    assert consider(storage, starter, state_of("quality:auc"), hour=3.1).verdict is Verdict.WAIT
    assert consider(storage, starter, state_of("quality:auc"), hour=4).verdict is Verdict.START
    assert len(starter.requests) == 1


def test_a_refused_start_needs_a_person_and_is_not_repeated(tmp_path):
    storage = open_storage(str(tmp_path))
    outcome = consider(storage, Noted(problem=StartRefused("no parameter CauseUri")), state_of("quality:auc"))
    assert outcome.verdict is Verdict.PERSON
    assert outcome.cause is not None
    assert outcome.cause.sentence == "no parameter CauseUri"
    starter = Noted()
    assert consider(storage, starter, state_of("quality:auc"), hour=5).verdict is Verdict.WAIT
    assert starter.requests == []


def test_after_two_starts_a_person_decides_and_hears_of_it_once(tmp_path):
    storage, starter, published = open_storage(str(tmp_path)), Noted(), Collected()
    register = AlarmRegister(storage, Policy(), published)
    subject = Subject("flights", "AllTraffic", "flights-delay", "3", "hourly")
    for hour in (3, 30, 60, 61):
        outcome = consider(storage, starter, state_of("quality:auc"), hour)
        report(register, subject, [outcome], START + hour * HOUR)
    assert [request.attempt for request in starter.requests] == [1, 2]
    assert [message.retraining for message in published.messages if message.retraining] == [
        "Retraining started at Nov 2 03:00 UTC for quality:auc, episode 1: run-1",
        "Retraining started at Nov 3 06:00 UTC for quality:auc, episode 1: run-2",
    ]
    asked = [item for message in published.messages for item in message.items if item.kind == "retraining"]
    assert [(item.change, item.title) for item in asked] == [("new", "Retraining did not end quality:auc")]


def test_a_rule_has_the_starter_that_it_names(tmp_path):
    make = starter_of(tmp_path)
    rules = [
        RULE,
        Rule(name="e", causes=("*",), event_bus="default"),
        Rule(name="c", causes=("*",), command=("true",)),
    ]
    assert [type(make(rule)).__name__ for rule in rules] == ["PipelineStarter", "EventStarter", "CommandStarter"]

"""What a rule asks for: which causes, how grave, for how long, with what rest, how often."""

import datetime as dt

import pytest
from msgspec.structs import replace

from monitoring.alarms.policy import Policy
from monitoring.alarms.state import SubjectState
from monitoring.alarms.transition import observe
from monitoring.errors import UsageError
from monitoring.result import Grade
from monitoring.retraining.decision import Verdict, decide
from monitoring.retraining.guard import Guard, StartStage
from monitoring.retraining.settings import Rule, parse
from monitoring.storage.lease import Lease
from tests.monitoring.alarms.examples import HOUR, START, cause, window

RULE = Rule(name="risk", causes=("drift:*",), for_hours=3, rest_hours=24, pipeline="flights-train")


def open_causes(hours, *causes):
    state = SubjectState("flights", "AllTraffic")
    for hour in range(hours):
        state, _ = observe(state, window(hour, *causes), Policy())
    return state.open_causes()


def start(hour, key="drift:wind_gust", episode=1, stage=StartStage.STARTED, attempt=1, rule="risk"):
    at = START + hour * HOUR
    return Guard(
        rule=rule, endpoint="flights", variant="AllTraffic", model_version="3", episode=episode, attempt=attempt,
        cause=cause(key), claimed=at, lease=Lease("h", at), token="t", stage=stage,
    )  # fmt: skip


def verdict(hour, causes, earlier=(), rule=RULE):
    return decide(rule, causes, earlier, START + hour * HOUR)


def test_a_storm_of_windows_starts_once_then_rests_then_once_more_then_asks_a_person():
    """R58: 48 hours of one alarm."""
    drift = cause("drift:wind_gust")
    earlier: list[Guard] = []
    found: list[str] = []
    for hour in range(1, 96):
        decision = verdict(hour, open_causes(hour, drift), earlier)
        found.append(str(decision.verdict))
        if decision.verdict is Verdict.START:
            earlier.append(start(hour, attempt=decision.attempt))
    assert found.count("start") == 2
    assert [index + 1 for index, word in enumerate(found) if word == "start"] == [3, 27]
    assert set(found[51:]) == {"person"}


def test_a_cause_that_is_not_grave_enough_or_that_no_pattern_names_starts_nothing():
    assert verdict(9, open_causes(9, cause("drift:a", Grade.MEDIUM))).verdict is Verdict.NOTHING
    assert verdict(9, open_causes(9, cause("completeness:a"))).verdict is Verdict.NOTHING


def test_a_new_episode_of_the_same_cause_counts_as_another_attempt():
    causes = [replace(held, episode=2) for held in open_causes(9, cause("drift:wind_gust"))]
    decision = verdict(100, causes, [start(0)])
    assert (decision.verdict, decision.attempt) == (Verdict.START, 1)
    decision = verdict(200, causes, [start(0), start(100, episode=2)])
    assert decision.verdict is Verdict.PERSON


def test_the_rest_holds_for_all_causes_of_the_rule():
    causes = open_causes(9, cause("drift:wind_gust"), cause("drift:carrier"))
    decision = verdict(10, causes, [start(5)])
    assert decision.verdict is Verdict.WAIT
    assert decision.reason == "the rule rests until Nov 3 05:00 UTC"


def test_another_rules_start_does_not_count():
    assert verdict(10, open_causes(9, cause("drift:wind_gust")), [start(9, rule="other")]).verdict is Verdict.START


def test_a_start_that_was_claimed_and_not_recorded_is_asked_for_again():
    decision = verdict(10, open_causes(9, cause("drift:wind_gust")), [start(9, stage=StartStage.CLAIMED)])
    assert (decision.verdict, decision.attempt) == (Verdict.START, 1)


def test_starts_are_forgotten_after_a_month():
    earlier = [start(0), start(30)]
    assert verdict(40 * 24, open_causes(9, cause("drift:wind_gust")), earlier).verdict is Verdict.START


def test_the_table_is_read():
    [rule] = parse({"rule": [{"name": "risk", "causes": ["quality:*"], "command": ["python", "train.py"]}]})
    assert rule.command == ("python", "train.py")
    assert rule.rest_hours == 24
    assert START.tzinfo is dt.UTC


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"name": "a b", "causes": ["*"], "pipeline": "p"}, "letters, digits and hyphens"),
        ({"name": "a", "causes": ["*"]}, "exactly one of pipeline"),
        ({"name": "a", "causes": ["*"], "pipeline": "p", "event_bus": "b"}, "exactly one of pipeline"),
        ({"name": "a", "causes": [], "pipeline": "p"}, "names no cause"),
        ({"name": "a", "causes": ["*"], "pipeline": "p", "attempts": 0}, "attempts is 0"),
        (
            {"name": "a", "causes": ["*"], "pipeline": "p", "cause_parameter": "a b"},
            "not a name of a pipeline parameter",
        ),
        ({"name": "a", "causes": ["*"], "pipeline": "p", "rest": 1}, "rest"),
    ],
)
def test_a_mistake_in_a_rule_is_named(rule, named):
    with pytest.raises(UsageError, match=named):
        parse({"rule": [rule]})


def test_two_rules_of_one_name_are_refused():
    rule = {"name": "a", "causes": ["*"], "pipeline": "p"}
    with pytest.raises(UsageError, match="two rules have the same name"):
        parse({"rule": [rule, rule]})

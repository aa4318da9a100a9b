"""A month's budget: an hour that is unusual at 5 % is a note, one that the budget carries is a message."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from monitoring.drift.budget import AlarmBudget, BudgetState
from monitoring.result import (
    Cause,
    CauseKind,
    DriftMethod,
    Grade,
    Outcome,
    RunResult,
    Subject,
    Urgency,
    WindowCompleteness,
)
from monitoring.schedule.month import Month, budgeted
from monitoring.storage import open_storage

START = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)


def run(unit="hour", p_tail=0.03, p_rank=0.03, start=START, kinds=(CauseKind.DRIFT, CauseKind.DATA_TYPE)):
    return RunResult(
        subject=Subject("flights", "AllTraffic", "m", None, "monitor"),
        start=start,
        end=start + dt.timedelta(hours=24 if unit == "day" else 1),
        created=start,
        outcome=Outcome.VIOLATIONS,
        verdict="",
        lead="",
        completeness=WindowCompleteness(True, 1, 1),
        rows=1,
        events=1,
        columns=(),
        violations=(),
        causes=tuple(Cause(f"{kind}:x", kind, Grade.LARGE, Urgency.MESSAGE, "", "") for kind in kinds),
        ruled_out=(),
        method=DriftMethod("", unit, 90, 1, 0.05, "", p_rank=p_rank, p_tail=p_tail),
    )


def urgencies(result):
    return {cause.kind: cause.urgency for cause in result.causes}


def test_an_hour_beyond_its_share_is_a_note_and_other_causes_stay():
    found, _ = budgeted(run(p_tail=0.01), BudgetState())
    assert urgencies(found) == {CauseKind.DRIFT: Urgency.NOTE, CauseKind.DATA_TYPE: Urgency.MESSAGE}
    assert found.method is not None
    assert found.method.budget.startswith("Of months without a change at most 5 % alarm")


def test_an_hour_within_its_share_is_a_message():
    found, _ = budgeted(run(p_tail=AlarmBudget().of_hour / 2), BudgetState())
    assert urgencies(found)[CauseKind.DRIFT] is Urgency.MESSAGE


def test_days_that_are_a_little_unusual_alarm_together_and_each_is_counted_once(tmp_path):
    """Five days at rank p 0.011: the running sum multiplies by 4.8 a day and passes 600 on the fifth."""
    month = Month(open_storage(str(tmp_path)))
    said = []
    for day in range(5):
        one = run("day", 0.01, 0.011, START + dt.timedelta(days=day))
        said.append(urgencies(month.apply(one))[CauseKind.DRIFT])
    assert said == [Urgency.NOTE] * 4 + [Urgency.MESSAGE]


def test_a_day_that_a_crash_has_judged_again_sends_the_same_message(tmp_path):
    one = run("day", AlarmBudget().of_day / 2, 0.011)
    for _ in range(2):
        assert urgencies(Month(open_storage(str(tmp_path))).apply(one))[CauseKind.DRIFT] is Urgency.MESSAGE


def test_two_model_versions_of_one_day_do_not_take_each_others_day(tmp_path):
    month = Month(open_storage(str(tmp_path)))
    for version in ("1", "2", "feature/x"):
        one = run("day", AlarmBudget().of_day / 2, 0.011)
        one = msgspec.structs.replace(one, subject=msgspec.structs.replace(one.subject, model_version=version))
        assert urgencies(month.apply(one))[CauseKind.DRIFT] is Urgency.MESSAGE


def test_an_hour_that_requests_decided_is_held_to_the_share_of_an_hour_without_a_promise():
    found, state = budgeted(run("request", p_tail=0.001), BudgetState())
    assert urgencies(found) == {CauseKind.DRIFT: Urgency.NOTE, CauseKind.DATA_TYPE: Urgency.MESSAGE}
    assert state == BudgetState()
    assert found.method is not None
    assert found.method.budget.startswith("No promise is made for a month: requests of one hour or day")
    found, _ = budgeted(run("request", p_tail=1e-6), BudgetState())
    assert urgencies(found)[CauseKind.DRIFT] is Urgency.MESSAGE


def test_a_day_that_requests_decided_is_held_to_the_share_of_a_day():
    day = msgspec.structs.replace(run("request", p_tail=AlarmBudget().of_day / 2), end=START + dt.timedelta(days=1))
    found, state = budgeted(day, BudgetState())
    assert urgencies(found)[CauseKind.DRIFT] is Urgency.MESSAGE
    assert state.last_day == (START - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).days


def test_a_window_that_was_not_judged_has_no_budget():
    plain = run()
    assert plain.method is not None
    plain = msgspec.structs.replace(plain, method=msgspec.structs.replace(plain.method, p_tail=None, p_rank=None))
    assert budgeted(plain, BudgetState()) == (plain, BudgetState())


@pytest.mark.parametrize("neighbours", [0.0, 0.9])
def test_no_promise_is_made_where_days_are_too_much_alike(neighbours):
    one = run("day", 0.5, 0.5)
    assert one.method is not None
    found, _ = budgeted(
        msgspec.structs.replace(one, method=msgspec.structs.replace(one.method, neighbours=neighbours)), BudgetState()
    )
    assert found.method is not None
    assert found.method.budget.startswith("No promise") == (neighbours > 0.5)

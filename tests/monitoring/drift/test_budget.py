"""The month's budget: rare alarms where nothing changed, a change that lasts found, a rerun counted once."""

import msgspec
import numpy as np
import pytest

from monitoring.drift.budget import AlarmBudget, BudgetState, judge_day, judge_hour


def month(p_days):
    budget, state, alarms = AlarmBudget(), BudgetState(), []
    for day, p in enumerate(p_days):
        state, alarm = judge_day(budget, state, day, p, p)
        alarms.append(alarm.by)
    return state, alarms


def test_independent_days_without_a_change_rarely_alarm() -> None:
    rng = np.random.default_rng(0)
    months = [any(month(np.ceil(rng.random(30) * 92) / 92)[1]) for _ in range(2000)]
    assert np.mean(months) < 0.05


def test_a_small_change_that_lasts_alarms_by_the_running_sum() -> None:
    _, alarms = month([0.04] * 30)
    assert "running sum" in alarms
    assert alarms.index("running sum") < 12


def test_one_extreme_day_alarms_by_itself() -> None:
    _, alarms = month([0.3, 0.0004, 0.3])
    assert alarms == ["", "day", ""]


def test_an_hour_alarms_at_its_share_of_the_month() -> None:
    assert AlarmBudget().of_hour == pytest.approx(0.015 / 720)
    assert judge_hour(AlarmBudget(), 1e-5).alarm
    assert not judge_hour(AlarmBudget(), 1e-4).alarm


def test_a_day_that_is_judged_again_changes_nothing_and_says_the_same() -> None:
    state, first = judge_day(AlarmBudget(), BudgetState(), 5, 0.0001, 0.0001)
    assert judge_day(AlarmBudget(), state, 5, 0.0001, 0.0001) == (state, first)
    assert first.by == "day"


def test_a_day_before_the_last_one_is_judged_by_itself() -> None:
    state, _ = judge_day(AlarmBudget(), BudgetState(), 5, 0.5, 0.5)
    again, alarm = judge_day(AlarmBudget(), state, 4, 0.0001, 0.0001)
    assert again == state
    assert alarm.by == "day"


def test_an_alarm_starts_the_running_sum_again() -> None:
    state, _ = judge_day(AlarmBudget(), BudgetState(evidence=599.0, last_day=1), 2, 0.01, 0.01)
    assert (state.evidence, state.last_alarm) == (0.0, "running sum")


def test_the_state_survives_json() -> None:
    state = BudgetState(12.5, 19000)
    assert msgspec.json.decode(msgspec.json.encode(state), type=BudgetState) == state


def test_no_promise_is_made_where_days_resemble_their_neighbours() -> None:
    assert (
        AlarmBudget()
        .promise(0.7)
        .startswith("No promise is made for a month: neighbouring days are correlated by 0.70")
    )
    assert AlarmBudget().promise(0.2).startswith("Of months without a change at most 5 % alarm")

"""A window of time is held against ordinary hours and days, and declined where there are none like it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.drift.by_time import choose, decide_by_time
from monitoring.drift.calendar import TimeUnits, declines
from monitoring.drift.decision import decide
from monitoring.drift.tails import rank_p, tail_p
from monitoring.result import Status
from tests.monitoring.drift.days import MONDAY, column, days


def world(seed, baseline=91, window=1, shift=0.0, **options):
    rng = np.random.default_rng(seed)
    return [
        column("moved", rng, baseline, window, shift=shift, **options),
        *(column(f"c{i}", rng, baseline, window, **options) for i in range(4)),
    ]


def test_an_ordinary_day_is_no_drift_though_it_differs_from_the_baselines_average() -> None:
    alarms = [
        bool(decide_by_time(world(seed, effect=0.3), days(0, 91), days(91, 1), floor=0.0).decision.drifted)
        for seed in range(25)
    ]
    assert sum(alarms) <= 4


def test_a_day_unlike_all_others_drifts_in_the_column_that_moved() -> None:
    found = decide_by_time(world(1, shift=1.5), days(0, 91), days(91, 1)).decision
    assert [column.name for column in found.drifted] == ["moved"]
    assert found.method.question == "Is this day unlike ordinary days of the baseline?"
    assert found.drifted[0].summary.startswith("the mean rose by 1.")


def test_a_week_is_seven_days_and_one_of_them_is_enough() -> None:
    found = decide_by_time(world(2, window=7, shift=1.5), days(0, 91), days(91, 7))
    assert [column.name for column in found.decision.drifted] == ["moved"]
    assert len(found.p_tails) == 7
    assert found.decision.method.question == "Are these days unlike ordinary days of the baseline?"


def test_a_small_baseline_is_declined_and_the_question_says_what_was_answered_instead() -> None:
    samples = world(3, baseline=14)
    by_time = decide_by_time(samples, days(0, 14), days(14, 1))
    assert by_time.decision.method.declined == "the baseline has 14 days; at least 28 are needed"
    assert all(column.status is Status.NOT_JUDGED for column in by_time.decision.columns)
    chosen = choose(by_time, decide(samples, rng=np.random.default_rng(0)))
    assert chosen.method.question.startswith(
        "Does this window differ from the baseline's average? (the baseline has 14"
    )


def test_time_carries_the_alarm_where_it_can() -> None:
    samples = world(4)
    by_time = decide_by_time(samples, days(0, 91), days(91, 1))
    assert choose(by_time, decide(samples, rng=np.random.default_rng(0))) is by_time.decision


def test_a_window_far_past_the_baselines_end_is_declined() -> None:
    reason = declines(days(0, 91), days(140, 1))
    assert reason.startswith("the window lies 50 days past the baseline's end, at most 10")


def test_a_rolling_reference_has_no_end_to_be_past() -> None:
    assert declines(days(0, 91), days(140, 1), rolling=True) == ""


def test_sparse_hours_are_declined() -> None:
    starts = MONDAY + np.arange(24 * 60)
    rows = np.where(starts % 24 == 3, 5.0, 300.0)
    night = TimeUnits(np.array([MONDAY + 24 * 60 + 3]), np.array([4.0]), hours=1)
    noon = TimeUnits(np.array([MONDAY + 24 * 60 + 12]), np.array([290.0]), hours=1)
    hours = TimeUnits(starts, rows, hours=1)
    assert declines(hours, night) == "an ordinary hour like it has 5 rows; at least 30 are needed"
    assert declines(hours, noon) == ""


def test_days_that_resemble_their_neighbours_are_declined() -> None:
    found = decide_by_time(world(5, effect=1.0, phi=0.97), days(0, 91), days(91, 1))
    assert found.decision.method.declined.startswith("neighbouring days resemble each other too much")


def test_weekends_are_held_against_weekends() -> None:
    strata = days(0, 14).strata()
    assert strata.tolist() == [0, 0, 0, 0, 0, 1, 1] * 2


def test_a_weekday_is_meant_in_local_time() -> None:
    friday_night = TimeUnits(np.array([MONDAY + 5 * 24 - 3]), np.ones(1), offset=6)
    assert friday_night.strata().tolist() == [1]


@given(st.lists(st.floats(0, 100), min_size=5, max_size=60), st.floats(0, 200))
def test_an_extrapolated_p_value_falls_with_the_statistic_and_never_exceeds_1(ordinary: list[float], t: float) -> None:
    known = np.array(ordinary)
    p = tail_p(known, np.array([t, t + 1.0]), 0.2)
    assert 0 <= p[1] <= p[0] * (1 + 1e-9) + 0.2
    assert p[0] <= 1
    assert rank_p(known, np.array([t]))[0] >= 1 / (len(known) + 1)


def test_a_column_that_never_varied_drifts_when_it_changes() -> None:
    rng = np.random.default_rng(6)
    constant = column("constant", rng, 91, 1, effect=0.0)
    steady = np.zeros_like(constant.baseline_units)
    steady[:, 3] = 400
    moved = np.zeros((1, steady.shape[1]))
    moved[0, 5] = 400
    fine_b, fine_w = np.zeros(len(constant.coarse_of_fine)), np.zeros(len(constant.coarse_of_fine))
    fine_b[np.flatnonzero(constant.coarse_of_fine == 3)[0]] = 91 * 400
    fine_w[np.flatnonzero(constant.coarse_of_fine == 5)[0]] = 400
    samples = [
        type(constant)("constant", False, False, fine_b, fine_w, constant.coarse_of_fine, moved, steady),
        *world(7)[1:],
    ]
    found = decide_by_time(samples, days(0, 91), days(91, 1)).decision
    assert [c.name for c in found.drifted] == ["constant"]
    assert found.drifted[0].linf == pytest.approx(1.0)


def test_a_day_with_a_hundredth_of_the_traffic_is_not_unlike_for_its_noise() -> None:
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        samples = [column(f"c{i}", rng, 91, 1, rows=400) for i in range(3)]
        small = []
        for sample in samples:
            counts = rng.multinomial(4, sample.baseline_fine / sample.baseline_fine.sum()).astype(float)
            units = np.bincount(sample.coarse_of_fine, weights=counts)[None, :]
            small.append(dataclasses.replace(sample, window_fine=counts, window_units=units, window_sums=np.zeros(0)))
        found += bool(decide_by_time(small, days(0, 91), days(91, 1)).decision.drifted)
    assert found <= 4

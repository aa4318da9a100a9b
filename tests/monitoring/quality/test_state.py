"""States of hours merge to the state of the day, whatever the order, and survive their file."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.errors import MonitoringError
from monitoring.quality.bootstrap import effective_units, make_intervals
from monitoring.quality.measurement import measure_state, metric_sums
from monitoring.quality.metric import IntervalScale, MetricSums, ratio
from monitoring.quality.problem import Problem, Question, Unit
from monitoring.quality.state import QualityState, decode_state, encode_state, merge_states
from monitoring.quality.units import MAX_UNITS, group_units
from tests.monitoring.quality.samples import World

QUESTION = Question(Problem.BINARY, probability="p")


def window(seed: int, requests: int = 60, hours: int = 5) -> QualityState:
    rng = np.random.default_rng(seed)
    state = World().draw(rng, requests)
    hour = rng.integers(0, hours, requests)[state.unit]
    return replace(state, time=hour * 3_600_000_000)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_day_is_the_merge_of_its_hours_in_any_order(seed: int) -> None:
    state = window(seed)
    hours = [part for _, part in state.hours()]
    order = np.random.default_rng(seed).permutation(len(hours))
    merged = merge_states([merge_states([decode_state(encode_state(hours[i]))]) for i in order])
    assert len(merged) == len(state)
    left, _ = metric_sums(state, QUESTION)
    right, _ = metric_sums(merged, QUESTION)
    for one, other in zip(left, right, strict=True):
        assert one.value == (None if other.value is None else pytest.approx(other.value, abs=1e-12))


def test_class_names_of_different_hours_are_merged_by_name() -> None:
    one = replace(window(1, 3), predicted=np.zeros(1), label=np.zeros(1), **_columns(1), classes=("b",))
    two = replace(window(1, 3), predicted=np.zeros(1), label=np.ones(1), **_columns(1), classes=("c", "a"))
    merged = merge_states([one, two])
    assert [merged.classes[int(code)] for code in merged.label] == ["b", "a"]


def _columns(rows: int) -> dict[str, np.ndarray]:
    numbers = np.zeros(rows)
    ids = np.zeros(rows, np.int64)
    return {"unit": ids, "time": ids, "score": numbers, "weight": numbers + 1, "delay": numbers}


def test_a_file_that_is_not_a_state_is_named() -> None:
    with pytest.raises(MonitoringError, match="not a state"):
        decode_state(b"nothing")


def test_hours_and_days_can_be_the_units() -> None:
    state = window(2, requests=40, hours=30)
    assert len(np.unique(state.unit_ids(Unit.DAY))) == 2
    assert len(np.unique(state.unit_ids(Unit.HOUR))) == len(list(state.hours()))


def test_many_units_are_joined_to_blocks_and_nothing_is_lost() -> None:
    ids = np.repeat(np.arange(30_000), 2)
    units = group_units(ids)
    assert (units.count, units.units) == (MAX_UNITS, 30_000)
    assert units.sums(np.ones(len(ids))).sum() == 60_000


def test_the_same_seed_gives_the_same_interval() -> None:
    state = window(3, 200)
    one, _ = measure_state(state, QUESTION, np.random.default_rng(7), 200)
    two, _ = measure_state(state, QUESTION, np.random.default_rng(7), 200)
    assert one == two


def test_few_units_or_few_positives_give_too_few_and_no_interval() -> None:
    few = World().draw(np.random.default_rng(4), 20)
    metrics, _ = measure_state(few, QUESTION, np.random.default_rng(0), 100)
    assert all(metric.low is None for metric in metrics)
    rare = World(rate=0.0005).draw(np.random.default_rng(5), 500)
    by_name = {m.name: m for m in measure_state(rare, QUESTION, np.random.default_rng(0), 100)[0]}
    assert by_name["recall"].low is None
    assert by_name["recall"].value is None or "too few" in by_name["recall"].interval_reason


def test_effective_units_count_the_units_that_decide() -> None:
    sums = np.column_stack([np.r_[np.ones(15), np.zeros(985)], np.ones(1000)])
    metric = MetricSums("rate", 0.015, sums, ratio, IntervalScale.SHARE, "neither")  # type: ignore[arg-type]
    assert effective_units(metric) == pytest.approx(15, rel=0.1)


def test_intervals_hold_the_truth_at_about_their_rate() -> None:
    rng = np.random.default_rng(6)
    truth = 0.3
    hits, made = 0, 0
    for _ in range(300):
        n = rng.integers(4, 12, 80)
        rates = rng.beta(truth * 6, (1 - truth) * 6, 80)
        sums = np.column_stack([rng.binomial(n, rates), n]).astype(float)
        value = float(sums[:, 0].sum() / sums[:, 1].sum())
        metric = MetricSums("rate", value, sums, ratio, IntervalScale.SHARE, "neither")  # type: ignore[arg-type]
        [interval] = make_intervals([metric], rng, 400)
        if interval.low is not None and interval.high is not None:
            made += 1
            hits += interval.low <= truth <= interval.high
    assert made > 270
    assert 0.91 <= hits / made <= 0.99

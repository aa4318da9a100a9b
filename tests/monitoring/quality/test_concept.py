"""P(y|x): moved inputs alone set off no alarm, changed labels do, and what cannot be judged is declined."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.quality_worlds import ConceptWorld
from monitoring.quality.concept import judge_concept
from monitoring.quality.design import Side, make_design
from monitoring.quality.reweighting import balance, find_overlap
from monitoring.quality.segments import find_segments

WORLD = ConceptWorld()


def judged(window: ConceptWorld, seed: int, requests: int = 400) -> bool:
    rng = np.random.default_rng(seed)
    test = judge_concept(WORLD.draw(rng, 800), window.draw(rng, requests), rng, binary=True, probability=True)
    assert test.reason == ""
    return test.changed


def test_moved_inputs_alone_are_not_a_changed_concept() -> None:
    alarms = [judged(ConceptWorld(shift=0.6, spread=0.8), seed) for seed in range(12)]
    assert sum(alarms) <= 3  # a rate of 5 % gives more than 3 of 12 in 1 of 400 suites; the benchmark has the rate


def test_flipped_labels_are_found_whether_inputs_moved_or_not() -> None:
    assert sum(judged(ConceptWorld(flip=0.1), seed, 1000) for seed in range(5)) >= 4
    assert sum(judged(ConceptWorld(flip=0.1, shift=0.5), seed, 1000) for seed in range(5)) >= 4


def test_inputs_that_training_never_had_are_not_judged() -> None:
    rng = np.random.default_rng(1)
    test = judge_concept(
        WORLD.draw(rng, 300), ConceptWorld(shift=9.0).draw(rng, 300), rng, binary=True, probability=True
    )
    assert test.p_value is None
    assert "inputs that the baseline hardly has" in test.reason
    assert test.inputs_moved


def test_few_units_are_not_judged() -> None:
    rng = np.random.default_rng(1)
    test = judge_concept(WORLD.draw(rng, 300), WORLD.draw(rng, 10), rng, binary=True, probability=True)
    assert (test.p_value, test.reason) == (None, "10 units, 30 are needed on both sides")


def test_an_input_that_tells_nothing_about_the_label_is_left_out() -> None:
    rng = np.random.default_rng(2)
    design = make_design(WORLD.draw(rng, 800), WORLD.draw(rng, 400), True)
    assert set(design.inputs) == {"hidden", "place"}


def test_numbers_as_labels_are_judged_as_well() -> None:
    rng = np.random.default_rng(3)

    def side(bias: float) -> Side:
        unit = np.repeat(np.arange(400), 5)
        score = rng.normal(0.5, 1.0, len(unit))
        label = score + bias + rng.normal(0, 1, len(unit))
        return Side(unit, label, score, np.ones(len(unit)), {})

    assert not judge_concept(side(0.0), side(0.0), rng, binary=False, probability=False).changed
    found = judge_concept(side(0.0), side(0.3), rng, binary=False, probability=False)
    assert found.changed
    assert found.change == pytest.approx(0.3, abs=0.1)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 6))
def test_balanced_weights_give_the_baseline_the_windows_means(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    baseline, window = rng.normal(0, 1, (400, size)), rng.normal(0.4, 0.8, (200, size))
    target = window.mean(axis=0)
    q = balance(baseline, target, np.ones(400))
    assert q is not None
    assert q.sum() == pytest.approx(1.0)
    assert (q >= 0).all()
    np.testing.assert_allclose(q @ baseline, target, atol=1e-4)


def test_a_target_outside_the_baseline_has_no_weights() -> None:
    baseline = np.random.default_rng(4).random((100, 2))
    assert balance(baseline, np.array([2.0, 0.5]), np.ones(100)) is None


def test_rows_with_common_inputs_are_all_kept() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(500, 2)), rng.normal(size=(300, 2))
    assert find_overlap(x, y, np.ones(500), np.ones(300)).share == 1.0


def side_by_place(rng: np.random.Generator, requests: int, worse: str = "") -> tuple[Side, np.ndarray]:
    unit = np.repeat(np.arange(requests), 6)
    place = rng.choice(["a", "b", "c", "d"], len(unit))
    loss = rng.gamma(2.0, 0.1, len(unit)) + 0.15 * (place == worse)
    zeros = np.zeros(len(unit))
    side = Side(unit, zeros, zeros, zeros + 1, {"place": pa.array(place), "size": rng.normal(size=len(unit))})
    return side, loss


def test_the_segment_that_fell_is_named_first_and_the_others_are_not() -> None:
    rng = np.random.default_rng(6)
    (baseline, before), (window, after) = side_by_place(rng, 300), side_by_place(rng, 300, "c")
    found = find_segments(baseline, window, (before, after), ("place",), rng)
    assert (found[0].column, found[0].value, found[0].fell) == ("place", "c", True)
    assert not any(segment.fell for segment in found[1:])


def test_ordinary_segments_raise_no_more_alarms_than_promised() -> None:
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        (baseline, before), (window, after) = side_by_place(rng, 100), side_by_place(rng, 100)
        found = find_segments(baseline, window, (before, after), ("place", "size"), rng)
        alarms += any(segment.fell for segment in found)
    assert alarms <= 8  # 5 % give more than 8 of 60 in 1 of 500 suites


def test_a_segment_of_few_units_is_shown_and_not_judged() -> None:
    rng = np.random.default_rng(7)
    (baseline, before), (window, after) = side_by_place(rng, 20), side_by_place(rng, 20)
    found = find_segments(baseline, window, (before, after), ("place",), rng)
    assert {segment.p_value for segment in found} == {None}
    assert all("30 are needed" in segment.reason for segment in found)

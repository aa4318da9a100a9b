"""How unusual an hour is among ordinary hours, and since when."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.findings.unusual import grade_hours, unusual_since, unusualness
from monitoring.result import Grade

NONE, SMALL, LARGE = Grade.NONE, Grade.SMALL, Grade.LARGE


def test_the_same_distance_is_ordinary_in_one_column_and_large_in_another() -> None:
    rng = np.random.default_rng(1)
    ordinary = np.column_stack([rng.uniform(0.3, 0.82, 80), rng.uniform(0.01, 0.04, 80)])
    assert grade_hours(np.array([[0.8, 0.8]]), ordinary) == [[NONE], [LARGE]]


def test_a_distance_near_one_is_large_where_ordinary_hours_reach_far() -> None:
    ordinary = np.random.default_rng(1).uniform(0.3, 0.82, (80, 1))
    assert grade_hours(np.array([[0.97]]), ordinary) == [[LARGE]]


def test_an_hour_without_rows_is_not_judged() -> None:
    assert grade_hours(np.array([[np.nan], [0.01]]), np.full((9, 1), 0.02)) == [[None, NONE]]


def test_a_difference_below_the_floor_is_ordinary_however_still_the_column_was() -> None:
    assert grade_hours(np.array([[0.015]]), np.full((80, 1), 0.001)) == [[NONE]]


@pytest.mark.parametrize("seed", range(5))
def test_about_five_in_a_hundred_ordinary_hours_have_a_coloured_cell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    draw = rng.beta(2, 20, (4000, 25))
    coloured = np.array([[g is not NONE for g in grades] for grades in grade_hours(draw, rng.beta(2, 20, (300, 25)))])
    assert coloured.any(axis=0).mean() < 0.12


@given(st.integers(2, 40), st.integers(1, 8), st.integers(0, 10_000))
def test_an_hour_is_more_unusual_the_farther_it_is(units: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    near = rng.uniform(0, 0.9, (3, columns))
    ordinary = rng.uniform(0, 1, (units, columns))
    less, threshold = unusualness(near, ordinary)
    more, same = unusualness(near + 0.05, ordinary)
    assert threshold == same >= 1
    assert (more > less).all()


@pytest.mark.parametrize(
    ("grades", "since"),
    [
        ([], None),
        ([None], None),
        ([LARGE, NONE], None),
        ([NONE, LARGE], 1),
        ([SMALL, NONE, NONE, NONE, LARGE, NONE, LARGE], 4),
        ([SMALL, NONE, NONE, LARGE, LARGE], 0),
        ([LARGE, None, None, None, None, LARGE], 0),
        ([NONE, LARGE, None], 1),
        ([LARGE] * 5, 0),
    ],
)
def test_a_column_is_unusual_since_the_start_of_its_last_stretch(grades: list[Grade | None], since: int | None) -> None:
    assert unusual_since(grades) == since

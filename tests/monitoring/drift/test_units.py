"""Both sides' units are made of as many requests as the other's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.drift.units import match, put_together

LEVELS = [(2000, 1.0), (1000, 8.0), (312, 64.0)]


def test_single_requests_are_held_against_single_requests() -> None:
    found = match(400, 1.0, LEVELS)
    assert found is not None
    assert (found.level, found.baseline_factor, found.window_factor) == (0, 1, 1)


def test_blocks_of_an_odd_size_are_put_together_until_they_match() -> None:
    found = match(512, 98.0, LEVELS)
    assert found is not None
    assert found.level == 2
    assert found.baseline_size == pytest.approx(found.window_size, rel=0.15)


def test_a_baseline_without_levels_has_no_match() -> None:
    assert match(512, 98.0, []) is None


@given(st.integers(300, 512), st.floats(1.0, 900.0))
def test_sizes_match_wherever_the_baseline_is_large_enough(units: int, size: float) -> None:
    found = match(units, size, [(2000, 1.0), (1000, 8.0), (1000, 64.0), (1000, 512.0)])
    assert found is not None
    assert found.baseline_size == pytest.approx(found.window_size, rel=0.16)
    assert 2000 // found.baseline_factor >= 50


def test_putting_units_together_keeps_their_counts() -> None:
    counts = np.arange(22.0).reshape(11, 2)
    found = put_together(counts, 3)
    assert found.shape == (3, 2)
    assert found.sum() == counts[:9].sum()

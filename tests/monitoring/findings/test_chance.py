"""A share that rose by chance is no finding, also where few requests are all there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from monitoring.findings.chance import CHANCE, _tail, is_by_chance, lacks_records


@given(st.integers(1, 60), st.integers(1, 2_000), st.data())
def test_the_tail_is_scipys_beta_binomial(count, units, data):
    units = max(count, units)
    alpha, beta = data.draw(st.floats(0.5, 500)), data.draw(st.floats(0.5, 5_000))
    assert _tail(count, units, alpha, beta) == pytest.approx(
        float(betabinom.sf(count - 1, units, alpha, beta)), abs=1e-8
    )


@pytest.mark.parametrize(("units", "share"), [(12, 0.02), (54, 0.16), (900, 0.3), (4, 0.5)])
def test_ordinary_windows_rise_by_more_than_chance_in_one_of_700_at_most(units, share):
    false = sum(
        float(binom.pmf(count, units, share))
        for count in range(units + 1)
        if not is_by_chance(count / units, units, share, 5_000)
    )
    assert false <= CHANCE


def test_one_of_three_requests_without_a_value_is_chance_and_a_thousand_of_three_thousand_are_not():
    assert is_by_chance(1 / 3, 3, 0.02, 5_000)
    assert not is_by_chance(1 / 3, 3_000, 0.02, 5_000)
    assert not is_by_chance(0.02002, 10**9, 0.02, 10**9)


def test_a_store_that_answers_nothing_is_silent_after_three_requests_and_one_that_lacks_a_few_ids_is_not():
    assert lacks_records(1.0, 3, 0.16)
    assert not lacks_records(2 / 3, 3, 0.16)
    assert not lacks_records(0.235, 54, 0.156)
    assert lacks_records(0.5, 54, 0.156)

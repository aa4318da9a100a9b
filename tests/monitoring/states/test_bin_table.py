"""The table finds the bin that a binary search finds, for every float but NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.states.bin_table import BinTable

EVERY = st.floats(allow_nan=False, allow_infinity=True, allow_subnormal=True)


@given(st.lists(st.floats(-1e308, 1e308), max_size=40, unique=True), st.lists(EVERY, max_size=60))
def test_a_table_finds_the_bin_of_a_binary_search(edges: list[float], values: list[float]) -> None:
    ordered = np.unique(np.array(edges) + 0.0)
    asked = np.array([*values, *edges, *np.nextafter(edges, np.inf), *np.nextafter(edges, -np.inf)])
    assert np.array_equal(BinTable(ordered).codes(asked), np.searchsorted(ordered, asked, "left"))


@pytest.mark.parametrize("name", ["normal", "lognormal", "standard_cauchy", "exponential", "poisson"])
def test_quantile_edges_of_common_distributions_need_few_steps(name: str) -> None:
    generator = np.random.default_rng(1)
    arguments = {"lognormal": {"sigma": 3.0}, "poisson": {"lam": 30.0}}.get(name, {})
    values = getattr(generator, name)(size=100_000, **arguments).astype(np.float64)
    edges = np.unique(np.quantile(values, np.arange(1, 511) / 511, method="higher"))
    table = BinTable(edges)
    assert table.steps <= 6
    assert np.array_equal(table.codes(values), np.searchsorted(edges, values, "left"))

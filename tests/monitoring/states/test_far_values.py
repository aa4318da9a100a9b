"""The sample of values without a bin: the same in any order, uniform over rows, spread without loss."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitoring.states.far_values import FAR_VALUES, FarValues, edges_beyond, merge_far, sample_far, spread_out
from monitoring.states.hashing import mix

PARTS = st.lists(st.lists(st.floats(-1e9, 1e9), max_size=40), min_size=1, max_size=5)


def sample(values: list[float], first: int = 0) -> FarValues:
    rows = mix(np.arange(first, first + len(values)).astype(np.uint64))
    return sample_far(FarValues(), np.array(values, np.float64), rows)


@given(PARTS, st.randoms())
def test_samples_merge_to_the_sample_of_all_rows_in_any_order(parts: list[list[float]], random: object) -> None:
    starts = np.cumsum([0, *map(len, parts)])
    samples = [sample(part, int(start)) for part, start in zip(parts, starts, strict=False)]
    whole = sample([value for part in parts for value in part])
    random.shuffle(samples)  # type: ignore[attr-defined]
    merged = FarValues()
    for part in samples:
        merged = merge_far(merged, part)
    assert merged.hashes.tolist() == whole.hashes.tolist()
    assert merged.values.tolist() == whole.values.tolist()


def test_a_sample_of_many_rows_has_their_quantiles() -> None:
    values = np.random.default_rng(5).lognormal(3, 1, 60_000)
    kept = FarValues()
    for start in range(0, 60_000, 7_000):
        part = values[start : start + 7_000]
        kept = sample_far(kept, part, mix(np.arange(start, start + len(part)).astype(np.uint64)))
    assert len(kept) == FAR_VALUES
    for rank in (0.05, 0.25, 0.5, 0.75, 0.95):
        below = np.mean(values <= np.quantile(kept.values, rank))
        assert abs(below - rank) < 4 * np.sqrt(rank * (1 - rank) / FAR_VALUES)


@given(
    st.lists(st.floats(-1e6, 0), max_size=30),
    st.lists(st.floats(10, 1e6, exclude_min=True), max_size=30),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(1, 9),
)
def test_no_row_is_lost_or_made_where_open_bins_are_spread(
    below: list[float], above: list[float], infinite: tuple[int, int], weight: int
) -> None:
    edges = np.array([0.0, 5.0, 10.0])
    held = sample([*below, *above])
    beyond = edges_beyond(edges, (held, sample([-3.0, 40.0])))
    rows = (float(weight * len(below) + infinite[0]), float(weight * len(above) + infinite[1]))
    spread = spread_out(edges, beyond, rows, infinite, held)
    ends = np.concatenate((beyond[0], edges, beyond[1]))
    assert (np.diff(ends) > 0).all()
    for (counts, sums), expected, further in zip(spread, rows, beyond, strict=True):
        assert len(counts) == len(sums) == len(further) + 1
        assert abs(counts.sum() - expected) < 1e-6
        assert (counts >= 0).all()


def test_infinities_are_no_values_of_the_sample() -> None:
    assert len(sample([float("inf"), float("-inf"), float("nan"), 3.0])) == 1

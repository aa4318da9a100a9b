"""A window of many times the baseline's requests is judged: it is the table then, and the baseline the sample."""

import dataclasses

import numpy as np

from monitoring.drift.decision import decide
from monitoring.drift.sample import Units
from monitoring.drift.units import is_small, match
from monitoring.result import Status
from tests.monitoring.drift.tables import categorical, numeric

BASELINE, BLOCKS, BLOCK = 80, 200, 25
RUNS = 30


def world(rng, *, shift=0.0, icc=0.5):
    """A baseline of 80 requests of 4 rows, a window of 5,000 requests in 200 blocks."""
    requests = BASELINE + BLOCKS * BLOCK
    request = np.repeat(np.arange(requests), 4)
    old = request < BASELINE
    block = (request[~old] - BASELINE) // BLOCK
    samples = []
    for index in range(3):
        own = rng.normal(size=requests)[request]
        values = np.sqrt(icc) * own + np.sqrt(1 - icc) * rng.normal(size=len(request)) + shift * (~old & (index == 0))
        if index == 2:
            codes = np.clip(np.floor(values + 2), 0, 4)
            samples.append(categorical("c2", codes[old], codes[~old], request[old], block, values=5))
            continue
        samples.append(numeric(f"c{index}", values[old], values[~old], request[old], block, fine=20, coarse=10))
    units = Units(
        window_requests=BLOCKS * BLOCK, window_size=BLOCK, rows=4.0, baseline_is_sample=True, baseline_rows=4.0
    )
    return samples, units


def test_a_window_of_sixty_times_the_baseline_is_judged_and_the_column_that_moved_is_named() -> None:
    rng = np.random.default_rng(1)
    samples, units = world(rng, shift=0.8)
    decision = decide(samples, rng=rng, units=units)
    assert [column.name for column in decision.drifted] == ["c0"]
    assert decision.columns[0].summary.startswith("the mean rose by 0.")
    assert "rows of the window resemble each other no more than" in decision.method.promise
    assert decision.method.shuffles == 0


def test_large_windows_without_a_change_rarely_alarm() -> None:
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(RUNS):
        samples, units = world(rng)
        found += any((column.p_value or 0.0) <= 0.05 for column in decide(samples, rng=rng, units=units).columns)
    assert found / RUNS <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / RUNS)


def test_what_a_large_window_could_have_shown_depends_on_the_baseline() -> None:
    rng = np.random.default_rng(3)
    samples, units = world(rng)
    few = [
        dataclasses.replace(s, baseline_units=s.baseline_units[:40], baseline_fine=s.baseline_fine / 2) for s in samples
    ]
    of_many, of_few = (decide(side, rng=rng, units=units).columns[0].detectable for side in (samples, few))
    assert of_many is not None
    assert of_few is not None
    assert of_few > 1.2 * of_many


def test_a_baseline_of_nine_requests_is_declined_for_a_large_window_too() -> None:
    rng = np.random.default_rng(4)
    samples, units = world(rng)
    few = [dataclasses.replace(s, baseline_units=s.baseline_units[:9]) for s in samples]
    decision = decide(few, rng=rng, units=units)
    assert decision.method.declined == "9 requests in the baseline; at least 10 are needed"
    assert all(column.status is Status.NOT_JUDGED for column in decision.columns)


def test_a_baseline_is_small_where_it_cannot_make_units_of_the_windows_size() -> None:
    levels = [(2000, 1.0), (250, 8.0)]
    assert not is_small(match(512, 3.0, levels), levels, 10)
    assert not is_small(match(512, 100.0, levels), levels, 10)
    assert is_small(match(512, 400.0, levels), levels, 10)
    assert is_small(match(512, 10_000.0, levels), levels, 10)
    assert not is_small(None, [], 10)

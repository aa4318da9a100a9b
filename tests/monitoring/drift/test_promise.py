"""The promises of the decision, over many windows of worlds that the constants were not chosen on.

Bounds are four standard errors wide: a test that fails here has found a broken promise, not bad luck.
"""

import numpy as np
import pytest

from monitoring.drift.decision import decide
from monitoring.drift.one_sample import holm
from monitoring.drift.permutation import step_down
from monitoring.drift.sample import Units
from monitoring.drift.tails import Share
from tests.monitoring.drift.tables import categorical, numeric

RUNS = 60


def world(rng, baseline, window, columns=4, *, shift=0.0, with_units=True, icc=0.5, tails=False):
    """Requests of 3 to 8 rows; columns of correlated, tied, gappy and categorical values; the first one may move."""
    requests = baseline + window
    sizes = rng.integers(3, 9, requests)
    unit = np.repeat(np.arange(requests), sizes)
    old = unit < baseline
    samples = []
    for index in range(columns):
        own = rng.standard_t(2, requests) if tails else rng.normal(size=requests)
        values = np.sqrt(icc) * own[unit] + np.sqrt(1 - icc) * rng.normal(size=len(unit))
        if index == 0:
            values = values + shift * ~old
        sides = (unit[old], unit[~old] - baseline)
        if index == 1:
            values = np.round(values)
        if index == 2:
            values[rng.random(len(values)) < 0.3 * rng.random(requests)[unit]] = np.nan
        if index == 3:
            values = np.clip(np.floor(values + 2), 0, 4)
            samples.append(categorical("c3", values[old], values[~old], *sides, values=5, with_units=with_units))
            continue
        samples.append(
            numeric(f"c{index}", values[old], values[~old], *sides, fine=40, coarse=10, with_units=with_units)
        )
    of_window = sizes[baseline:].astype(float)
    return samples, Units(rows=float(np.square(of_window).sum() / of_window.sum()))


def alarms(rng, runs=RUNS, **options):
    found = 0
    for _ in range(runs):
        samples, units = world(rng, 300, 40, **options)
        decision = decide(samples, rng=rng, units=units, shuffles=99, floor=1e-9)
        found += any(column.p_value is not None and column.p_value <= 0.05 for column in decision.columns)
    return found / runs


@pytest.mark.parametrize(("icc", "tails"), [(0.0, False), (0.9, False), (0.5, True)])
def test_windows_without_a_change_rarely_alarm_whatever_the_correlation_and_the_tails(icc: float, tails: bool) -> None:
    found = alarms(np.random.default_rng(1), icc=icc, tails=tails)
    assert found <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / RUNS)


def test_a_table_without_units_rarely_alarms_without_a_change() -> None:
    found = alarms(np.random.default_rng(2), with_units=False)
    assert found <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / RUNS)


def test_a_test_over_rows_would_alarm_in_most_of_these_windows() -> None:
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(20):
        samples, _ = world(rng, 300, 40, icc=0.9)
        rows = [np.sqrt(s.window_fine.sum()) * np.abs(np.cumsum(_shift(s))).max() for s in samples if not s.categorical]
        found += max(rows) > 1.36
    assert found >= 15


def _shift(sample):
    return sample.window_fine / sample.window_fine.sum() - sample.baseline_fine / sample.baseline_fine.sum()


def test_what_could_have_been_seen_is_seen_four_times_of_five() -> None:
    rng = np.random.default_rng(4)
    samples, units = world(rng, 300, 60)
    visible = decide(samples, rng=rng, units=units, shuffles=99).columns[0].detectable_mean
    assert visible is not None
    found = 0
    for _ in range(40):
        samples, units = world(rng, 300, 60, shift=visible)
        p = decide(samples, rng=rng, units=units, shuffles=99).columns[0].p_value
        found += p is not None and p <= 0.05
    assert 0.55 <= found / 40 <= 1.0


def shares(rng, first):
    """300 and 60 requests of 4 rows, three categories; the first one's share in the window is `first`."""
    base, wind = np.repeat(np.arange(300), 4), np.repeat(np.arange(60), 4)
    rest = (1 - first) * np.array([0.6, 0.4])
    codes = rng.choice(3, len(base), p=[0.5, 0.3, 0.2]), rng.choice(3, len(wind), p=[first, *rest])
    return [categorical("c", codes[0].astype(float), codes[1].astype(float), base, wind, values=3)]


def test_a_share_that_could_have_been_seen_is_seen_four_times_of_five() -> None:
    rng = np.random.default_rng(8)
    visible = decide(shares(rng, 0.5), rng=rng, shuffles=99).columns[0].detectable
    assert visible is not None
    found = [decide(shares(rng, 0.5 + visible), rng=rng, shuffles=99).columns[0].p_value for _ in range(40)]
    assert 0.55 <= np.mean([p is not None and p <= 0.05 for p in found]) <= 1.0


def test_blocks_of_another_size_than_the_baselines_do_not_alarm_more() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(RUNS):
        single = rng.normal(size=(300 * 8 + 40 * 5, 3))
        unit = np.concatenate([np.repeat(np.arange(300), 8), np.repeat(np.arange(40), 5)])
        base, wind = single[: 300 * 8], single[300 * 8 :]
        samples = [
            numeric(f"c{i}", base[:, i], wind[:, i], unit[: 300 * 8], unit[300 * 8 :], fine=40, coarse=10)
            for i in range(3)
        ]
        sizes = Units(window_requests=200, baseline_size=8, window_size=5)
        decision = decide(samples, rng=rng, units=sizes, shuffles=99, floor=1e-9)
        found += any(column.p_value is not None and column.p_value <= 0.05 for column in decision.columns)
    assert found / RUNS <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / RUNS)


def test_a_step_down_p_value_never_falls_below_that_of_a_column_with_more_evidence() -> None:
    rng = np.random.default_rng(6)
    statistics = rng.exponential(size=(200, 6))
    p = step_down(statistics)
    order = np.argsort(-statistics[0])
    assert (np.diff(p[order]) >= 0).all()
    assert p.min() >= 1 / 200


def test_equal_statistics_have_the_p_value_of_a_tie() -> None:
    assert step_down(np.ones((100, 3))).tolist() == [1.0, 1.0, 1.0]


def test_the_share_of_a_maximum_gives_back_uniform_tail_probabilities() -> None:
    rng = np.random.default_rng(7)
    smallest = rng.random((2000, 12)).min(axis=1)
    share = Share.fit(smallest)
    assert share.k == pytest.approx(12, rel=0.15)
    assert np.mean(share.apply(smallest) <= 0.05) == pytest.approx(0.05, abs=0.02)
    assert share.invert(float(share.apply(np.array([0.01]))[0])) == pytest.approx(0.01)


def test_holm_is_bonferroni_for_the_smallest_and_never_falls() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])

"""The plan says ahead what the decision then finds."""

import numpy as np
import pytest

from monitoring.drift.decision import decide
from monitoring.drift.plan import Traffic, plan, sight
from tests.monitoring.drift.tables import numeric


def test_longer_windows_see_smaller_changes() -> None:
    hour, day, week = plan(Traffic(requests=40, rows=10, correlation=0.3))
    assert [hour.window, day.window, week.window] == ["hour", "day", "week"]
    assert hour.mean is not None
    assert day.mean is not None
    assert week.mean is not None
    assert hour.mean > day.mean > week.mean
    assert hour.linf is not None
    assert hour.linf <= 1


def test_an_hour_of_nine_requests_is_not_judged() -> None:
    [hour, *_] = plan(Traffic(requests=9))
    assert hour.mean is None
    assert hour.reason == "9 requests; at least 10 are needed"


def test_an_hour_that_could_show_only_a_large_change_says_so() -> None:
    [hour, *_] = plan(Traffic(requests=14, rows=1, columns=60))
    assert hour.reason.startswith("it could only have shown an L-infinity distance of ")


def test_what_the_plan_promises_is_what_the_decision_could_have_seen() -> None:
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(2000), 10)
    window = np.repeat(np.arange(200), 10)

    def values(units):
        count = units.max() + 1
        return np.sqrt(0.3) * rng.normal(size=count)[units] + np.sqrt(0.7) * rng.normal(size=len(units))

    samples = [numeric(f"c{i}", values(unit), values(window), unit, window) for i in range(10)]
    found = decide(samples, rng=rng)
    expected = sight(Traffic(requests=200, rows=10, correlation=0.3, columns=10), "window", 1)
    assert found.columns[0].detectable_mean == pytest.approx(expected.mean, rel=0.2)
    assert found.columns[0].detectable == pytest.approx(expected.linf, rel=0.2)

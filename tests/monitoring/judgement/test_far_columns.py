"""Columns whose values lie far beyond training, and columns that training lacks, are described as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from monitoring import Monitor
from monitoring.result import ColumnResult

RNG = np.random.default_rng(11)
WIDTH = RNG.gamma(4, 3, 3000)
RANKS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def judged(**window: np.ndarray) -> dict[str, ColumnResult]:
    training = pd.DataFrame({"width": WIDTH, "like": RNG.random(3000)})
    return Monitor(training).run(pd.DataFrame(window)).columns


@pytest.mark.parametrize("factor", [25.4, 1000.0, 0.001])
def test_quantiles_far_beyond_training_are_those_of_the_values(factor: float) -> None:
    values = RNG.gamma(4, 3, 2000) * factor
    column = judged(width=values, like=RNG.random(2000))["width"]
    assert column.window is not None
    for rank, found in zip(RANKS[1:6], column.window.quantiles[1:6], strict=True):
        assert abs(np.mean(values <= found) - rank) < 0.06
    assert "in another unit" in column.sentence


def test_the_chart_shows_where_values_went_that_training_never_saw() -> None:
    values = RNG.normal(400, 20, 2000)
    column = judged(width=values, like=RNG.random(2000))["width"]
    bars = [bar for bar in column.bins if bar.low is not None and bar.high is not None and bar.low < bar.high]
    near = sum(bar.window for bar in bars if (bar.low or 0) >= 350 and (bar.high or 0) <= 460)
    assert near > 0.9
    assert abs(sum(bar.baseline for bar in bars) - 1) < 1e-3
    assert column.cdf[-1][0] > 400


def test_infinities_beyond_training_do_not_hide_the_other_values() -> None:
    values = np.append(RNG.normal(400, 20, 1800), [np.inf] * 150 + [-np.inf] * 50)
    column = judged(width=values, like=RNG.random(2000))["width"]
    assert column.window is not None
    assert column.window.infinities == (50, 150)
    assert 380 < column.window.quantiles[3] < 420


def test_a_column_that_training_lacks_has_its_numbers_and_its_bars() -> None:
    new = RNG.normal(50, 5, 2000)
    names = RNG.choice(["a", "b", "c"], 2000, p=[0.6, 0.3, 0.1])
    columns = judged(width=WIDTH[:2000], like=RNG.random(2000), new=new, name=names)
    assert columns["new"].window is not None
    assert columns["new"].window.mean == pytest.approx(new.mean())
    assert columns["new"].window.quantiles[3] == pytest.approx(np.median(new), abs=1.0)
    assert columns["new"].kind == "numeric"
    assert sum(bar.window for bar in columns["new"].bins) == pytest.approx(1, abs=1e-3)
    assert {bar.baseline for bar in columns["new"].bins} == {0.0}
    shares = {bar.label: bar.window for bar in columns["name"].bins}
    assert shares == {
        "a": pytest.approx(0.6, abs=0.05),
        "b": pytest.approx(0.3, abs=0.05),
        "c": pytest.approx(0.1, abs=0.05),
    }
    assert columns["new"].status == columns["name"].status == "not judged"

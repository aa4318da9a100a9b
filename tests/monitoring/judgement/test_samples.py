"""The units of baseline and window: of one size on both sides, or the baseline as a sample where the window is far larger."""

import pytest

from monitoring import Baseline, Monitor
from monitoring.engines.local import LocalEngine
from monitoring.judgement.samples import make_samples
from monitoring.result import Status
from monitoring.source.open import open_rows
from tests.monitoring.samples import training


@pytest.fixture(scope="module")
def baseline():
    return Baseline.from_training(training(40), id_column="request")


def test_a_window_of_a_hundred_times_the_baselines_requests_is_judged(baseline):
    report = Monitor(baseline, id_column="request", engine=LocalEngine(1)).run(training(4000, seed=2))
    assert report.result.method is not None
    assert report.result.method.declined == ""
    statuses = {column.name: column.status for column in report.result.columns}
    assert statuses["wind"] is statuses["carrier"] is Status.NO_DRIFT
    assert "rows of the window resemble each other no more" in report.result.method.promise


def test_such_a_window_that_moved_drifts(baseline):
    moved = training(4000, seed=3)
    wind = moved.column("wind").to_numpy() + 6
    moved = moved.set_column(moved.schema.get_field_index("wind"), "wind", [wind])
    report = Monitor(baseline, id_column="request", engine=LocalEngine(1)).run(moved)
    assert report.drifted == ("wind",)


def test_all_of_a_small_baselines_requests_are_its_units(baseline):
    monitor = Monitor(baseline, id_column="request", engine=LocalEngine(1))
    source = open_rows(training(4000), id_column="request")
    samples = make_samples(baseline, monitor.profile(source, None))
    assert samples.units.baseline_is_sample
    units = samples.columns[0].baseline_units
    assert units is not None
    assert len(units) == 40
    assert samples.units.baseline_rows == pytest.approx(3.0)

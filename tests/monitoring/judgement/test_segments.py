"""A segment is named where a column moved in it alone, and never where that is not certain."""

import numpy as np
import pyarrow as pa
import pytest

from monitoring import Baseline, Monitor
from monitoring.engines.local import LocalEngine
from monitoring.result import CauseKind
from tests.monitoring.samples import training


@pytest.fixture(scope="module")
def baseline():
    return Baseline.from_training(training(1500), id_column="request")


def judged(baseline, shift, seed=9):
    """400 requests; `shift` is added to `wind` row by row."""
    table = training(400, seed=seed)
    wind = table.column("wind").to_numpy() + shift(np.array(table.column("carrier").to_pylist()))
    table = table.set_column(table.schema.get_field_index("wind"), "wind", pa.array(wind))
    return Monitor(baseline, id_column="request", engine=LocalEngine(1), shuffles=199).run(table).result


def drift_of(result):
    return next(cause for cause in result.causes if cause.kind is CauseKind.DRIFT)


def test_a_column_that_moved_for_one_carrier_names_it_in_the_cause(baseline):
    cause = drift_of(judged(baseline, lambda carrier: 8.0 * (carrier == "DL")))
    assert cause.slice == "carrier = DL"
    assert cause.sentence.endswith("Only rows with `DL` in `carrier` changed.")


def test_a_column_that_moved_for_every_carrier_has_no_segment(baseline):
    assert drift_of(judged(baseline, lambda carrier: np.full(len(carrier), 4.0))).slice == ""


def test_a_column_that_moved_for_two_of_three_carriers_has_no_segment(baseline):
    assert drift_of(judged(baseline, lambda carrier: 8.0 * (carrier != "DL"))).slice == ""


def test_random_rows_that_moved_are_no_segment(baseline):
    rng = np.random.default_rng(1)
    for seed in range(5):
        result = judged(baseline, lambda carrier: 8.0 * (rng.random(len(carrier)) < 0.3), seed)
        assert {column.segment for column in result.columns} == {None}

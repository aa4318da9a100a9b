"""Sizes: windows that are too small, too large, or empty, and values that are too long (R29 to R33)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.__main__ import main
from monitoring.result import Outcome, Status
from tests.monitoring.cases.verdicts import report_of

RNG = np.random.default_rng(31)


def test_r29_eight_rows_are_not_judged_and_the_smallest_visible_change_is_given() -> None:
    report = report_of({"w": RNG.normal(4, 1, 200)}, {"w": [4.2, 4.9] * 4})
    column = report.columns["w"]
    assert (report.outcome, column.status, report.violations) == (Outcome.NOT_JUDGED, Status.NOT_JUDGED, ())
    assert column.detectable is not None
    assert column.detectable > 0.5
    assert f"only an L-infinity distance of {column.detectable:.2f} or more could have been seen" in column.reason


def test_r30_a_difference_that_only_much_data_shows_is_real_and_no_alarm() -> None:
    values = RNG.normal(0, 1, 200_000)
    report = report_of({"x": values}, {"x": values + 0.012})
    column = report.columns["x"]
    assert (report.outcome, report.violations) == (Outcome.OK, ())
    assert column.p_value is not None
    assert column.p_value <= 0.05
    assert column.reason.startswith("real but small: L-infinity 0.00")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    pq.write_table(pa.table({"x": [1.0, 2.0, 3.0] * 50}), tmp_path / "train.parquet")
    return tmp_path


def test_r32_a_window_without_rows_is_no_data_with_an_exit_code_of_its_own(trained: Path, capsys) -> None:
    pq.write_table(pa.table({"x": pa.array([], pa.float64())}), trained / "empty.parquet")
    flags = ["run", "--baseline", str(trained / "train.parquet"), "--captured", str(trained / "empty.parquet")]
    assert main(flags) == 4
    output = capsys.readouterr().out
    assert "No data: nothing readable arrived, and nothing proves that nothing was sent." in output
    assert "Exit code 4: nothing could be judged" in output


def test_r32_an_empty_folder_is_one_line_that_says_what_is_missing(trained: Path, capsys) -> None:
    (trained / "nothing").mkdir()
    flags = ["run", "--baseline", str(trained / "train.parquet"), "--captured", str(trained / "nothing")]
    assert main(flags) == 2
    assert "there is no .parquet or .csv file under" in capsys.readouterr().err


def test_r33_long_values_stay_out_of_the_report(tmp_path: Path) -> None:
    texts = [f"{'word ' * 1500}{number}" for number in range(200)] * 2
    report = report_of(pd.DataFrame({"c": texts}), pd.DataFrame({"c": [*texts, "new" + "word " * 3000] * 2}))
    page = report.save(tmp_path / "report.html").read_text()
    data = report.save(tmp_path / "report.json").read_text()
    assert max(len(page), len(data)) < 300_000
    assert "word " * 100 not in page + data

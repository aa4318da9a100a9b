"""Columns and types: what users of other monitors reported, R01 to R27, with inputs of our own."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitoring import Baseline, Monitor
from monitoring.baseline.constraints import DataType
from monitoring.job_metrics import job_metrics
from monitoring.result import Grade, Outcome, Status
from tests.monitoring.cases.verdicts import checks, report_of, urgencies

RNG = np.random.default_rng(29)


def test_r01_nulls_and_a_new_value_in_three_rows_are_found_and_the_new_value_pages_nobody() -> None:
    report = report_of({"n": [3, 4, 5, 6] * 800, "c": [2, 0, 2, 2] * 800}, {"n": [None] * 3, "c": [77, None, 77]})
    assert {("n", "completeness"), ("c", "completeness"), ("c", "range")} <= checks(report)
    assert all(column.reason.startswith("3 requests in the window") for column in report.columns.values())
    assert urgencies(report)["range:c"] == "note"


def test_r02_a_column_that_is_empty_on_both_sides_leaves_the_others_judged() -> None:
    values = RNG.gamma(2, size=900)
    report = report_of({"a": values[:500], "b": [None] * 500}, {"a": values[500:], "b": [None] * 400})
    assert (report.outcome, report.columns["a"].status) == (Outcome.OK, Status.NO_DRIFT)
    empty = report.columns["b"]
    assert (empty.kind, empty.status, empty.reason) == ("unknown", Status.NOT_JUDGED, "training has no value of it")
    assert empty.window is not None
    assert empty.window.completeness == 0.0


def test_r04_constant_columns_do_not_drift_whatever_the_number_of_rows() -> None:
    constant = {"i": 7, "s": "z", "x": -1.5, "zero": 0.0, "t": True}
    report = report_of({k: [v] * 300 for k, v in constant.items()}, {k: [v] * 170 for k, v in constant.items()})
    assert (report.outcome, report.violations) == (Outcome.OK, ())
    assert {(column.linf, column.p_value) for column in report.columns.values()} == {(0.0, 1.0)}
    assert report.columns["x"].window is not None
    assert report.columns["x"].window.std_dev == 0.0
    assert report.columns["x"].sentence == "The values of `x` are distributed as in training."


@pytest.mark.parametrize(("before", "after"), [(20, 21), (0.0, 5.0), (-3.0, -3.5), (1e9, 1e9 + 100), (0.1, 0.0)])
def test_r04_a_constant_that_becomes_another_constant_drifts(before: float, after: float) -> None:
    report = report_of({"v": [before] * 300}, {"v": [after] * 200})
    assert report.drifted == ("v",)


def test_r04_a_constant_in_32_bits_is_the_same_constant() -> None:
    report = report_of({"v": [0.1] * 300}, pa.table({"v": pa.array([0.1] * 200, pa.float32())}))
    assert report.drifted == ()


def test_r06_only_missing_values_moved_and_the_sentence_says_so() -> None:
    before, after = RNG.gamma(3, size=3000), RNG.gamma(3, size=3000)
    after[RNG.random(3000) < 0.25] = np.nan
    report = report_of({"f": before}, {"f": after})
    assert checks(report) == {("f", "completeness"), ("f", "baseline_drift")}
    column, share = report.columns["f"], float(np.isnan(after).mean())
    assert column.linf == pytest.approx(share)
    assert column.distances["linf_simple"] < 0.05
    assert column.sentence.endswith("in training. The distribution of the values that are there did not change.")


def test_r07_two_missing_values_of_many_are_listed_and_page_nobody() -> None:
    values = RNG.normal(size=40_000)
    later = RNG.normal(size=400_000)
    later[:2] = np.nan
    report = report_of({"f": values}, {"f": later})
    [found] = report.violations
    assert (found.constraint_check_type, found.grade) == ("completeness_check", Grade.SMALL)
    assert urgencies(report) == {"completeness:f": "note"}


def test_r08_another_rounding_is_real_and_small() -> None:
    steps = np.array([10.0, 20.0, 30.0, 40.0])
    before = np.tile(steps, 700)
    report = report_of({"p": before}, {"p": np.tile(steps + 0.002, 700)})
    column = report.columns["p"]
    assert column.linf == pytest.approx(0.25)
    assert column.shift is not None
    assert column.shift < 0.001
    assert {entry.grade for entry in report.violations} <= {Grade.SMALL}
    assert set(urgencies(report).values()) <= {"note"}
    assert any("up to 40.002" in entry.sentence for entry in report.violations)


def test_r10_zeros_and_ones_are_two_bars_whose_distance_is_the_change_of_the_share() -> None:
    report = report_of({"y": [1] * 900 + [0] * 4100}, {"y": [1] * 1300 + [0] * 3700})
    column = report.columns["y"]
    assert column.linf == pytest.approx(0.08)
    assert [(bar.label, bar.baseline, bar.window) for bar in column.bins] == [("0", 0.82, 0.74), ("1", 0.18, 0.26)]
    assert column.baseline is not None
    assert column.baseline.kinds == {"integral": 5000}


def test_r12_two_distributions_apart_have_distance_1() -> None:
    report = report_of({"s": RNG.normal(5, 2, 2000)}, {"s": RNG.normal(45, 2, 2000)})
    assert report.columns["s"].linf == pytest.approx(1.0)


def test_r13_a_feature_that_turns_into_zeros_drifts_with_its_type_and_completeness_unchanged() -> None:
    before = RNG.poisson(6, 4000)
    report = report_of({"n": before}, {"n": [0] * 3000})
    assert checks(report) == {("n", "baseline_drift")}
    assert report.columns["n"].linf == pytest.approx(1 - (before == 0).mean())


def test_r15_infinities_are_counted_apart_and_leave_no_number_that_is_not_finite() -> None:
    finite = RNG.normal(size=850)
    values = np.concatenate([finite, [np.inf] * 90, [-np.inf] * 60])
    report = report_of({"r": RNG.normal(size=1200)}, {"r": values})
    column = report.columns["r"]
    assert column.window is not None
    assert column.window.infinities == (60, 90)
    assert column.window.mean == pytest.approx(finite.mean())
    assert column.window.std_dev == pytest.approx(finite.std())
    assert column.linf is not None
    assert column.linf >= 0.06
    assert any("150 of them are infinite" in entry.sentence for entry in report.violations)
    published = [
        number for metric in job_metrics(report.result) for number in (metric.value, *(metric.statistics or ()))
    ]
    assert all(number is None or np.isfinite(number) for number in published)


def test_r16_whole_doubles_are_integral_and_whole_numbers_are_fractional() -> None:
    baseline = {"n": pd.array([4, 5, 6] * 200, dtype="Int64"), "f": [1.5, 2.0, 3.0] * 200}
    report = report_of(baseline, {"n": [4.0, 5.0, 6.0, np.nan] * 150, "f": [2, 3, 2, 3] * 150})
    assert not [entry for entry in report.violations if entry.constraint_check_type == "data_type_check"]
    assert ("n", "completeness") in checks(report)


TEXTS = ["None", "null", "", "NaN"]


def test_r18_words_for_nothing_are_values_and_only_null_is_missing() -> None:
    report = report_of(pa.table({"c": [*TEXTS, "q"] * 100}), pa.table({"c": [*TEXTS, None] * 100}))
    column = report.columns["c"]
    assert column.window is not None
    assert (column.window.missing, column.window.distinct) == (100, 4)
    assert {bar.label for bar in column.bins if not bar.is_null} == {*TEXTS, "q"}


def test_r18_in_csv_only_the_unquoted_empty_field_is_missing(tmp_path) -> None:
    (tmp_path / "w.csv").write_text("c,n\n" + 'None,1\nnull,2\n"",3\nNaN,4\n,5\n' * 40)
    report = Monitor(pa.table({"c": [*TEXTS, "q"] * 40, "n": [1, 2, 3, 4, 5] * 40})).run(str(tmp_path / "w.csv"))
    assert report.columns["c"].window is not None
    assert report.columns["c"].window.missing == 40


ODD = ["ü", "u\N{COMBINING DIAERESIS}", "\N{SNAKE}", ">=5", "x\ty", "\N{RIGHT-TO-LEFT OVERRIDE}cba"]


def test_r20_letters_that_look_alike_are_different_categories() -> None:
    report = report_of({"c": ODD * 50}, {"c": ODD * 30})
    assert report.outcome is Outcome.OK
    assert {bar.label for bar in report.columns["c"].bins} == set(ODD)


NAMES = [
    "Zip Code",
    "a.b",
    "sum",
    "row",
    "größer",
    "<b onload=x>",
    'q"uote',
    "y" * 255,
    "capture_event_idx",
    "select",
    "",
]


def test_r21_odd_names_are_judged_and_their_metrics_have_names_of_their_own() -> None:
    report = report_of({name: [1, 2, 3] * 200 for name in NAMES}, {name: [1, 2, 3] * 100 for name in NAMES})
    assert list(report.columns) == NAMES
    assert {column.status for column in report.columns.values()} == {Status.NO_DRIFT}
    metrics = [metric.name for metric in job_metrics(report.result) if metric.name.startswith("feature_non_null_")]
    assert len(metrics) == len(set(metrics)) == len(NAMES)
    assert max(map(len, metrics)) <= 255


def test_r23_columns_are_compared_by_name_though_their_number_is_the_same() -> None:
    baseline = {"u": [1, 2] * 99, "v": ["p", "q"] * 99, "w": [3.5, 4.5] * 99}
    report = report_of(baseline, {"w": [3.5, 4.5] * 99, "u": [1, 2] * 99, "z": [9] * 198})
    assert checks(report) == {("v", "missing_column"), ("z", "extra_column")}


def test_r24_dates_as_texts_stay_texts() -> None:
    days = ["03-04-2020", "25-04-2020"] * 100
    report = report_of({"d": days}, {"d": days})
    assert report.columns["d"].kind == "categorical"
    [feature] = Baseline.from_training(pa.table({"d": days})).constraints.features
    assert feature.data_type is DataType.STRING


def test_r26_the_day_of_25_hours_has_25_hours_and_each_counts_once() -> None:
    hours = pd.date_range("2026-10-24T20:00Z", "2026-10-26T01:00Z", freq="h")
    monitor = Monitor(pd.DataFrame({"x": RNG.normal(size=2000)}), time_column="when")
    window = pd.DataFrame({"when": hours.repeat(15), "x": RNG.normal(size=15 * len(hours))})
    zone = (dt.timezone(dt.timedelta(hours=2)), dt.timezone(dt.timedelta(hours=1)))
    start, end = dt.datetime(2026, 10, 25, tzinfo=zone[0]), dt.datetime(2026, 10, 26, tzinfo=zone[1])
    assert monitor.run(window, start=start, end=end).result.rows == 25 * 15
    halves = [(start, start + dt.timedelta(hours=3)), (start + dt.timedelta(hours=3), end)]
    assert sum(monitor.run(window, start=a, end=b).result.rows for a, b in halves) == 25 * 15


@pytest.mark.parametrize("longer", [[[0.3, 0.7], [0.4, 0.5, 0.1]], [[0.3, 0.7, 0.0], [0.4, 0.5, 0.1]]])
def test_r27_lists_are_monitored_by_their_lengths(longer: list[list[float]]) -> None:
    pair = [[0.3, 0.7], [0.4, 0.6]]
    report = report_of(pa.table({"prediction": pair * 300}), pa.table({"prediction": longer * 300}))
    column = report.columns["prediction"]
    assert report.drifted == ("prediction",)
    assert column.window is not None
    assert (column.kind, column.window.maximum) == ("list", 3.0)
    share = sum(len(values) == 3 for values in longer) / 2
    assert [(bar.label, bar.window) for bar in column.bins if bar.window] == [
        entry for entry in [("2", 1 - share), ("3", share)] if entry[1]
    ]

"""`migrate` shows Model Monitor's rule and ours over one window: what each says, and why they differ."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.__main__ import main
from monitoring.baseline.baseline import Baseline
from monitoring.checks.model_monitor import service_violations
from monitoring.commands.migrate import checked_window
from monitoring.monitor import Monitor


@pytest.fixture
def files(tmp_path):
    """A folder with what Model Monitor has of a baseline, and with the training data."""

    def make(table, **config):
        baseline = Baseline.from_training(table)
        baseline.save(str(tmp_path / "ours"))
        (tmp_path / "service").mkdir()
        (tmp_path / "service" / "statistics.json").write_bytes((tmp_path / "ours" / "statistics.json").read_bytes())
        constraints = json.loads((tmp_path / "ours" / "constraints.json").read_bytes())
        comparison = constraints["monitoring_config"]["distribution_constraints"]
        del comparison["floor"]
        comparison.update(config)
        (tmp_path / "service" / "constraints.json").write_text(json.dumps(constraints))
        return tmp_path

    return make


def migrate(folder, window, capsys, *flags):
    pq.write_table(pa.table(window), folder / "window.parquet")
    code = main(
        ["migrate", "--baseline", f"{folder}/service", "--captured", f"{folder}/window.parquet", "--json", *flags]
    )
    found = json.loads(capsys.readouterr().out)
    return code, {(line["column"], line["check"]): line for line in found["lines"]}, found


def sides(line):
    return bool(line["service"]), bool(line["ours"])


def test_an_ordinary_window_violates_neither(files, capsys):
    values = {"x": [float(number % 9) + 0.5 for number in range(900)], "c": ["a", "b", "c"] * 300}
    code, lines, found = migrate(files(pa.table(values)), values, capsys)
    assert (code, lines, found["rows"]) == (0, {}, 900)


def test_both_rules_see_what_is_plainly_wrong(files, capsys):
    folder = files(pa.table({"x": [float(n % 9) + 0.5 for n in range(900)], "c": ["a", "b", "c"] * 300}))
    window = {"x": [float(n % 9) + 7.5 for n in range(900)], "c": ["a", "z", None] * 300}
    _, lines, found = migrate(folder, window, capsys)
    assert sides(lines["x", "baseline_drift_check"]) == (True, True)
    assert sides(lines["c", "categorical_values_check"]) == (True, True)
    assert sides(lines["c", "completeness_check"]) == (True, True)
    assert lines["c", "completeness_check"]["why"] == ""
    assert sides(lines["x", "range_check"]) == (False, True)
    assert lines["x", "range_check"]["why"] == "Model Monitor has no such check."
    assert found["agreeing"] >= 3


def test_whole_numbers_in_a_fractional_column_violate_the_services_rule_alone(files, capsys):
    folder = files(pa.table({"charge": [n % 10 + 0.5 * (n % 2) for n in range(400)]}), comparison_threshold=1.0)
    _, lines, _ = migrate(folder, {"charge": [n % 10 + 0.5 * (n % 2) for n in range(400)]}, capsys)
    line = lines["charge", "data_type_check"]
    assert sides(line) == (True, False)
    assert "Expected data type: Fractional" in line["service"]
    assert "Observed: Only 50.0% of data is Fractional." in line["service"]
    assert line["why"].startswith("Model Monitor counts whole numbers against Fractional.")


def test_a_completeness_within_sampling_error_violates_the_services_rule_alone(files, capsys):
    folder = files(pa.table({"gust": [0.5, None] * 500}))
    _, lines, _ = migrate(folder, {"gust": [0.5] * 98 + [None] * 102}, capsys)
    line = lines["gust", "completeness_check"]
    assert sides(line) == (True, False)
    assert "within the sampling error of 200 requests" in line["why"]


def test_a_difference_of_few_rows_violates_the_services_simple_rule_alone(files, capsys):
    values = np.random.default_rng(5).normal(size=1000)
    folder = files(pa.table({"x": values}), comparison_method="Simple")
    _, lines, _ = migrate(folder, {"x": np.random.default_rng(6).normal(size=16)}, capsys)
    line = lines["x", "baseline_drift_check"]
    assert sides(line) == (True, False)
    assert line["why"].startswith(("The difference is not real", "Not judged"))


def test_a_real_shift_below_the_services_threshold_violates_our_rule_alone(files, capsys):
    rng = np.random.default_rng(7)
    folder = files(pa.table({"x": rng.normal(size=8000)}))
    window = {"x": rng.normal(0.2, 1, size=6000)}
    _, lines, _ = migrate(folder, window, capsys, "--ours", f"{folder}/ours")
    line = lines["x", "baseline_drift_check"]
    assert sides(line) == (False, True)
    assert "not over 0.1" in line["why"]
    assert "It is real: p" in line["why"]


def test_missing_values_drift_by_our_rule_alone_because_the_service_compares_present_values(files, capsys):
    rng = np.random.default_rng(8)
    folder = files(pa.table({"x": rng.normal(size=3000)}))
    window = rng.normal(size=3000)
    window[:900] = np.nan
    _, lines, _ = migrate(folder, {"x": window}, capsys, "--ours", f"{folder}/ours")
    line = lines["x", "baseline_drift_check"]
    assert sides(line) == (False, True)
    assert "missing ones included: 0.3" in line["why"]
    assert sides(lines["x", "completeness_check"]) == (True, True)


def test_the_service_counts_columns_and_we_compare_names(files, capsys):
    folder = files(pa.table({"a": [1.5, 2.5] * 60, "b": [2.5, 3.5] * 60}))
    _, lines, _ = migrate(folder, {"a": [1.5, 2.5] * 60, "d": [9.5] * 120}, capsys)
    assert sides(lines["b", "missing_column_check"]) == (False, True)
    assert "finds nothing where one is missing and another is new" in lines["b", "missing_column_check"]["why"]
    _, lines, _ = migrate(folder, {"a": [1.5, 2.5] * 60}, capsys)
    assert sides(lines["Missing columns", "missing_column_check"]) == (True, False)
    assert lines["Missing columns", "missing_column_check"]["why"] == "Model Monitor counts columns. By name: `b`."


def test_switches_and_overrides_of_the_old_constraints_hold_for_the_services_rule(files):
    folder = files(pa.table({"x": [0.5, 1.5] * 100}), perform_comparison="Disabled")
    monitor = Monitor(str(folder / "service"))
    source = monitor.open(pa.table({"x": [9.5] * 200}))
    window = checked_window(monitor, monitor.profile(source, None))
    assert [
        violation.constraint_check_type for violation in service_violations(monitor.baseline.constraints, window)
    ] == []


def test_the_text_fits_its_width_and_names_the_difference(files, capsys):
    folder = files(pa.table({"gust": [0.5, None] * 500, "größe<b>\u202e" + "x" * 80: [1.5, 2.5] * 500}))
    pq.write_table(pa.table({"gust": [0.5] * 98 + [None] * 102}), folder / "window.parquet")
    assert main(["migrate", "--baseline", f"{folder}/service", "--captured", f"{folder}/window.parquet"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert "\u202e" not in text
    assert "Model Monitor's rule: 2 violations. Ours: 1. They agree on 0." in text


def test_a_window_without_rows_is_exit_code_4(files, capsys):
    folder = files(pa.table({"x": [0.5, 1.5] * 100}))
    code, lines, _ = migrate(folder, {"x": pa.array([], pa.float64())}, capsys)
    assert (code, lines) == (4, {})


def test_what_is_missing_is_wrong_usage(files, capsys):
    assert main(["migrate", "--captured", "somewhere"]) == 2
    assert "--baseline is missing" in capsys.readouterr().err

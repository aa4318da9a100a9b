"""Wrong usage is one line on stderr that names what is wrong and what to do, and exit code 2."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.__main__ import main
from monitoring.baseline.baseline import Baseline
from monitoring.errors import UsageError


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.parquet"
    pq.write_table(table(), path)
    return str(path)


def table():
    return pa.table({"price": np.arange(300.0) % 7, "late": [0, 1, 1] * 100})


def one_line(capsys, *argv):
    assert main([str(argument) for argument in argv]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (["baseline"], "--output"),
        (["run", "--unti", "day"], "no flag --unti (did you mean --unit?)"),
        (["run", "week.parquet"], "no argument week.parquet"),
        (["run", "--start", "tuesday"], "tuesday"),
        (["quality", "--captured", "x"], "--ground-truth"),
        (["plan"], "--requests"),
        (["plan", "--requests", "many"], "many"),
        (["notify", "--dry-run"], "--dry-run"),
    ],
)
def test_wrong_flags_are_one_line_that_names_the_help(capsys, argv, names):
    error = one_line(capsys, *argv)
    assert error.startswith(f"monitoring {argv[0]}: ")
    assert names in error
    assert error.endswith(f"; see python -m monitoring {argv[0]} --help\n")


def test_an_unknown_command_is_one_line_that_lists_the_commands(capsys):
    error = one_line(capsys, "bseline")
    assert "bseline" in error
    assert "baseline" in error


def test_no_command_is_one_line_that_lists_the_commands(capsys):
    error = one_line(capsys)
    assert error.startswith("monitoring: a command is missing: baseline, run, watch, ")
    assert error.endswith("; see python -m monitoring --help\n")


@pytest.mark.parametrize("flag", ["--id-column", "--time", "--unit", "--label", "--prediction"])
def test_a_column_that_the_training_data_lacks_makes_no_baseline(capsys, train, tmp_path, flag):
    error = one_line(capsys, "baseline", "--data", train, "--output", tmp_path / "out", flag, "lte")
    assert "no column 'lte'" in error
    assert "did you mean 'late'?" in error
    assert not (tmp_path / "out").exists()


def test_a_named_column_is_checked_in_a_table_in_memory_too():
    with pytest.raises(UsageError, match=r"no column 'zone' \(the unit column\): it has late, price"):
        Baseline.from_training(table(), unit_column="zone")


def test_a_file_that_does_not_exist_is_no_empty_window(capsys, train, tmp_path):
    missing = tmp_path / "week.parquet"
    assert f"there is no file {missing}" in one_line(capsys, "run", "--captured", missing, "--baseline", train)
    assert f"there is no file {missing}" in one_line(capsys, "baseline", "--data", missing, "--output", tmp_path / "b")


def test_a_trend_of_one_table_names_the_command_to_use(capsys, train, tmp_path):
    argv = ("trend", "--captured", train, "--baseline", train, "--output", tmp_path / "t")
    assert "for one table use `python -m monitoring run`" in one_line(capsys, *argv)


def test_a_directory_of_training_files_is_a_baseline(capsys, train, tmp_path):
    (tmp_path / "parts").mkdir()
    for number in range(2):
        pq.write_table(table(), tmp_path / "parts" / f"part-{number}.parquet")
    assert main(["run", "--captured", train, "--baseline", str(tmp_path / "parts")]) == 0
    assert "no drift     2 columns" in capsys.readouterr().out


def test_the_id_and_time_columns_of_a_run_are_those_of_the_training_data_too(capsys, tmp_path):
    times = pa.array(np.arange(300) * 60_000_000, pa.timestamp("us", "UTC"))
    named = table().append_column("order", [[f"o{n // 2}" for n in range(300)]]).append_column("at", times)
    pq.write_table(named, tmp_path / "both.parquet")
    argv = ["run", "--captured", str(tmp_path / "both.parquet"), "--baseline", str(tmp_path / "both.parquet")]
    assert main([*argv, "--id-column", "order", "--time-column", "at", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {column["name"] for column in result["columns"]} == {"price", "late"}
    assert result["baseline_events"] == result["events"] == 150


def test_types_are_printed_only_where_asked_for(capsys, train, tmp_path):
    argv = ["baseline", "--data", train, "--label", "late", "--output", str(tmp_path / "b")]
    assert main(argv) == 0
    assert "[types]" not in capsys.readouterr().out
    assert main([*argv, "--types"]) == 0
    assert '[types]\n"price" = "double"\n' in capsys.readouterr().out


def test_rows_without_times_are_shown_without_a_window(capsys, train, tmp_path):
    assert main(["run", "--captured", train, "--baseline", train, "--output", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out + (tmp_path / "out" / "report.html").read_text().partition('id="columns"')[0]
    assert shown.count("all rows, no times") >= 2
    assert "1970" not in shown

"""The managed service's files: columns are mapped by name or in a documented order, never shifted (R35 to R41)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring import Monitor
from monitoring.__main__ import main
from monitoring.errors import MonitoringError, UsageError
from tests.monitoring.cases.verdicts import checks, report_of
from tests.monitoring.source.managed_lines_of import body, json_side, line, side

RNG = np.random.default_rng(35)
HOUR = "ep/AllTraffic/2026/05/02/07"


def captured(folder: Path, *lines: dict[str, Any]) -> str:
    """Writes one object of the managed service and returns where."""
    path = folder / HOUR / "11-22-333-x.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(body(*lines))
    return str(folder)


def script(folder: Path, returned: str) -> str:
    """Writes a script whose handler returns this expression of `v`, the cells of the request."""
    path = folder / "handler.py"
    path.write_text(
        f"def preprocess_handler(record):\n    v = record.endpoint_input.data.split(',')\n    return {returned}\n"
    )
    return str(path)


HOUSES = pd.DataFrame({"target": [0, 1] * 60, "rooms": RNG.random(120) * 5, "tax": 100 + RNG.random(120) * 300})


def test_r35_a_label_in_the_baseline_is_a_question_and_no_shift(tmp_path: Path) -> None:
    uri = captured(tmp_path, *(line(f"{n % 5},{100 + n}", None, f"e{n}") for n in range(30)))
    with pytest.raises(UsageError, match=r"2 input values .* 3 columns, 'target', 'rooms', 'tax': is the first one"):
        Monitor(HOUSES).run(uri)


def test_r35_output_and_input_are_mapped_in_this_order_and_the_report_says_so(tmp_path: Path) -> None:
    uri = captured(tmp_path, *(line(f"{n % 5},{100 + n}", "1", f"e{n}") for n in range(30)))
    report = Monitor(HOUSES).run(uri)
    windows = {name: column.window for name, column in report.columns.items()}
    means = {name: window.mean for name, window in windows.items() if window is not None}
    assert means == pytest.approx({"target": 1, "rooms": 2, "tax": 114.5})
    assert any("1 output and 2 input values" in note and "in that order" in note for note in report.result.notes)


COLUMNS = pd.DataFrame({f"c{number}": [float(number), number + 0.5] * 60 for number in range(12)})
CELLS = ",".join(str(float(number)) for number in range(12))


def minima(uri: str, handler: str) -> tuple[list[float | None], tuple[str, ...]]:
    report = Monitor(COLUMNS, preprocess=handler).run(uri)
    windows = [report.columns[name].window for name in COLUMNS.columns]
    return [window.minimum for window in windows if window is not None], report.result.notes


def test_r36_unknown_names_are_taken_by_sorted_position_with_a_warning(tmp_path: Path) -> None:
    uri = captured(tmp_path / "data", *(line(CELLS, None, f"e{n}") for n in range(20)))
    found, notes = minima(uri, script(tmp_path, "{f'part{i}': float(v[i]) for i in range(12)}"))
    assert found == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert any("sorted position" in note and "part10 → c2" in note for note in notes)


def test_r36_known_names_are_taken_by_name_in_any_order(tmp_path: Path) -> None:
    uri = captured(tmp_path / "data", *(line(CELLS, None, f"e{n}") for n in range(20)))
    found, notes = minima(uri, script(tmp_path, "{f'c{i}': float(v[i]) for i in reversed(range(12))}"))
    assert (found, notes) == (list(range(12)), ())


def test_r38_columns_of_two_rows_with_a_base64_answer_are_two_rows(tmp_path: Path) -> None:
    answer = base64.b64encode(json.dumps({"cost": [10.5, 20.25]}).encode()).decode()
    output = side(answer, "BASE64", "text/html; charset=utf-8", mode="OUTPUT")
    given = json_side({f"k{number}": [number, number + 1] for number in range(6)})
    uri = captured(tmp_path, *(line(given, output, f"e{n}") for n in range(15)))
    report = Monitor(pd.DataFrame({f"k{number}": [number, number + 1] * 60 for number in range(6)})).run(uri)
    assert (report.result.rows, report.result.events) == (30, 15)
    assert [name for name, column in report.columns.items() if column.is_prediction] == ["prediction_cost"]
    assert len(report.columns) == 7


def test_r40_a_threshold_of_a_column_holds_for_this_column_only() -> None:
    baseline = {"a": ["m"] * 200, "b": ["m"] * 200}
    window = {name: ["m"] * 70 + ["n"] * 30 for name in "ab"}
    report = report_of(baseline, window, columns={"b": {"domain_content_threshold": 0.65}})
    assert {name for name, check in checks(report) if check == "categorical_values"} == {"a"}


def test_r41_a_script_that_fails_on_some_records_is_named_with_its_error(tmp_path: Path) -> None:
    cells = ["1", "0", "4", "5", "0", "2"]
    uri = captured(tmp_path / "data", *(line(cell, None, f"e{n}") for n, cell in enumerate(cells)))
    handler = script(tmp_path, "{'x': 10 / float(v[0])}")
    report = Monitor(pd.DataFrame({"x": [1.0, 2.0, 3.0] * 60}), preprocess=handler).run(uri)
    assert report.result.rows == 4
    assert report.result.notes == ("2 of 6 events: ZeroDivisionError in preprocess_handler, event e1",)


def test_r41_a_script_that_fails_on_every_record_is_an_error(tmp_path: Path, capsys) -> None:
    uri = captured(tmp_path / "data", *(line("0", None, f"e{n}") for n in range(4)))
    handler = script(tmp_path, "{'x': 10 / float(v[0])}")
    trained = tmp_path / "train.csv"
    trained.write_text("x\n" + "1.5\n2.5\n" * 40)
    flags = ["run", "--captured", uri, "--baseline", str(trained), "--preprocess", handler]
    assert main(flags) == 1
    assert "4 of 4 events: ZeroDivisionError in preprocess_handler, event e0" in capsys.readouterr().err
    with pytest.raises(MonitoringError, match="none of 4 captured events could be read"):
        Monitor(pd.DataFrame({"x": [1.0, 2.0] * 60}), preprocess=handler).run(uri)

"""The trend says since when a column is unlike ordinary hours, from kept states, and marks what was not proved."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from monitoring import Baseline, Monitor
from monitoring.__main__ import main
from monitoring.result import Grade, Status
from monitoring.storage import open_storage
from monitoring.trend import build_trend, read_trend, with_recent
from monitoring.window import Window
from tests.monitoring.samples import START, captured, training

HOUR = dt.timedelta(hours=1)
HOURS = 6
MOVED = 4
"""The hour from which `wind` is shifted."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trend")
    for hour in range(HOURS):
        captured(folder, 60, seed=hour, shift=3.0 if hour >= MOVED else 0.0, start=START + hour * HOUR)
    Baseline.from_training(training(4000), id_column="request").save(str(folder / "baseline"))
    return folder


@pytest.fixture(scope="module")
def trend(folder):
    monitor = Monitor(str(folder / "baseline"), captured=f"{folder}/captured", output=str(folder / "out"), shuffles=99)
    storage = open_storage(str(folder / "out"))
    given = read_trend(monitor, monitor.open(), Window(START, START + HOURS * HOUR), "hourly", storage)
    return given, build_trend(monitor, given, "hour", START)


def test_a_column_is_unusual_since_the_hour_in_which_it_moved(trend):
    _, found = trend
    columns = {column.name: column for column in found.columns}
    assert columns["wind"].since == START + MOVED * HOUR
    assert [cell.grade is Grade.NONE for cell in columns["wind"].cells] == [True] * MOVED + [False] * (HOURS - MOVED)
    assert columns["temp"].since is None
    assert columns["wind"].status is Status.DRIFT
    assert found.verdict == "`wind` has been unlike training for 2 hours."
    assert [window.proved for window in found.windows] == [True] * HOURS


def test_a_report_knows_the_last_windows_and_since_when(trend):
    given, found = trend
    result = with_recent(given.merged, found)
    wind = next(column for column in result.columns if column.name == "wind")
    assert wind.since == "Jul 1 12:00"
    assert len(wind.recent) == HOURS
    assert wind.recent_end == START + HOURS * HOUR


def test_a_second_trend_reads_states_and_no_rows(folder, trend, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a row was read")

    monkeypatch.setattr("monitoring.source.captured.CapturedPart.fetch", refuse)
    monitor = Monitor(str(folder / "baseline"), captured=f"{folder}/captured", output=str(folder / "out"))
    assert len(list(monitor.hours(monitor.open(), Window(START, START + HOURS * HOUR)))) == HOURS


def test_the_command_writes_the_page_its_data_and_the_merged_report(folder, capsys):
    out = folder / "page"
    arguments = ["--captured", f"{folder}/captured", "--baseline", f"{folder}/baseline", "--output", str(out)]
    assert main(["trend", *arguments]) == 0
    assert "`wind` has been unlike training for 2 hours." in capsys.readouterr().out
    data = json.loads((out / "trend.json").read_text())
    assert len(data["windows"]) == HOURS
    assert 'href="merged/report.html' in (out / "trend.html").read_text()
    assert (out / "merged" / "report.html").is_file()


def test_a_baseline_without_units_calls_nothing_unusual(folder, tmp_path):
    plain = Monitor(
        training().drop_columns(["request"]), captured=f"{folder}/captured", output=str(tmp_path), shuffles=99
    )
    given = read_trend(plain, plain.open(), Window(START, START + 2 * HOUR), "hourly", open_storage(str(tmp_path)))
    found = build_trend(plain, given, "hour", START)
    assert {cell.grade for column in found.columns for cell in column.cells} == {None}
    assert "no window can be called unusual" in found.notes[0]

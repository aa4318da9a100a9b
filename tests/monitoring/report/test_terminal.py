"""The table for a terminal: fits any width, cuts no name below 18 characters, lets no name move the cursor."""

import re

import pytest
from rich.cells import cell_len

from monitoring.findings import conclude
from monitoring.report.terminal import render
from monitoring.result import Grade, Status, WindowCompleteness
from tests.monitoring.findings.samples import column, draft, summary

RUN = conclude(
    draft(
        (
            column("prediction_rank", Grade.SMALL, is_prediction=True, p_value=0.003),
            column("temp", Grade.LARGE, linf=0.998, since="Nov 27 04:00", recent=(Grade.LARGE, None, Grade.NONE) * 8),
            column("wind_gust", Grade.MEDIUM, baseline=summary(1000, 670), window=summary(1000, 861), linf=0.4),
            column("humid", status=Status.NOT_JUDGED, linf=0.17, detectable=0.34),
            column("visib"),
        )
    )
)


@pytest.mark.parametrize("width", [40, 47, 60, 80, 100, 110, 120, 200])
def test_every_line_fits_the_width(width: int) -> None:
    assert max(cell_len(line) for line in render(RUN, width).splitlines()) <= width


def test_the_verdict_stands_before_the_table_and_drift_only_in_it() -> None:
    text = render(RUN, 80)
    assert text.index("is unlike training") < text.index("Status")
    assert re.search(r"▂▅█ large +temp +0 % +0.998 +≤ 0.001 +Nov 27 04:00", text)
    assert re.search(r"▂▅  medium +wind_gust +67 % → 86 % +0.400", text)
    assert " ?  not judged   humid: could only have seen 0.34, observed 0.17" in text
    assert " —  no drift     1 column (--all lists them)" in text
    assert "visib" not in text


def test_everything_lists_the_quiet_columns_too() -> None:
    text = render(RUN, 80, everything=True)
    assert re.search(r" —  none +visib", text)
    assert re.search(r" \?  not judged +humid", text)


def test_bars_and_the_last_hours_need_a_wide_terminal() -> None:
    assert "Last 24 h" not in render(RUN, 100)
    wide = render(RUN, 120)
    assert "Last 24 h" in wide
    assert "█?·█?·█?·█?·█?·█?·█?·█?·" in wide


def test_colours_change_nothing_but_escape_sequences() -> None:
    painted = render(RUN, 120, colour=True)
    assert "\x1b[38;5;166m" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == render(RUN, 120)


@pytest.mark.parametrize(
    "name", ["x" * 255, "größe_" * 20, "温度" * 40, "a_very_long_feature_name_that_ends_with_mean"]
)
def test_a_long_name_keeps_its_start_and_its_end(name: str) -> None:
    text = render(conclude(draft((column(name, Grade.LARGE),))), 40)
    row = next(line for line in text.splitlines() if "large " in line and "…" in line)
    shown = row.split("large")[1].split("0.400")[0].strip()
    assert 17 <= cell_len(shown) <= 21
    assert shown[0] == name[0]
    assert shown[-1] == name[-1]


def test_a_hostile_name_cannot_write_to_the_terminal() -> None:
    names = ["\x1b[2Jwiped", "a\nb\rc", "\u202edlrow", "\u200bzero", "\x07bell", "\ud800"]
    text = render(conclude(draft(tuple(column(name, Grade.LARGE) for name in names))), 120)
    assert all(line.isprintable() for line in text.splitlines())
    assert "\\x1b[2Jwiped" in text
    assert "\\u202edlrow" in text
    text.encode()


def test_an_empty_window_has_no_table_and_no_promise() -> None:
    text = render(conclude(draft(rows=0, events=0, completeness=WindowCompleteness(True, 0, 0))), 80)
    assert " ?  No traffic: the ledgers prove that no request came." in text
    assert "Status" not in text
    assert "false alarm" not in text
    assert "violation" not in text


def test_an_unknown_completeness_stands_in_front() -> None:
    text = render(conclude(draft((column("a"),), completeness=WindowCompleteness(None, 5, None))), 80)
    assert text.splitlines()[1].startswith("completeness unknown   5 records found")


def test_below_the_table_each_further_cause_of_drift_is_a_sentence() -> None:
    run = conclude(draft(tuple(column(name, Grade.LARGE) for name in ("alcohol", "proline", "region"))))
    below = render(run).partition("Status")[2]
    assert " ~  drift " in below
    assert "proline is unlike training." in below
    assert "alcohol is unlike training." not in below

"""The trend page: verdict, ranges, cells that link, hostile names, size."""

import msgspec
import pytest

from monitoring.findings.verdict import words
from monitoring.report.trend import encode, render
from monitoring.result import Grade
from monitoring.trend_data import TrendResult
from tests.monitoring.report.test_page import HOSTILE, outline
from tests.monitoring.report.trends import trend


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ({}, "No traffic in any window."),
        ({"a": "...."}, "Every hour looks like ordinary ones."),
        ({"a": "????"}, "No hour could be judged."),
        ({"a": ".33."}, "Nothing lasts: the latest hour looks like ordinary ones."),
        ({"temp": ".333", "dewp": "..33"}, "`temp` has been unlike training for 3 hours, `dewp` for 2."),
        ({"temp": ".333", "dewp": ".333"}, "`dewp` and `temp` have been unlike training for 3 hours."),
        ({"a": "3333", "b": ".333", "c": "..33"}, "`a` has been unlike training for 4 hours, `b` for 3, and 1 more."),
        ({"a": "...3"}, "Nothing lasts: the latest hour looks like ordinary ones."),
    ],
)
def test_the_verdict_says_what_lasts(rows: dict[str, str], verdict: str) -> None:
    found = trend(rows)
    assert found.verdict == verdict
    assert words(found.verdict) <= 14


def test_a_column_that_drifts_only_when_hours_are_merged_is_named() -> None:
    found = trend({"wind_dir": "....", "temp": "3333"}, grades={"wind_dir": Grade.LARGE, "temp": Grade.LARGE})
    assert found.lead == "`wind_dir` drifts only over the merged window (31 h): single hours look ordinary."


def test_columns_that_were_unusual_together_point_at_an_outage() -> None:
    found = trend(dict.fromkeys("abcde", ".3.."))
    assert found.lead.startswith("Five columns were unusual together at Nov 23 19:00 and are not now")


def test_hours_without_proof_are_counted() -> None:
    found = trend({"a": "...."})
    windows = tuple(msgspec.structs.replace(window, proved=at > 1) for at, window in enumerate(found.windows))
    again = trend({"a": "...."}, windows=windows)
    assert "2 of 4 hours are not proved complete." in again.lead
    assert "2 of 4 hours proved complete" in outline(render(again)).text


def test_every_cell_links_to_the_report_of_its_hour_and_column() -> None:
    found = outline(render(trend({"a b": ".3", "c": "?."})))
    cells = [link for link in found.links if link[0].isdigit()]
    assert cells == ["0/report.html#a%20b", "1/report.html#a%20b", "0/report.html#c", "1/report.html#c"]
    assert {"a%20b", "c"} <= set(found.ids)
    assert "report.html#c" in found.links


@pytest.mark.parametrize(
    ("hours", "ranges"), [(12, []), (24, []), (100, ["24 h", "72 h", "100 h"]), (168, ["24 h", "72 h", "168 h"])]
)
def test_the_switch_offers_the_ranges_that_the_hours_fill(hours: int, ranges: list[str]) -> None:
    html = render(trend({"a": "." * hours}))
    assert [label for label in ("24 h", "72 h", "100 h", "168 h") if f">{label}</label>" in html] == ranges


def test_the_page_loads_nothing() -> None:
    html = render(trend({"a": "." * 24}))
    assert "src=" not in html
    assert "url(" not in html


def test_hostile_names_add_no_tag_and_no_attribute() -> None:
    grades = dict.fromkeys(HOSTILE, Grade.LARGE)
    html = render(trend(dict.fromkeys(HOSTILE, "..33"), grades=grades, notes=tuple(HOSTILE), merged=HOSTILE[0]))
    names = [f"name{at}" for at in range(len(HOSTILE))]
    harmless = outline(
        render(trend(dict.fromkeys(names, "..33"), grades=dict.fromkeys(names, Grade.LARGE), notes=tuple(names)))
    )
    found = outline(html)
    assert (found.tags, found.attributes) == (harmless.tags, harmless.attributes)
    assert len(found.ids) == len(set(found.ids)) == len(harmless.ids)
    assert all(character.isprintable() or character == "\n" for character in found.text)


def test_a_week_of_sixty_columns_stays_below_a_megabyte_and_a_half() -> None:
    html = render(trend({f"feature_number_{at}": ".13?" * 42 for at in range(60)}))
    assert len(html.encode()) < 1_500_000


def test_a_trend_is_written_as_json_and_read_again() -> None:
    found = trend({"a": ".3?."})
    assert msgspec.json.decode(encode(found), type=TrendResult) == found


@pytest.mark.parametrize("unit", ["hour", "day"])
def test_a_trend_without_windows_or_columns_has_a_page(unit: str) -> None:
    empty = trend({})
    assert "There is nothing to show." in outline(render(msgspec.structs.replace(empty, unit=unit))).text

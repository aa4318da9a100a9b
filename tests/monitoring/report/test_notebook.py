"""The fragment for a notebook: what it says, and that it changes nothing around it."""

import re

import pytest

from monitoring.findings import conclude
from monitoring.report.notebook import render
from monitoring.result import Grade, WindowCompleteness
from monitoring.run_report import Report
from tests.monitoring.findings.samples import column, draft
from tests.monitoring.report.test_page import BARS, HOSTILE, named_run, outline

RUN = conclude(draft((column("temp", Grade.LARGE, bins=BARS), column("a"), column("b"))))


def test_it_says_what_the_report_says() -> None:
    text = outline(render(RUN)).text
    assert "temp is unlike training." in text
    assert "It can wait until morning." in text
    assert "2 columns without a finding" in text


def test_its_styles_apply_below_its_own_class_only() -> None:
    [style] = re.findall(r"<style>(.*?)</style>", render(RUN), re.DOTALL)
    selectors = [selector for rule in re.findall(r"([^{}]+)\{", style) for selector in rule.split(",")]
    assert all(selector.strip().startswith(".endpoint-capture-report") for selector in selectors)


def test_it_has_no_script_no_id_and_no_request() -> None:
    found = outline(render(named_run(HOSTILE)))
    assert "script" not in found.tags
    assert found.ids == []
    assert found.links == []


def test_hostile_names_add_no_tag() -> None:
    harmless = outline(render(named_run([f"name{at}" for at in range(len(HOSTILE))])))
    found = outline(render(named_run(HOSTILE)))
    assert (found.tags, found.attributes) == (harmless.tags, harmless.attributes)


def test_two_hundred_columns_stay_short() -> None:
    run = conclude(draft(tuple(column(f"c{at}", Grade.LARGE, bins=BARS) for at in range(200))))
    assert len(render(run)) < 60_000


@pytest.mark.parametrize("proved", [True, False, None])
def test_an_empty_window_has_a_fragment(proved: bool | None) -> None:
    run = conclude(draft(rows=0, events=0, completeness=WindowCompleteness(proved, 0, 0)))
    assert "No traffic" in render(run) or "No data" in render(run)


def test_a_report_shows_itself_in_a_notebook() -> None:
    assert Report(RUN)._repr_html_() == render(RUN)

"""Verdict, lead, action, the four questions and what was ruled out, in every state of a window."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.findings import conclude
from monitoring.findings.answers import answers
from monitoring.findings.verdict import first_sentence, words
from monitoring.result import Grade, Outcome, Status, WindowCompleteness
from tests.monitoring.findings.samples import column, draft, stale, store, summary, violation


def test_a_window_like_training_says_so_and_what_could_have_been_seen() -> None:
    run = conclude(draft((column("a", detectable=0.09), column("b", detectable=0.02))))
    assert run.verdict == "Nothing to do: this window looks like ordinary hours."
    assert run.lead.endswith("A change of L∞ 0.09 or more in any column would have been seen 8 times in 10.")
    assert (run.outcome, run.action) == (Outcome.OK, "")


def test_the_gravest_two_causes_are_joined() -> None:
    run = conclude(draft((column("temp", Grade.LARGE), column("prediction", Grade.LARGE, is_prediction=True))))
    assert run.verdict == "`prediction` and `temp` are unlike training."
    assert run.lead.startswith("Nothing is broken and nothing is lost. 2 of 2 columns drifted.")
    assert run.action == "It can wait until morning."
    assert run.outcome is Outcome.VIOLATIONS


def test_a_broken_store_is_the_verdict_and_the_action_is_its_repair() -> None:
    health = store("weather", age_median=22320.0, baseline_age_median=120.0)
    run = conclude(draft((column("temp", Grade.LARGE, group="weather"),), stores=(health,), violations=stale(health)))
    assert run.verdict == "Records of store group `weather` are 6 h 12 min old."
    assert run.action == "Restart the job that writes group `weather` now."


def test_a_proved_empty_window_is_no_traffic() -> None:
    run = conclude(draft(rows=0, events=0, completeness=WindowCompleteness(True, 0, 0)))
    assert run.verdict == "No traffic: the ledgers prove that no request came."
    assert (run.outcome, run.causes) == (Outcome.NOT_JUDGED, ())


@pytest.mark.parametrize("proved", [False, None])
def test_an_empty_window_without_proof_is_no_data_and_pages(proved: bool | None) -> None:
    run = conclude(draft(rows=0, events=0, completeness=WindowCompleteness(proved, 0, None)))
    assert run.verdict == "No data: nothing readable arrived, and nothing proves that nothing was sent."
    assert run.outcome is Outcome.NOT_JUDGED
    assert run.action.startswith("Check that the endpoint has traffic")


def test_an_incomplete_window_has_no_verdict() -> None:
    gaps = ("one of two instances stopped without its ledger",)
    run = conclude(draft((column("a", Grade.LARGE),), completeness=WindowCompleteness(False, 58, 100, gaps)))
    assert run.verdict == "No verdict: 42.0 % of the records are not proved to be here."
    assert run.lead.startswith("One of two instances stopped without its ledger.")
    assert run.action == "Find the missing records before you trust any number."
    assert run.outcome is Outcome.NOT_JUDGED


def test_a_window_that_lacks_one_record_in_a_hundred_is_judged() -> None:
    run = conclude(draft((column("a", Grade.LARGE),), completeness=WindowCompleteness(False, 99, 100)))
    assert run.outcome is Outcome.VIOLATIONS
    assert run.verdict == "`a` is unlike training."


def test_the_share_that_a_verdict_needs_is_the_monitors() -> None:
    held = WindowCompleteness(False, 58, 100)
    assert conclude(draft((column("a"),), completeness=held, min_complete=0.5)).outcome is not Outcome.NOT_JUDGED
    assert (
        conclude(draft((column("a"),), completeness=WindowCompleteness(False, 98, 100), min_complete=0.99)).outcome
        is Outcome.NOT_JUDGED
    )


def test_an_unknown_completeness_is_stated() -> None:
    run = conclude(draft((column("a", Grade.LARGE),), completeness=WindowCompleteness(None, 1664, None)))
    assert run.verdict == "`a` is unlike training. Completeness is unknown."
    assert "No ledger proves that all records are here" in run.lead


def test_too_few_requests_are_not_judged() -> None:
    few = column("a", status=Status.NOT_JUDGED, reason="7 requests", linf=0.4, detectable=0.61)
    run = conclude(draft((few,), rows=20, events=7, completeness=WindowCompleteness(True, 7, 7)))
    assert run.verdict == "Not judged: 7 requests are too few."
    assert run.outcome is Outcome.NOT_JUDGED
    assert answers(run)[1].text == "Could only have seen 0.61 or more."


def test_a_window_without_columns_says_so() -> None:
    run = conclude(draft())
    assert run.verdict == "Not judged: the window has no column that the baseline knows."
    assert run.outcome is Outcome.NOT_JUDGED


def test_a_violation_without_drift_is_a_violation() -> None:
    side = column("f", baseline=summary(1000), window=summary(1_000_000, 3))
    assert conclude(draft((side,), violations=(violation("f", "completeness_check"),))).outcome is Outcome.VIOLATIONS


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=300), st.sampled_from(Grade), st.booleans(), st.booleans()),
        max_size=30,
        unique_by=lambda item: item[0],
    )
)
def test_no_name_makes_a_verdict_long_or_unprintable(items: list[tuple[str, Grade, bool, bool]]) -> None:
    columns = tuple(
        column(name, grade, is_prediction=prediction, request_level=request)
        for name, grade, prediction, request in items
    )
    run = conclude(draft(columns))
    assert words(run.verdict) <= 14
    assert all(text.isprintable() for text in (run.verdict, run.lead, run.action))
    assert all(cause.title.isprintable() and cause.sentence.isprintable() for cause in run.causes)


def test_the_four_questions_are_answered() -> None:
    drifted = [column(name, Grade.LARGE, group="weather") for name in ("temp", "dewp")]
    mean: dict[str, Any] = {"baseline": summary(mean=0.229, std_dev=0.15), "window": summary(mean=0.245, std_dev=0.16)}
    run = conclude(
        draft(
            (*drifted, column("a", Grade.SMALL), column("b"), column("risk", is_prediction=True, p_value=0.48, **mean))
        )
    )
    broken, inputs, predictions, right = answers(run)
    assert (broken.word, broken.text) == ("No", "1,664 of 1,664 records proved. Types and columns are as in training.")
    assert (inputs.grade, inputs.word) == (Grade.LARGE, "Yes, large")
    assert inputs.text == "3 of 4 columns, 2 of them large: features of `weather`."
    assert (predictions.word, predictions.text) == ("No", "0 of 1 column. Mean of `risk` 0.245, was 0.229 (p 0.48).")
    assert (right.grade, right.word) == (None, "Not known yet")


def test_the_questions_of_an_unproved_window_are_open() -> None:
    run = conclude(draft((column("a", Grade.LARGE),), completeness=WindowCompleteness(False, 58, 100)))
    assert [answer.word for answer in answers(run)] == ["Yes", "Not judged", "Not judged", "Not known yet"]
    unknown = conclude(draft((column("a"),), completeness=WindowCompleteness(None, 5, None)))
    assert answers(unknown)[0].word == "Unknown"


def test_only_what_was_checked_is_ruled_out() -> None:
    health = store("weather", age_median=60.0, baseline_age_median=70.0, baseline_missing=0.001)
    run = conclude(draft((column("a"),), stores=(health,), checks_off=("data_type_check",)))
    assert run.ruled_out == (
        "Completeness: 1,664 of 1,664 records proved.",
        "Stale store: `weather` records are 1 min old at the median, 1 min in the baseline.",
        "Missing entities: `weather` lacks 0 %, 0.1 % in the baseline.",
        "Columns: none is missing, none is new.",
        "Duplicates: none.",
    )


def test_a_full_stop_inside_a_name_does_not_end_a_sentence() -> None:
    assert first_sentence("5 % lack `Phone. No`; 0 % in training. More.") == "5 % lack `Phone. No`; 0 % in training."

"""Rules from measured columns to causes, one by one."""

import pytest

from monitoring.findings import find_causes
from monitoring.result import Cause, CauseKind, ColumnResult, Grade, Status, Urgency, Violation, WindowCompleteness
from tests.monitoring.findings.samples import PROVED, column, stale, store, summary, violation


def causes(*columns: ColumnResult, violations=(), stores=(), completeness=PROVED, events=1664) -> tuple[Cause, ...]:
    return find_causes(columns, violations, completeness, stores, events=events)


def keys(found: tuple[Cause, ...]) -> list[str]:
    return [cause.key for cause in found]


def lacking(name: str, before: int, after: int, **more) -> ColumnResult:
    return column(name, baseline=summary(1000, before), window=summary(1000, after), **more)


def test_nothing_moved_has_no_cause() -> None:
    assert causes(column("a"), column("b")) == ()


def test_columns_of_one_feature_group_are_one_cause() -> None:
    moved = [column(name, Grade.LARGE, group="weather", request_level=True) for name in ("temp", "dewp", "wind_dir")]
    [cause] = causes(*moved, stores=[store("weather")])
    assert cause.key == "drift:weather"
    assert cause.columns == ("temp", "dewp", "wind_dir")
    assert cause.title == "Features of `weather` are unlike training"


def test_a_group_is_recognised_by_the_records_that_its_columns_lack() -> None:
    health = store("weather", missing_ids=2, events_with_missing=2)
    columns = [
        lacking("temp", 1, 2, grade=Grade.LARGE, request_level=True),
        lacking("dewp", 1, 3, grade=Grade.LARGE, request_level=True),
        lacking("weekday", 0, 0, grade=Grade.MEDIUM, request_level=True),
    ]
    assert keys(causes(*columns, stores=[health])) == ["drift:weather", "drift:weekday"]


def test_predictions_are_a_cause_apart_and_first_of_their_grade() -> None:
    found = causes(column("a", Grade.LARGE), column("prediction", Grade.LARGE, is_prediction=True))
    assert keys(found) == ["drift:predictions", "drift:a"]


def test_small_changes_are_one_cause() -> None:
    [cause] = causes(*(column(name, Grade.SMALL) for name in "abcdef"))
    assert cause.key == "drift:small_changes"
    assert cause.title == "Six columns moved a little"
    assert cause.urgency is Urgency.NOTE


def test_up_to_three_large_columns_stay_apart_and_more_are_one_cause() -> None:
    assert keys(causes(*(column(name, Grade.LARGE) for name in "abc"))) == ["drift:a", "drift:b", "drift:c"]
    [cause] = causes(*(column(name, Grade.LARGE) for name in "abcd"))
    assert (cause.key, cause.title) == ("drift:item_columns", "Four columns are unlike training")
    request = column("hour", request_level=True)
    [cause] = causes(request, *(column(name, Grade.LARGE) for name in "abcd"))
    assert cause.title == "Four item columns are unlike training"


def test_a_column_in_another_unit_is_a_cause_of_its_own_whatever_else_moved() -> None:
    before = summary(mean=20.0, quantiles=(8.0, 12.0, 17.0, 20.0, 23.0, 28.0, 32.0))
    after = summary(mean=508.0, quantiles=tuple(25.4 * value for value in before.quantiles))
    inches = column("width", Grade.LARGE, linf=1.0, shift=11.0, baseline=before, window=after)
    found = causes(inches, *(column(name, Grade.LARGE) for name in "abcd"))
    assert keys(found) == ["drift:item_columns", "drift:width"]
    assert "Likely cause: a unit (by 25.4: inches and millimetres)." in found[1].sentence


def test_drift_of_the_inputs_never_pages() -> None:
    found = causes(*(column(name, Grade.LARGE, linf=1.0) for name in "abcdefgh"))
    assert {cause.urgency for cause in found} == {Urgency.MESSAGE}


def test_a_silent_store_hides_the_nulls_and_the_drift_that_it_causes() -> None:
    columns = [lacking(n, 1, 684, grade=Grade.LARGE, linf=0.68, request_level=True) for n in ("temp", "dewp", "visib")]
    health = store("weather", missing_ids=684, events_with_missing=684)
    fallen = [violation(name, "completeness_check") for name in ("temp", "dewp", "visib")]
    [cause] = causes(*columns, stores=[health], violations=fallen)
    assert cause.kind is CauseKind.MISSING_ENTITIES
    assert cause.urgency is Urgency.PAGE
    assert cause.columns == ("temp", "dewp", "visib")
    assert cause.title == "Store group `weather` did not answer 68.4 % of the lookups"
    assert "68.4 % of events found no record in group `weather`; 0.1 % in the baseline." in cause.sentence
    assert "Three columns are null together." in cause.sentence


def test_a_silent_store_does_not_hide_a_column_that_moved_otherwise_too() -> None:
    quiet = lacking("dewp", 1, 100, grade=Grade.LARGE, linf=0.1, request_level=True)
    moved = lacking("temp", 1, 100, grade=Grade.LARGE, linf=0.9, request_level=True)
    found = causes(quiet, moved, stores=[store("weather", missing_ids=100, events_with_missing=100)])
    assert keys(found) == ["missing_entities:weather", "drift:weather"]
    assert found[1].columns == ("temp",)


def test_ids_that_training_lacked_as_often_are_no_cause() -> None:
    planes = lacking("engines", 156, 157)
    assert causes(planes, stores=[store("planes", missing_ids=157, events_with_missing=80)]) == ()


def test_a_stale_store_hides_all_columns_of_its_group() -> None:
    moved = [column(name, Grade.MEDIUM, group="weather") for name in ("temp", "dewp")]
    health = store("weather", age_median=22320.0, age_maximum=30000.0, baseline_age_median=120.0)
    [cause] = causes(*moved, stores=[health], violations=stale(health))
    assert (cause.kind, cause.grade, cause.urgency) == (CauseKind.STALE_STORE, Grade.LARGE, Urgency.PAGE)
    assert cause.title == "Records of store group `weather` are 6 h 12 min old"
    assert "2 min in the baseline" in cause.sentence
    assert cause.tonight == "Restart the job that writes group `weather` now."


@pytest.mark.parametrize("before", [None, 20000.0])
def test_old_records_are_stale_only_where_the_baseline_had_younger_ones(before: float | None) -> None:
    health = store(age_median=22320.0, baseline_age_median=before)
    assert causes(stores=[health], violations=stale(health)) == ()


def test_a_store_older_than_the_monitor_allows_is_stale_without_a_baseline() -> None:
    health = store(age_median=22320.0)
    [cause] = causes(stores=[health], violations=stale(health, weather=3600.0))
    assert "1 h allowed" in cause.sentence


def test_columns_that_lack_the_same_rows_are_one_cause() -> None:
    columns = [lacking(name, 0, 300) for name in ("a", "b", "c")]
    found = causes(*columns, lacking("d", 0, 150), violations=[violation(n, "completeness_check") for n in "abcd"])
    assert keys(found) == ["completeness:a", "completeness:d"]
    assert found[0].title == "Three columns are missing together, among them `a`"


def test_values_that_were_always_there_page_when_they_go_missing_and_others_do_not() -> None:
    always = lacking("a", 0, 300)
    often = lacking("wind_gust", 670, 861, grade=Grade.LARGE, linf=0.191)
    found = causes(always, often, violations=[violation(n, "completeness_check") for n in ("a", "wind_gust")])
    assert [(cause.key, cause.urgency) for cause in found] == [
        ("completeness:a", Urgency.PAGE),
        ("completeness:wind_gust", Urgency.MESSAGE),
    ]
    assert found[1].sentence.startswith("86.1 % of the 1,000 rows lack `wind_gust`; 67.0 % in training.")


def test_three_missing_values_in_a_million_are_listed_and_page_nobody() -> None:
    rare = column("f", baseline=summary(1000), window=summary(1_000_000, 3))
    [cause] = causes(rare, violations=[violation("f", "completeness_check")])
    assert (cause.grade, cause.urgency) == (Grade.SMALL, Urgency.NOTE)


def test_a_column_that_moved_by_its_missing_values_is_one_cause_not_two() -> None:
    moved = lacking("wind_gust", 670, 861, grade=Grade.LARGE, linf=0.191, request_level=True)
    assert keys(causes(moved, violations=[violation("wind_gust", "completeness_check")])) == ["completeness:wind_gust"]


def test_a_type_that_changed_pages_and_hides_the_nulls_that_it_makes() -> None:
    typed = lacking("seats", 0, 120, grade=Grade.LARGE, linf=0.12)
    window = summary(1000, 120, kinds={"integral": 880, "string": 120}, rescued=120)
    typed = column("seats", Grade.LARGE, linf=0.12, baseline=summary(1000, kinds={"integral": 1000}), window=window)
    checks = ("data_type_check", "completeness_check")
    [cause] = causes(typed, violations=[violation("seats", check) for check in checks])
    assert (cause.kind, cause.urgency) == (CauseKind.DATA_TYPE, Urgency.PAGE)
    assert cause.title == "`seats` is text in 12.0 % of the rows"


def test_a_column_that_is_text_now_is_no_drift_beside_its_type() -> None:
    was = summary(1000, kinds={"fractional": 1000})
    typed = column("hue", Grade.LARGE, linf=1.0, baseline=was, window=summary(1000, kinds={"string": 1000}))
    others = [column(name, Grade.LARGE) for name in ("price", "region", "alcohol")]
    found = causes(typed, *others, violations=[violation("hue", "data_type_check")])
    assert keys(found) == ["data_type:hue", "drift:alcohol", "drift:price", "drift:region"]


def test_a_few_texts_do_not_hide_that_the_numbers_moved() -> None:
    window = summary(1000, kinds={"fractional": 900, "string": 100})
    typed = column("hue", Grade.LARGE, linf=0.6, baseline=summary(1000, kinds={"fractional": 1000}), window=window)
    assert keys(causes(typed, violations=[violation("hue", "data_type_check")])) == ["data_type:hue", "drift:hue"]


@pytest.mark.parametrize("why", ["the names differ only by case", "same distribution: renamed?"])
def test_a_renamed_column_is_one_cause(why: str) -> None:
    pair = Violation(
        "seats",
        "renamed_column_check",
        "Column is missing and may have been renamed to: Seats",
        f"The window has no `seats` and a new column `Seats`: {why}",
        Grade.LARGE,
    )
    sets = [violation("seats", "missing_column_check"), violation("Seats", "extra_column_check"), pair]
    [cause] = causes(column("Seats", baseline=None), column("seats", window=None), violations=sets)
    assert (cause.key, cause.urgency, cause.columns) == ("renamed_column:seats", Urgency.PAGE, ("seats", "Seats"))
    assert f": {why}" in cause.sentence
    assert cause.sentence.endswith("The model reads `seats` as missing.")


def test_a_missing_and_an_extra_column_of_other_content_are_two_causes() -> None:
    gone, new = column("b", window=None, baseline=summary(mean=1.0, std_dev=1.0)), column("d", baseline=None)
    found = causes(gone, new, violations=[violation("b", "missing_column_check"), violation("d", "extra_column_check")])
    assert keys(found) == ["missing_column:b", "extra_column:d"]
    assert [cause.urgency for cause in found] == [Urgency.PAGE, Urgency.NOTE]


def test_values_that_training_never_had_are_listed_with_their_counts() -> None:
    dest = column("dest", kind="categorical", unseen=(("ACK", 66), ("MVY", 2)))
    [cause] = causes(dest, violations=[violation("dest", "categorical_values_check")])
    assert cause.title == "2 values of `dest` that training never had"
    assert cause.sentence.startswith("68 of 1,000 rows (6.8 %): `ACK` 66, `MVY` 2.")
    assert cause.grade is Grade.MEDIUM


def test_values_out_of_range_are_a_finding_only_where_the_column_did_not_drift() -> None:
    side = summary(1000, minimum=0.0, maximum=10.0)
    out = summary(1000, above=30, minimum=0.0, maximum=20.0)
    check = [violation("a", "range_check")]
    [cause] = causes(column("a", baseline=side, window=out), violations=check)
    assert (cause.key, cause.kind) == ("range:a", CauseKind.RANGE)
    assert keys(causes(column("a", Grade.LARGE, baseline=side, window=out), violations=check)) == ["drift:a"]


def test_a_negative_value_where_training_had_none_is_a_cause() -> None:
    side = column("price", window=summary(1000, negatives=20))
    [cause] = causes(side, violations=[violation("price", "non_negative_check")])
    assert cause.title == "`price` is negative in 2.0 % of the rows"


def test_what_is_broken_stands_before_what_moved() -> None:
    found = causes(
        column("a", Grade.LARGE),
        column("n", window=None),
        violations=[violation("n", "missing_column_check")],
        completeness=WindowCompleteness(False, 600, 1000, gaps=("instance 8a3f was last heard of at 15:58",)),
    )
    assert keys(found) == ["missing_column:n", "incomplete", "drift:a"]
    assert found[1].sentence == "Instance 8a3f was last heard of at 15:58."


def test_an_empty_window_is_a_cause_only_where_nothing_proves_it() -> None:
    [cause] = causes(events=0, completeness=WindowCompleteness(None, 0, None))
    assert (cause.kind, cause.urgency) == (CauseKind.NO_DATA, Urgency.PAGE)
    assert causes(events=0, completeness=WindowCompleteness(True, 0, 0)) == ()


def test_every_title_has_at_most_fourteen_words() -> None:
    found = causes(
        *(column(f"prediction_{at}", Grade.LARGE, is_prediction=True) for at in range(3)),
        *(lacking(f"r{at}", 0, 300, request_level=True) for at in range(4)),
        *(column(f"c{at}", Grade.MEDIUM) for at in range(9)),
        violations=[violation(f"r{at}", "completeness_check") for at in range(4)],
        stores=[store("a long group name", events_with_missing=900, missing_ids=900, baseline_missing=0.0)],
    )
    assert len(found) == 4
    assert max(len(cause.title.split()) for cause in found) <= 14


def test_a_column_that_training_lacked_at_times_pages_only_where_it_is_unlike_ordinary_windows() -> None:
    fallen = [violation("wind_dir", "completeness_check")]
    [calm] = causes(lacking("wind_dir", 20, 300, grade=Grade.NONE), violations=fallen)
    assert (calm.key, calm.urgency) == ("completeness:wind_dir", Urgency.NOTE)
    [unknown] = causes(lacking("wind_dir", 20, 300, status=Status.NOT_JUDGED), violations=fallen)
    assert unknown.urgency is Urgency.MESSAGE
    [broken] = causes(lacking("wind_dir", 20, 300, grade=Grade.LARGE, linf=0.28), violations=fallen)
    assert (broken.key, broken.urgency) == ("completeness:wind_dir", Urgency.PAGE)


def test_missing_values_of_a_silent_store_are_one_cause_also_in_columns_whose_other_values_moved() -> None:
    quiet = lacking("dewp", 1, 400, grade=Grade.LARGE, linf=0.4, request_level=True)
    moved = lacking("humid", 1, 400, grade=Grade.LARGE, linf=0.6, request_level=True)
    fallen = [violation(name, "completeness_check") for name in ("dewp", "humid")]
    health = store("weather", missing_ids=400, events_with_missing=400)
    assert keys(causes(quiet, moved, stores=[health], violations=fallen)) == [
        "missing_entities:weather",
        "drift:weather",
    ]


def test_planes_that_a_register_lacked_at_training_too_page_only_where_it_answers_nothing() -> None:
    other = lacking("seats", 156, 378)
    [cause] = causes(other, stores=[store("planes", missing_ids=378, events_with_missing=300)])
    assert (cause.key, cause.grade, cause.urgency) == ("missing_entities:planes", Grade.LARGE, Urgency.MESSAGE)
    nothing = lacking("seats", 156, 1000)
    [cause] = causes(nothing, stores=[store("planes", missing_ids=1000, events_with_missing=1000)])
    assert cause.urgency is Urgency.PAGE

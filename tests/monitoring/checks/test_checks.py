"""The checks find what is wrong, name it in Model Monitor's words, and stay silent where nothing is."""

import re

import numpy as np
import pytest

from monitoring.baseline.constraints import (
    Constraints,
    DataType,
    DistributionConstraints,
    FeatureConstraint,
    MonitoringConfig,
    Overrides,
)
from monitoring.baseline.suggestion import suggest
from monitoring.checks import baseline_drift_check, store_checks
from monitoring.checks.run import ComparedStates, run_checks
from monitoring.result import ColumnResult, Grade, Status, StoreHealth
from monitoring.states.column import ColumnState
from monitoring.states.text import short
from tests.monitoring.baseline.columns import categories, numbers, state_of, unknown_binning


def columns_of(table):
    return {
        name: categories(name, values) if any(isinstance(value, str) for value in values) else numbers(name, values)
        for name, values in table.items()
    }


def judged(base, window, *, constraints=None, events=None, rescued=None, **more):
    """The violations of a window of plain values against a baseline of plain values."""
    before = columns_of(base)
    constraints = constraints or suggest(before.values())
    rows = max((len(values) for values in window.values()), default=0)
    states = {}
    for name, values in window.items():
        binning = before[name][0] if name in before else unknown_binning(name)
        states[name] = state_of(binning, values, (rescued or {}).get(name, 0))
    for name in before.keys() - states.keys():
        fine = np.zeros(before[name][0].fine + 1, np.int64)
        fine[-1] = rows
        states[name] = ColumnState(rows=rows, missing=rows, absent=rows, fine=fine)
    found = ComparedStates(
        columns=states,
        rows=rows,
        events=rows if events is None else events,
        binning={name: binning for name, (binning, _) in before.items()},
        baseline={name: state for name, (_, state) in before.items()},
        baseline_events=max(len(values) for values in base.values()),
        **more,
    )
    return run_checks(constraints, found)


def types(violations):
    return [(violation.feature_name, violation.constraint_check_type) for violation in violations]


def test_a_window_like_training_violates_nothing():
    base = {"n": [1, 2, 3, None] * 50, "x": [0.5, -1.5] * 100, "c": ["a", "b"] * 100}
    assert judged(base, base) == ()


def test_a_constant_column_of_another_length_violates_nothing():
    base: dict[str, list] = {"i": [20] * 400, "s": ["a"] * 400, "x": [0.0] * 400}
    assert judged(base, {name: values[:90] for name, values in base.items()}) == ()


@pytest.mark.parametrize(
    ("base", "window"),
    [
        ([1, 2, 3], [1.0, 2.0, float("nan")]),
        ([1.5, 2.0], [1, 2]),
        ([True, False], [0, 1]),
    ],
)
def test_whole_doubles_satisfy_integral_any_number_fractional_and_0_and_1_boolean(base, window):
    found = judged({"n": base * 30}, {"n": window * 30})
    assert [entry for entry in types(found) if entry[1] == "data_type_check"] == []


def test_strings_and_fractions_among_integers_are_named_with_their_number():
    [found] = judged({"n": [1, 2, 3] * 100}, {"n": [1, 2, 3] * 98 + ["3", "x", "?"] + [2.5] * 3}, rescued={"n": 3})
    assert found.constraint_check_type == "data_type_check"
    assert found.description == (
        "Data type match requirement is not met. Expected data type: Integral, Expected match: 100.0%. "
        "Observed: Only 98.0% of data is Integral."
    )
    assert "values of `n` are not whole numbers; " in found.sentence
    assert "3 fractional numbers and 3 strings, 3 of them rescued cells" in found.sentence
    assert "0 % at training" in found.sentence


def test_a_boolean_column_with_numbers_beyond_0_and_1_violates():
    [found] = [
        entry
        for entry in judged({"b": [True, False] * 50}, {"b": [0, 1] * 45 + [2] * 10})
        if entry.constraint_check_type == "data_type_check"
    ]
    assert "10 whole numbers" in found.sentence


def test_missing_values_are_counted_in_the_services_words_and_in_ours():
    [found] = judged({"wind_gust": [1.0] * 991 + [None] * 9}, {"wind_gust": [1.0] * 874 + [None] * 126}, events=1000)
    assert found.description == "Data completeness requirement is not met. Expected: 99.1%. Observed: Only 87.4%."
    assert found.sentence == "12.6 % of 1,000 events lack `wind_gust`; 0.9 % at training."
    assert found.grade is Grade.LARGE


def test_three_missing_values_in_many_violate_a_completeness_of_one_with_the_lowest_grade():
    [found] = judged({"f": [1.0] * 100}, {"f": [1.0] * 99_997 + [None] * 3})
    assert (found.constraint_check_type, found.grade) == ("completeness_check", Grade.SMALL)
    assert found.description.endswith("Observed: Only 99.997%.")
    assert found.sentence.startswith("< 0.1 % of 100,000 events")


def test_a_fall_of_an_estimated_completeness_within_sampling_error_is_no_violation():
    base = {"gust": [1.0, None] * 500}
    window = {"gust": [1.0] * 48 + [None] * 52}
    assert judged(base, window) == ()
    by_hand = Constraints((FeatureConstraint("gust", DataType.INTEGRAL, 0.6),))
    assert types(judged(base, window, constraints=by_hand)) == [("gust", "completeness_check")]


def test_missing_values_of_one_request_are_one_piece_of_evidence():
    base = {"gust": [1.0, None] * 500}
    window = {"gust": [1.0] * 350 + [None] * 650}
    assert types(judged(base, window)) == [("gust", "completeness_check")]
    assert judged(base, window, events=10) == ()


def test_a_column_empty_in_training_and_in_the_window_violates_nothing():
    unknown = unknown_binning("b")
    state = state_of(unknown, [None] * 5)
    constraints = suggest([(unknown, state)])
    window = ComparedStates({"b": state}, 5, 5, {"b": unknown}, {"b": state}, 5)
    assert run_checks(constraints, window) == ()


def test_null_and_an_unseen_number_in_a_tiny_window_are_named():
    found = judged({"num": [1, 2, 3, 4, 5] * 100, "cat": [1, 0] * 250}, {"num": [None, None], "cat": [14, None]})
    assert types(found) == [("num", "completeness_check"), ("cat", "completeness_check"), ("cat", "range_check")]
    assert "1 above 1, up to 14" in found[-1].sentence


def test_columns_are_compared_by_name_whatever_their_order_and_number():
    found = judged({"a": [1] * 99, "b": [2] * 99, "c": [3] * 99}, {"c": [3] * 99, "a": [1] * 99, "d": [4] * 99})
    assert types(found) == [("b", "missing_column_check"), ("d", "extra_column_check")]
    assert found[0].description == (
        "There are missing columns in current dataset. Number of columns in current dataset: 3, "
        "Number of columns in baseline constraints: 3"
    )
    assert found[1].description.startswith("There are extra columns in current dataset. Number of columns")


def test_columns_of_the_dataset_and_predictions_that_training_lacks_are_not_extra():
    window = {"a": [1], "capture_event_id": ["x"], "capture_age_weather": [1.0], "prediction": [0.5]}
    assert judged({"a": [1] * 9}, window, predictions={"prediction"}) == ()


def test_predictions_are_checked_as_columns_and_named_first():
    base = {"a": [1, 2] * 50, "prediction": [0.1, 0.9] * 50}
    found = judged(base, {"a": [None] * 50, "prediction": [None] * 50}, predictions={"prediction"})
    assert [entry[0] for entry in types(found)] == ["prediction", "a"]


def test_unseen_categories_are_named_with_their_counts():
    [found] = judged({"dest": ["ATL", "BOS"] * 50}, {"dest": ["ATL"] * 92 + ["ACK"] * 5 + ["MVY"] * 3})
    assert found.description == "Value: 0.92 does not meet the constraint requirement! "
    assert found.sentence == "8 of 100 values of `dest` (8.0 %) are unknown at training: `ACK` 5, `MVY` 3."


def test_texts_that_look_missing_are_values_and_letters_are_not_folded():
    values = ["None", "nan", "", "é", "e\u0301", "😀", "<30", "a\nb", "\u202eabc"]
    assert judged({"c": values * 30}, {"c": values * 30}) == ()
    [found] = judged({"c": values * 30}, {"c": [*values[1:], "E\u0301"] * 30})
    assert "`E\u0301` 30" in found.sentence


def test_thresholds_hold_by_column():
    base = {"a": ["x"] * 100, "b": ["x"] * 100}
    window = {"a": ["x"] * 80 + ["y"] * 20, "b": ["x"] * 80 + ["y"] * 20}
    features = tuple(
        FeatureConstraint(name, DataType.STRING, 1.0, None, ("x",), Overrides(config=config))
        for name, config in (("a", {}), ("b", {"domain_content_threshold": 0.75}))
    )
    assert types(judged(base, window, constraints=Constraints(features))) == [("a", "categorical_values_check")]


def test_a_value_that_a_person_adds_to_the_domain_is_known():
    features = (FeatureConstraint("c", DataType.STRING, 1.0, None, ("x", "new")),)
    assert judged({"c": ["x", "old"] * 50}, {"c": ["x", "new"] * 50}, constraints=Constraints(features)) == ()
    [found] = judged({"c": ["x", "old"] * 50}, {"c": ["x", "old"] * 50}, constraints=Constraints(features))
    assert "`old` 50" in found.sentence


def test_a_long_category_of_the_constraints_is_the_shortened_one_of_the_states():
    long = "é" * 9000
    features = (FeatureConstraint("c", DataType.STRING, 1.0, None, (long,)),)
    table = {"c": [short(long)] * 50}
    assert judged(table, table, constraints=Constraints(features)) == ()


def test_switched_off_checks_find_nothing():
    base, window = {"a": [1] * 9, "b": [1] * 9}, {"a": ["x"] * 9, "b": ["x"] * 9}
    off = Overrides(config={"evaluate_constraints": False})
    features = (
        FeatureConstraint("a", DataType.INTEGRAL, overrides=off),
        FeatureConstraint("b", DataType.INTEGRAL),
    )
    assert types(judged(base, window, constraints=Constraints(features))) == [("b", "data_type_check")]
    everything = Constraints(features, MonitoringConfig(evaluate_constraints=False))
    assert judged(base, window, constraints=everything) == ()


def test_negative_numbers_violate_under_a_name_of_ours():
    [found] = judged({"fare": [0.5, 3.5] * 50}, {"fare": [0.5, 3.5] * 49 + [0.7, -0.25]})
    assert (found.constraint_check_type, found.grade) == ("non_negative_check", Grade.SMALL)
    assert "the smallest is -0.25" in found.sentence


def test_values_outside_the_range_of_training_are_a_finding():
    base = {"t": [value - 49.5 for value in range(100)]}
    [found] = judged(base, {"t": [0.0] * 90 + [60.5] * 10})
    assert (found.constraint_check_type, found.grade) == ("range_check", Grade.MEDIUM)
    assert found.sentence == "10.0 % of 100 values of `t` lie outside what training had: 10 above 49.5, up to 60.5."


def test_a_few_values_just_outside_are_none_and_a_far_sentinel_is_one():
    base = {"t": [value - 49.5 for value in range(100)]}
    assert judged(base, {"t": [0.0] * 990 + [50.5] * 10}) == ()
    [found] = judged(base, {"t": [0.0] * 990 + [-999.0] * 10})
    assert "10 below -49.5, down to -999" in found.sentence


def test_infinities_are_outside_the_range_and_no_number_in_a_text_is_infinite():
    found = judged({"r": [0.5, 1.5, -0.5] * 100}, {"r": [0.5] * 270 + [float("inf")] * 18 + [float("-inf")] * 12})
    assert ("r", "range_check") in types(found)
    assert not any(re.search(r"\binf\b", violation.sentence + violation.description) for violation in found)


def test_a_column_that_differs_only_by_case_is_renamed():
    found = judged({"Wind Gust": [1.5] * 9, "a": [1] * 9}, {"wind_gust": [1.5] * 9, "a": [1] * 9})
    assert types(found)[-1] == ("wind_gust", "extra_column_check")
    [renamed] = [violation for violation in found if violation.constraint_check_type == "renamed_column_check"]
    assert "differ only by case and separators" in renamed.sentence


def test_a_column_with_the_same_values_under_another_name_is_a_question():
    values = np.random.default_rng(2).normal(7, 2, 200).round(3).tolist()
    base = {"temp": values, "other": [float(value) for value in range(200)]}
    found = judged(base, {"temperature": values, "other": base["other"]})
    [renamed] = [violation for violation in found if violation.constraint_check_type == "renamed_column_check"]
    assert (renamed.feature_name, renamed.sentence.endswith("`temperature`: same distribution: renamed?")) == (
        "temp",
        True,
    )
    shifted = judged(base, {"temperature": [value + 3 for value in values], "other": base["other"]})
    assert "renamed_column_check" not in [kind for _, kind in types(shifted)]


def test_hashed_columns_are_exempt_from_all_but_completeness():
    found = judged({"id": [1, 2] * 50}, {"id": ["9f", "3a"] * 40 + [None] * 20}, hashed={"id"})
    assert types(found) == [("id", "completeness_check")]


def test_an_ignored_column_is_not_looked_at():
    assert judged({"a": [1] * 9, "b": [1] * 9}, {"a": [1] * 9, "c": [1] * 9}, ignored={"b", "c"}) == ()


def test_an_empty_window_has_no_violations():
    assert judged({"a": [1] * 9}, {"a": []}) == ()


def test_odd_names_are_compared_as_they_are():
    names = [
        "Phone No.",
        "helpful votes",
        "count",
        "unit",
        "größe",
        "<img src=x>",
        'a"b',
        "x" * 255,
        "capture_event_id2",
    ]
    table = {name: [1, 2] * 20 for name in names}
    assert judged(table, table) == ()
    found = judged(table, {name: [None] * 40 for name in names})
    assert [name for name, _ in types(found)] == names


def drifted(**more):
    given = {"linf": 0.834, "p_value": 0.001, "grade": Grade.LARGE, "status": Status.DRIFT, **more}
    return ColumnResult(
        name="temp", kind="numeric", type_name="double", is_prediction=False, request_level=False,
        baseline=None, window=None, **given,
    )  # fmt: skip


def test_the_drift_checks_description_ends_with_the_threshold():
    found = baseline_drift_check.check(drifted(), 0.02)
    assert found is not None
    [(distance, threshold)] = re.findall(r"distance: (.+) exceeds threshold: (.+)", found.description)
    assert (float(distance), float(threshold)) == (0.834, 0.02)
    assert baseline_drift_check.check(drifted(status=Status.NO_DRIFT), 0.02) is None


def test_the_drift_check_obeys_its_switch_and_the_columns_own_threshold():
    window = ComparedStates({}, 0, 0, {})
    own = Overrides(comparison={"comparison_threshold": 0.3})
    features = (FeatureConstraint("temp", DataType.FRACTIONAL, overrides=own),)
    [found] = run_checks(Constraints(features), window, drift=[drifted()])
    assert found.description.endswith("exceeds threshold: 0.3")
    off = MonitoringConfig(distribution_constraints=DistributionConstraints(perform_comparison=False))
    assert run_checks(Constraints(features, off), window, drift=[drifted()]) == ()


def store(**more):
    given = {
        "age_median": 60.0,
        "age_maximum": 90.0,
        "baseline_age_median": 60.0,
        "missing_ids": 0,
        "events_with_missing": 0,
    }
    return StoreHealth(group="weather", events=200, **{**given, **more})


@pytest.mark.parametrize(
    ("health", "limits", "expected"),
    [
        (store(), {}, []),
        (store(age_median=250.0), {}, []),
        (store(age_median=7200.0), {}, ["stale_store_check"]),
        (store(age_median=7200.0, baseline_age_median=None), {}, []),
        (store(age_median=7200.0, baseline_age_median=None), {"weather": 3600.0}, ["stale_store_check"]),
        (store(age_median=7200.0), {"weather": 10_000.0}, []),
        (store(age_median=None), {"weather": 1.0}, []),
        (store(events_with_missing=64), {}, []),
        (store(events_with_missing=64, baseline_missing=0.01), {}, ["missing_entities_check"]),
        (store(events_with_missing=64, baseline_missing=0.32), {}, []),
    ],
)
def test_a_store_is_stale_against_its_baseline_or_its_limit_and_misses_ids_against_its_baseline(
    health, limits, expected
):
    assert [violation.constraint_check_type for violation in store_checks.check([health], limits)] == expected


def test_a_stale_store_is_named_with_its_age():
    [found] = store_checks.check([store(age_median=7200.0)])
    assert (
        found.sentence
        == "Records of store group `weather` are 2 h old at the median of 200 events; 1 min in the baseline."
    )

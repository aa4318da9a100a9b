"""The drift decision on cases that people reported of other monitors, and on worlds whose truth is known."""

import dataclasses

import numpy as np
import pytest

from monitoring.drift.decision import decide
from monitoring.drift.evidence import inflation
from monitoring.drift.sample import ColumnSample, Units
from monitoring.errors import MonitoringError
from monitoring.result import Grade, Status
from tests.monitoring.drift.tables import categorical, numeric

NAN = float("nan")


def rows(values):
    values = np.asarray(values, float)
    return values, np.arange(len(values))


def one_row_a_request(name, base, wind, **options):
    (b, bu), (w, wu) = rows(base), rows(wind)
    return numeric(name, b, w, bu, wu, **options)


def judged(*samples, seed=0, **options):
    return decide(samples, rng=np.random.default_rng(seed), **options)


def test_two_requests_are_not_judged() -> None:
    [column] = judged(one_row_a_request("num", [1, 2, 3, 4, 5] * 100, [NAN, NAN])).columns
    assert column.status is Status.NOT_JUDGED
    assert column.reason.startswith("2 requests in the window; at least 10 are needed")
    assert column.p_value is None
    assert column.linf == pytest.approx(1.0)


def test_eight_requests_are_not_judged_and_the_reason_says_what_they_could_have_shown() -> None:
    rng = np.random.default_rng(1)
    [column] = judged(one_row_a_request("w", rng.normal(1.2, 0.76, 150), [1.4, 1.6] * 4)).columns
    assert column.status is Status.NOT_JUDGED
    assert column.detectable > 0.3
    assert f"only an L-infinity distance of {column.detectable:.2f} or more" in column.reason


def test_a_constant_column_has_distance_0_and_p_1() -> None:
    [column] = judged(one_row_a_request("x", [20.0] * 400, [20.0] * 90)).columns
    assert (column.status, column.p_value, column.linf, column.shift) == (Status.NO_DRIFT, 1.0, 0.0, 0.0)


def test_a_column_that_is_empty_everywhere_does_not_disturb_the_others() -> None:
    rng = np.random.default_rng(2)
    a = one_row_a_request("a", rng.normal(size=500), rng.normal(size=500))
    b = categorical("b", *(np.full(500, NAN), np.full(500, NAN)), np.arange(500), np.arange(500), values=0)
    decision = judged(a, b)
    assert [column.status for column in decision.columns] == [Status.NO_DRIFT, Status.NO_DRIFT]
    assert decision.columns[1].p_value == 1.0


def test_a_rising_share_of_missing_values_is_drift_by_the_missing_values_alone() -> None:
    rng = np.random.default_rng(3)
    wind = rng.normal(size=4000)
    wind[rng.random(4000) < 0.3] = NAN
    [column] = judged(one_row_a_request("f", rng.normal(size=4000), wind)).columns
    assert (column.status, column.grade) == (Status.DRIFT, Grade.LARGE)
    assert column.linf == pytest.approx(0.30, abs=0.02)
    assert len(column.moved) == 1
    assert column.moved[0].startswith("missing values rose from 0.0 % to ")
    assert column.tests["distribution"] > 0.05


def test_a_new_rounding_of_a_sensor_is_real_but_no_drift() -> None:
    rng = np.random.default_rng(4)
    [column] = judged(
        one_row_a_request("p", rng.choice([1.0, 2, 3], 3000), rng.choice([1.001, 2.001, 3.001], 3000))
    ).columns
    assert column.linf == pytest.approx(0.33, abs=0.03)
    assert column.shift < 0.05
    assert column.p_value <= 0.05
    assert (column.status, column.grade) == (Status.NO_DRIFT, Grade.NONE)
    assert column.reason.startswith("real but small: values moved by 0.0")


def test_a_class_of_0_and_1_has_the_change_of_its_share_as_distance() -> None:
    base, wind = np.repeat([0, 1], [5400, 600]), np.repeat([0, 1], [5040, 960])
    [column] = judged(one_row_a_request("y", base, wind)).columns
    assert column.linf == pytest.approx(0.06)
    assert column.status is Status.DRIFT


def test_values_far_away_have_distance_1() -> None:
    rng = np.random.default_rng(5)
    [column] = judged(one_row_a_request("s", rng.normal(0, 1, 3000), rng.normal(10, 1, 3000))).columns
    assert (column.status, column.grade) == (Status.DRIFT, Grade.LARGE)
    assert column.linf == pytest.approx(1.0, abs=0.02)


def test_a_feature_that_turns_into_zeros_drifts() -> None:
    rng = np.random.default_rng(6)
    [column] = judged(one_row_a_request("n", rng.poisson(4, 5000), [0.0] * 5000)).columns
    assert (column.status, column.grade) == (Status.DRIFT, Grade.LARGE)
    assert column.linf == pytest.approx(0.98, abs=0.01)
    assert column.summary.startswith("the mean fell by ")


def test_a_constant_that_becomes_another_constant_drifts() -> None:
    [column] = judged(one_row_a_request("x", [7.0] * 400, [8.0] * 90)).columns
    assert (column.status, column.grade, column.linf) == (Status.DRIFT, Grade.LARGE, 1.0)


def test_a_tiny_change_over_much_data_is_real_but_small() -> None:
    # 400,000 requests a side in blocks of 400.
    rng = np.random.default_rng(7)
    unit = np.arange(400_000) // 400
    sample = numeric("x", rng.normal(0, 1, 400_000), rng.normal(0.012, 1, 400_000), unit, unit)
    [column] = judged(sample, units=Units(window_requests=400_000, baseline_size=400, window_size=400)).columns
    assert column.p_value <= 0.05
    assert column.status is Status.NO_DRIFT
    assert column.reason.startswith("real but small: L-infinity 0.00")


def test_swapped_categories_are_named_with_their_shares() -> None:
    rng = np.random.default_rng(8)
    base = rng.choice(5, 8000, p=[0.5, 0.2, 0.15, 0.1, 0.05]).astype(float)
    wind = rng.choice(5, 4000, p=[0.5, 0.2, 0.15, 0.05, 0.1]).astype(float)
    unit = np.arange(8000) // 8
    [column] = judged(categorical("carrier", base, wind, unit, unit[:4000], values=5)).columns
    assert column.status is Status.DRIFT
    assert "“d” fell from " in column.summary
    assert "“e” rose from " in column.summary


def test_a_value_outside_the_domain_is_named_so() -> None:
    rng = np.random.default_rng(9)
    base = rng.choice(3, 4000).astype(float)
    wind = np.where(rng.random(4000) < 0.2, 3, rng.choice(3, 4000)).astype(float)
    unit = np.arange(4000) // 4
    [column] = judged(categorical("c", base, wind, unit, unit, values=3)).columns
    assert "values outside the baseline's domain rose from 0.0 % to " in column.summary


def test_a_floor_of_its_own_silences_one_column() -> None:
    rng = np.random.default_rng(10)
    base, wind = rng.normal(size=4000), rng.normal(0.3, 1, 4000)
    a, b = one_row_a_request("a", base, wind), one_row_a_request("b", base, wind)
    assert [c.status for c in judged(a, b, floors={"a": 0.5}).columns] == [Status.NO_DRIFT, Status.DRIFT]


def test_the_same_seed_gives_the_same_decision() -> None:
    rng = np.random.default_rng(11)
    sample = one_row_a_request("a", rng.normal(size=400), rng.normal(0.2, 1, 100))
    assert judged(sample, seed=5) == judged(sample, seed=5)


def test_a_table_without_units_is_judged_and_its_assumption_printed() -> None:
    rng = np.random.default_rng(12)
    sample = one_row_a_request("a", rng.normal(size=4000), rng.normal(0.5, 1, 400), with_units=False)
    decision = judged(sample)
    assert decision.columns[0].status is Status.DRIFT
    assert decision.method.one_sample
    assert "rows of the baseline resemble each other no more than" in decision.method.promise


def test_a_run_without_columns_is_declined() -> None:
    decision = judged()
    assert decision.columns == ()
    assert decision.method.declined == "no column can be compared with the baseline"


def test_columns_with_different_units_are_refused() -> None:
    a, b = one_row_a_request("a", [1.0, 2] * 50, [1.0] * 20), one_row_a_request("b", [1.0, 2] * 50, [1.0] * 21)
    with pytest.raises(MonitoringError, match="different numbers of units"):
        judged(a, b)


def test_counts_of_another_binning_are_refused_by_name() -> None:
    sample = one_row_a_request("wind_gust", [1.0, 2] * 50, [1.0] * 20)
    with pytest.raises(MonitoringError, match="column 'wind_gust': window_fine has the shape"):
        dataclasses.replace(sample, window_fine=np.ones(3))


def test_units_of_equal_size_and_weight_widen_nothing() -> None:
    assert inflation(Units(), 70, 2000) == pytest.approx(1.0)
    assert inflation(Units(baseline_size=8, window_size=8), 300, 1000) == pytest.approx(1.0)


def test_unequal_sampling_weights_widen_what_chance_may_do() -> None:
    assert inflation(Units(weight_share=0.5), 100, 1_000_000) == pytest.approx(2**0.5, rel=1e-3)


@pytest.mark.parametrize("window", [0, 1, 2, 10, 40])
@pytest.mark.parametrize("baseline", [0, 1, 2, 60])
def test_no_counts_however_few_or_empty_give_an_undefined_number(baseline: int, window: int) -> None:
    rng = np.random.default_rng(100 * baseline + window)
    for kind in ("any", "all missing", "no rows", "constant", "new values"):
        for with_units in (True, False):
            sides = [rng.poisson(1.5, (n, 5)).astype(float) for n in (baseline, window)]
            for counts in sides:
                counts[:, :-1] *= kind != "all missing"
                counts[:, 1:] *= kind != "constant"
                counts *= kind != "no rows"
            sides[0][:, 0] *= kind != "new values"
            before, after = (counts.sum(axis=0) for counts in sides)
            samples = [
                ColumnSample(
                    name,
                    name == "category",
                    False,
                    before,
                    after,
                    np.arange(5),
                    sides[1],
                    sides[0] if with_units else None,
                )
                for name in ("number", "category")
            ]
            for column in judged(*samples, shuffles=49, units=Units(window_requests=window, rows=3.0)).columns:
                numbers = [
                    column.p_value,
                    column.linf,
                    column.detectable,
                    *column.tests.values(),
                    *column.distances.values(),
                ]
                assert all(number is None or np.isfinite(number) for number in numbers)

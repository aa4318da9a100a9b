"""Model Monitor's files of model quality: what the service writes is read, what we write it can read."""

import datetime as dt
import json

import pytest

from monitoring.errors import MonitoringError
from monitoring.quality.constraints_file import (
    Constraint,
    constraints_document,
    find_violations,
    read_constraints,
    suggest_constraints,
    violations_document,
)
from monitoring.quality.metric import Metric
from monitoring.quality.problem import Problem
from monitoring.quality.statistics_file import read_values, statistics_document

NOW = dt.datetime(2026, 3, 5, 13, tzinfo=dt.UTC)
METRICS = (
    Metric("mae", 2.0, "lower", 1.8, 2.2, 0.1),
    Metric("r2", None, "higher", reason="all labels are equal"),
    Metric("mean_error", 0.1, "neither", 0.0, 0.2, 0.05),
)


def test_what_is_undefined_is_the_string_nan_for_the_service_and_null_with_a_reason_for_us() -> None:
    document = json.loads(json.dumps(statistics_document(Problem.REGRESSION, METRICS, 300, NOW)))
    assert document["regression_metrics"]["r2"] == {"value": "NaN", "standard_deviation": "NaN"}
    assert document["regression_metrics"]["mae"] == {"value": 2.0, "standard_deviation": 0.1}
    assert document["dataset"] == {"item_count": 300, "evaluation_time": "2026-03-05T13:00:00.000Z"}
    ours = {entry["name"]: entry for entry in document["endpoint_capture"]["metrics"]}
    assert (ours["r2"]["value"], ours["r2"]["reason"]) == (None, "all labels are equal")


def test_below_200_rows_there_is_no_standard_deviation() -> None:
    document = statistics_document(Problem.REGRESSION, METRICS, 199, NOW)
    assert document["regression_metrics"]["mae"]["standard_deviation"] == "NaN"


def test_a_file_of_the_service_is_read() -> None:
    body = b"""{"version" : 0.0, "dataset" : {"item_count" : 100}, "regression_metrics" : {
      "mae" : {"value" : 0.5, "standard_deviation" : "NaN"}, "r2" : {"value" : "NaN", "standard_deviation" : "NaN"}}}"""
    assert read_values(body) == (Problem.REGRESSION, {"mae": 0.5, "r2": None})


def test_a_file_without_model_quality_is_named() -> None:
    with pytest.raises(MonitoringError, match="regression_metrics"):
        read_values(b'{"version": 0, "features": []}')


def test_constraints_survive_their_file_and_violations_have_the_services_words() -> None:
    constraints = (Constraint("mae", 1.5, "GreaterThanThreshold"), Constraint("r2", 0.5, "LessThanThreshold"))
    body = json.dumps(constraints_document(Problem.REGRESSION, constraints)).encode()
    assert read_constraints(body, Problem.REGRESSION) == constraints
    found = find_violations(METRICS, constraints)
    assert violations_document(found) == {
        "violations": [
            {
                "constraint_check_type": "GreaterThanThreshold",
                "description": "Metric mae with 2.0 was GreaterThanThreshold 1.5",
                "metric_name": "mae",
            }
        ]
    }
    assert found[0].decided


def test_a_suggested_limit_lies_beyond_the_interval_and_a_small_change() -> None:
    [mae] = suggest_constraints(METRICS)
    assert (mae.metric, mae.threshold, mae.comparison_operator) == ("mae", 2.2, "GreaterThanThreshold")
    [auc] = suggest_constraints((Metric("auc", 0.8, "higher", 0.795, 0.805),))
    assert auc.threshold == pytest.approx(0.78)
    assert auc.comparison_operator == "LessThanThreshold"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"threshold": "high", "comparison_operator": "LessThanThreshold"}, "threshold of 'mae' is 'high'"),
        ({"threshold": 1, "comparison_operator": "Less"}, "comparison_operator of 'mae' is 'Less'"),
    ],
)
def test_a_wrong_constraint_is_named(entry: dict[str, object], message: str) -> None:
    body = json.dumps({"regression_constraints": {"mae": entry}}).encode()
    with pytest.raises(MonitoringError, match=message):
        read_constraints(body, Problem.REGRESSION)

"""constraints.json: every spelling that Model Monitor and its users write is read, and what is written is its schema."""

import json

import pytest

from monitoring.baseline import constraints_file
from monitoring.baseline.constraints import (
    Constraints,
    DataType,
    DistributionConstraints,
    FeatureConstraint,
    MonitoringConfig,
    Overrides,
)
from monitoring.baseline.suggestion import suggest
from monitoring.drift.rules import CategoricalMethod, ComparisonMethod
from monitoring.errors import MonitoringError
from tests.monitoring.baseline.columns import categories, numbers, state_of, unknown_binning


def read(**document):
    return constraints_file.read(json.dumps(document).encode())


def feature(**keys):
    return {"name": "fare", "inferred_type": "Fractional", "completeness": 1.0, **keys}


def test_a_file_of_the_service_is_read_with_its_constraints_and_thresholds():
    found = read(
        version=0.0,
        features=[
            feature(num_constraints={"is_non_negative": True}),
            {"name": "kind", "inferred_type": "String", "completeness": 0.5, "string_constraints": {"domains": ["a", "<30"]}},
        ],
        monitoring_config={
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Disabled",
            "datatype_check_threshold": 0.9,
            "domain_content_threshold": 0.8,
            "distribution_constraints": {
                "perform_comparison": "Disabled",
                "comparison_threshold": 0.2,
                "comparison_method": "Simple",
                "categorical_comparison_threshold": 0.3,
                "categorical_drift_method": "ChiSquared",
            },
        },
    )  # fmt: skip
    assert found.features == (
        FeatureConstraint("fare", DataType.FRACTIONAL, 1.0, True),
        FeatureConstraint("kind", DataType.STRING, 0.5, None, ("a", "<30")),
    )
    comparison = DistributionConstraints(False, 0.2, ComparisonMethod.SIMPLE, 0.3, CategoricalMethod.CHI_SQUARED)
    assert found.config == MonitoringConfig(True, False, 0.9, 0.8, comparison)
    assert not found.compares("fare")


def test_keys_that_are_left_out_have_the_documented_defaults():
    found = read(features=[feature()])
    assert found.config == MonitoringConfig(
        True, True, 1.0, 1.0, DistributionConstraints(True, 0.1, ComparisonMethod.ROBUST, 0.1)
    )


def test_the_old_spelling_of_the_comparison_method_is_read():
    config = {"distribution_constraints": {"comparion_method": "Simple"}}
    assert read(features=[], monitoring_config=config).config.distribution_constraints.comparison_method == "Simple"


@pytest.mark.parametrize(
    "keys",
    [
        {"monitoringConfigOverrides": {"domain_content_threshold": 0.75}},
        {"monitoring_config_overrides": {"domain_content_threshold": 0.75}},
        {"string_constraints": {"domains": ["x"], "monitoringConfigOverrides": {"domain_content_threshold": 0.75}}},
        {"num_constraints": {"is_non_negative": True, "monitoringConfigOverrides": {"domain_content_threshold": 0.75}}},
    ],
)
def test_a_columns_overrides_are_read_where_users_write_them(keys):
    found = read(features=[feature(**keys), {"name": "other"}])
    assert found.config_for("fare").domain_content_threshold == 0.75
    assert found.config_for("other").domain_content_threshold == 1.0


def test_a_columns_own_comparison_keys_are_read_nested_and_flat():
    nested = feature(monitoringConfigOverrides={"distribution_constraints": {"perform_comparison": "Disabled"}})
    flat = {"name": "flat", "monitoringConfigOverrides": {"comparison_threshold": 0.4, "comparion_method": "Simple"}}
    found = read(features=[nested, flat])
    assert not found.compares("fare")
    assert found.compares("flat")
    assert found.config_for("flat").distribution_constraints.comparison_threshold == 0.4


def test_a_switched_off_column_is_not_compared():
    found = read(features=[feature(monitoringConfigOverrides={"evaluate_constraints": "Disabled"})])
    assert not found.compares("fare")


def test_the_floor_is_the_columns_own_then_the_shared_one_then_the_comparison_threshold():
    own = feature(monitoringConfigOverrides={"distribution_constraints": {"comparison_threshold": 0.3}})
    ours = read(features=[own, {"name": "b"}], monitoring_config={"distribution_constraints": {"floor": 0.02}})
    assert ours.floor_for("fare", categorical=False) == 0.3
    assert ours.floor_for("fare", categorical=True) == 0.02
    assert ours.floor_for("b", categorical=False) == 0.02
    assert read(features=[feature()]).floor_for("fare", categorical=False) == 0.1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"features": [{"inferred_type": "String"}]}, ("features[0]", "`name`")),
        ({"features": [feature(completeness=1.5)]}, ("'fare'", "completeness", "1.5", "from 0 to 1")),
        ({"features": [feature(completeness=True)]}, ("completeness", "True", "from 0 to 1")),
        ({"features": [feature(inferred_type="Float")]}, ("'Float'", "Integral", "Fractional")),
        ({"features": [], "monitoring_config": {"emit_metrics": "maybe"}}, ("emit_metrics", "'maybe'", "Enabled or Disabled")),
        ({"features": [feature(), feature()]}, ("'fare'", "two constraints")),
        ({"regression_constraints": {}}, ("model quality baseline",)),
        ({"violations": []}, ("violations",)),
        ({"dataset": {}, "features": []}, ("statistics.json",)),
        ({"columns": []}, ("'columns'",)),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_the_value_and_what_is_allowed(document, words):
    with pytest.raises(MonitoringError) as failure:
        constraints_file.read(json.dumps(document).encode(), "s3://b/constraints.json")
    assert all(word in str(failure.value) for word in ("s3://b/constraints.json", *words))


def test_text_that_is_not_json_is_refused():
    with pytest.raises(MonitoringError, match="not JSON"):
        constraints_file.read(b"name,type\n")


def test_what_is_written_is_read_back_and_keeps_to_the_documented_types():
    overrides = Overrides({"evaluate_constraints": False}, {"comparison_threshold": 0.5})
    constraints = Constraints(
        (
            FeatureConstraint("n", DataType.INTEGRAL, 0.25, True, None, overrides),
            FeatureConstraint("c", DataType.STRING, 1.0, None, ("é", "e\u0301", "")),
            FeatureConstraint("b", DataType.BOOLEAN, 1.0),
            FeatureConstraint("l", DataType.LIST, 1.0),
        ),
        MonitoringConfig(emit_metrics=False, distribution_constraints=DistributionConstraints(floor=0.05)),
    )
    written = constraints_file.write(constraints)
    assert constraints_file.read(written) == constraints
    entries = {entry["name"]: entry for entry in json.loads(written)["features"]}
    assert [entries[name]["inferred_type"] for name in "ncbl"] == ["Integral", "String", "Integral", "Unknown"]
    assert entries["n"]["monitoringConfigOverrides"]["evaluate_constraints"] == "Disabled"


def test_suggested_constraints_are_what_the_training_data_satisfies():
    unknown = unknown_binning("empty")
    found = suggest(
        [
            numbers("whole", [0.0, 1.0, 2.0, None]),
            numbers("part", [-1.0, 2.5]),
            categories("kind", ["a", "a", "b", "b"]),
            categories("ids", ["x1", "x2", "x3"]),
            (unknown, state_of(unknown, [None, None])),
        ]
    )
    assert found.features == (
        FeatureConstraint("whole", DataType.INTEGRAL, 0.75, True),
        FeatureConstraint("part", DataType.FRACTIONAL, 1.0, False),
        FeatureConstraint("kind", DataType.STRING, 1.0, None, ("a", "b")),
        FeatureConstraint("ids", DataType.STRING, 1.0),
        FeatureConstraint("empty", DataType.UNKNOWN, 0.0),
    )


def test_a_column_of_mixed_types_gets_a_threshold_that_training_satisfies():
    [feature] = suggest([categories("mixed", ["a"] * 90 + ["b"] * 900 + [1, 2] * 5)]).features
    assert feature.data_type is DataType.STRING
    assert 0.97 < feature.overrides.config["datatype_check_threshold"] < 0.99
    assert feature.domain == ("a", "b")


def test_whole_doubles_of_training_suggest_a_fractional_column():
    binning, state = numbers("x", [1.0, 2.0])
    state.types = {"double": 2}
    assert suggest([(binning, state)]).features[0].data_type is DataType.FRACTIONAL

"""constraint_violations.json keeps the three keys that scripts read, and foreign violations are named, not lost."""

import json

import pytest

from monitoring.checks import violations_file
from monitoring.errors import MonitoringError
from monitoring.result import Grade, Violation

FOUND = Violation("größe <b>", "completeness_check", "Data completeness …", "12.6 % of …", Grade.LARGE)


def test_what_is_written_has_model_monitors_keys_and_is_read_back():
    written = violations_file.write([FOUND])
    [entry] = json.loads(written)["violations"]
    assert list(entry)[:3] == ["feature_name", "constraint_check_type", "description"]
    assert violations_file.read(written) == ((FOUND,), ())
    assert json.loads(violations_file.write([])) == {"violations": []}


def test_clarifys_violations_are_named_and_skipped():
    entry = {"constraint_check_type": "bias_drift_check", "facet": "Sex", "metric_name": "DAR", "description": "…"}
    service = {"feature_name": "fare", "constraint_check_type": "data_type_check", "description": "Value: 0.4 …! "}
    found, notes = violations_file.read(json.dumps({"version": "1.0", "violations": [entry, service, entry]}).encode())
    assert [(violation.feature_name, violation.description) for violation in found] == [("fare", "Value: 0.4 …! ")]
    assert notes == (
        "constraint_violations.json: 2 of type bias_drift_check name no feature and are skipped: "
        "bias and attribution are out of scope",
    )


@pytest.mark.parametrize("content", [b"[]", b"{}", b"{"])
def test_a_file_without_violations_is_refused(content):
    with pytest.raises(MonitoringError, match=r"s3://b/v.json"):
        violations_file.read(content, "s3://b/v.json")

"""The constraint checks by Model Monitor's names, each with its result and what it found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from monitoring.findings import wording
from monitoring.findings.severity import GRADES, gravest
from monitoring.findings.visible import visible_value
from monitoring.result import Grade, RunResult, Status, Violation

PASSED = {
    "data_type_check": "Every value has its training type.",
    "completeness_check": "No column lacks more values than its threshold allows.",
    "missing_column_check": "Every column of the baseline is there.",
    "extra_column_check": "No column is new.",
    "categorical_values_check": "Every value is known from training.",
    "baseline_drift_check": "No column drifted.",
}
SENTENCES = 4


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check. `mark` is a grade's mark, "gn" where the check did not run."""

    name: str
    mark: str
    word: str
    text: str


def check_rows(result: RunResult) -> list[CheckRow]:
    """Returns the six checks in their order, then the others that found something."""
    found: dict[str, list[Violation]] = defaultdict(list)
    for violation in result.violations:
        found[violation.constraint_check_type].append(violation)
    names = [*PASSED, *(name for name in found if name not in PASSED)]
    return [_row(result, name, found.get(name, [])) for name in names]


def _row(result: RunResult, name: str, violations: list[Violation]) -> CheckRow:
    if name in result.checks_off:
        return CheckRow(name, "gn", "Off", "Switched off by the constraints.")
    if violations:
        grade = gravest([violation.grade for violation in violations] + [Grade.SMALL])
        return CheckRow(visible_value(name), f"g{GRADES.index(grade)}", "Violated", _text(name, violations))
    if not result.events:
        return CheckRow(name, "gn", "Not judged", "The window is empty.")
    if name == "baseline_drift_check" and all(column.status is Status.NOT_JUDGED for column in result.columns):
        return CheckRow(name, "gn", "Not judged", "No column could be judged.")
    return CheckRow(name, "g0", "Passed", PASSED[name])


def _text(name: str, violations: list[Violation]) -> str:
    if name == "baseline_drift_check":
        return f"{wording.counted(len(violations), 'column')}. Listed above."
    sentences = []
    for violation in violations[:SENTENCES]:
        shown = wording.column(violation.feature_name)
        text = violation.sentence or violation.description
        sentences.append(text if shown in text else f"{shown}: {text}")
    more = f" And {len(violations) - SENTENCES} more." if len(violations) > SENTENCES else ""
    return f"{' '.join(sentences)}{more}"

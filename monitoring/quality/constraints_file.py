"""Model Monitor's `constraints.json` and `constraint_violations.json` of model quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from monitoring.errors import MonitoringError
from monitoring.quality.metric import Better
from monitoring.quality.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.quality.metric import Metric

SECTIONS = {
    Problem.REGRESSION: "regression_constraints",
    Problem.BINARY: "binary_classification_constraints",
    Problem.MULTICLASS: "multiclass_classification_constraints",
    Problem.RANKING: "ranking_constraints",
}
ERRORS = {"mae", "mse", "rmse", "log_loss", "brier_score"}
"""Metrics whose changes are judged relative to the baseline."""
SMALL_SHARE, SMALL_ERROR = 0.02, 0.05
GREATER, LESS = "GreaterThanThreshold", "LessThanThreshold"


class Constraint(msgspec.Struct, frozen=True):
    """A metric's limit: violated where the value is greater, or less, than the threshold."""

    metric: str
    threshold: float
    comparison_operator: str

    def violated(self, value: float) -> bool:
        """Returns True where `value` lies beyond the threshold."""
        return value > self.threshold if self.comparison_operator == GREATER else value < self.threshold


class QualityViolation(msgspec.Struct, frozen=True):
    """A violated constraint, in the service's words. `decided` is False where the 95 % interval reaches back over the limit."""

    metric_name: str
    constraint_check_type: str
    description: str
    value: float
    threshold: float
    decided: bool = True


def suggest_constraints(metrics: Sequence[Metric]) -> tuple[Constraint, ...]:
    """Returns a constraint for each metric that has a better direction and an interval.

    The threshold lies beyond the metric's interval and a small change away: 0.02 for shares and r2, 5 % for errors. The
    service suggests the value itself, which half of all ordinary windows violate.
    """
    found = []
    for metric in metrics:
        if metric.value is None or metric.low is None or metric.better == Better.NEITHER:
            continue
        step = SMALL_ERROR * metric.value if metric.name in ERRORS else SMALL_SHARE
        if metric.better == Better.LOWER:
            found.append(Constraint(metric.name, max(metric.value + step, metric.high or 0.0), GREATER))
        else:
            found.append(Constraint(metric.name, min(metric.value - step, metric.low), LESS))
    return tuple(found)


def find_violations(metrics: Sequence[Metric], constraints: Sequence[Constraint]) -> tuple[QualityViolation, ...]:
    """Returns the violated constraints, in the order of the constraints; metrics without a value violate nothing."""
    by_name = {metric.name: metric for metric in metrics}
    found = []
    for constraint in constraints:
        metric = by_name.get(constraint.metric)
        if metric is None or metric.value is None or not constraint.violated(metric.value):
            continue
        nearer = metric.low if constraint.comparison_operator == GREATER else metric.high
        found.append(
            QualityViolation(
                metric_name=metric.name,
                constraint_check_type=constraint.comparison_operator,
                description=f"Metric {metric.name} with {metric.value} was {constraint.comparison_operator} {constraint.threshold}",
                value=metric.value,
                threshold=constraint.threshold,
                decided=nearer is None or constraint.violated(nearer),
            )
        )
    return tuple(found)


def constraints_document(problem: Problem, constraints: Sequence[Constraint]) -> dict[str, Any]:
    """Returns `constraints.json`."""
    section = {c.metric: {"threshold": c.threshold, "comparison_operator": c.comparison_operator} for c in constraints}
    return {"version": 0.0, SECTIONS[problem]: section}


def violations_document(violations: Sequence[QualityViolation]) -> dict[str, Any]:
    """Returns `constraint_violations.json`."""
    names = ("constraint_check_type", "description", "metric_name")
    return {"violations": [{name: getattr(violation, name) for name in names} for violation in violations]}


def read_constraints(body: bytes, problem: Problem) -> tuple[Constraint, ...]:
    """Returns the constraints of a problem. Raises MonitoringError where the document cannot be used, naming the metric."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise MonitoringError(f"constraints.json is not JSON: {error}") from error
    section = document.get(SECTIONS[problem]) if isinstance(document, dict) else None
    if not isinstance(section, dict):
        raise MonitoringError(f"constraints.json has no {SECTIONS[problem]!r}, which --problem {problem} needs")
    return tuple(_constraint(name, entry) for name, entry in section.items())


def _constraint(name: str, entry: Any) -> Constraint:
    threshold = entry.get("threshold") if isinstance(entry, dict) else None
    operator = entry.get("comparison_operator") if isinstance(entry, dict) else None
    if not isinstance(threshold, int | float) or isinstance(threshold, bool):
        raise MonitoringError(f"constraints.json: the threshold of {name!r} is {threshold!r}, not a number")
    if operator not in (GREATER, LESS):
        raise MonitoringError(
            f"constraints.json: the comparison_operator of {name!r} is {operator!r}: use {GREATER} or {LESS}"
        )
    return Constraint(name, float(threshold), operator)

"""`baseline_drift_check`: columns that the drift decision calls drifted. Model Monitor's own rule is `migrate`'s."""

from __future__ import annotations

from monitoring.findings import wording
from monitoring.result import ColumnResult, Status, Violation


def check(column: ColumnResult, floor: float) -> Violation | None:
    """Returns a violation where the column drifted. `floor` is the smallest L-infinity distance that counts."""
    if column.status is not Status.DRIFT or column.linf is None:
        return None
    p = "" if column.p_value is None else f", p {_bounded(wording.p_value(column.p_value))} over all columns of the run"
    return Violation(
        feature_name=column.name,
        constraint_check_type="baseline_drift_check",
        description=f"Baseline drift distance: {column.linf} exceeds threshold: {floor}",
        sentence=column.sentence
        or f"{wording.column(column.name)} drifted: L-infinity {wording.distance(column.linf)}{p}.",
        grade=column.grade,
    )


def _bounded(p_value: str) -> str:
    return p_value if p_value.startswith("≤") else f"= {p_value}"

"""Columns, stores and runs for the tests of findings and report: small, and each field as a caller would measure it."""

import datetime as dt
from typing import Any

from monitoring.checks import store_checks
from monitoring.result import (
    ColumnResult,
    DriftMethod,
    Grade,
    Outcome,
    RunResult,
    SideSummary,
    Status,
    StoreHealth,
    Subject,
    Violation,
    WindowCompleteness,
)

START = dt.datetime(2026, 11, 29, 11, tzinfo=dt.UTC)
END = dt.datetime(2026, 11, 30, 18, tzinfo=dt.UTC)
PROVED = WindowCompleteness(proved=True, found=1664, expected=1664)


def summary(rows: int = 1000, missing: int = 0, **more: Any) -> SideSummary:
    return SideSummary(rows=rows, missing=missing, completeness=1 - missing / rows if rows else 1.0, **more)


def column(name: str, grade: Grade = Grade.NONE, **more: Any) -> ColumnResult:
    """A numeric column that drifted by `grade`, or did not."""
    linf = {Grade.NONE: 0.004, Grade.SMALL: 0.03, Grade.MEDIUM: 0.07, Grade.LARGE: 0.4}[grade]
    fields: dict[str, Any] = {
        "kind": "numeric",
        "type_name": "double",
        "is_prediction": False,
        "request_level": False,
        "status": Status.DRIFT if grade is not Grade.NONE else Status.NO_DRIFT,
        "grade": grade,
        "baseline": summary(),
        "window": summary(),
        "p_value": 0.001 if grade is not Grade.NONE else 0.5,
        "linf": linf,
    }
    return ColumnResult(name, **(fields | more))


def violation(name: str, check: str, grade: Grade = Grade.SMALL) -> Violation:
    return Violation(name, check, f"{check} of {name}", f"Our sentence about {name}.", grade)


def stale(*stores: StoreHealth, **limits: float) -> tuple[Violation, ...]:
    """Returns the violations of stale stores, as the check finds them."""
    return tuple(v for v in store_checks.check(stores, limits) if v.constraint_check_type == "stale_store_check")


def store(group: str = "weather", **more: Any) -> StoreHealth:
    fields: dict[str, Any] = {
        "events": 1000,
        "age_median": None,
        "age_maximum": None,
        "baseline_age_median": None,
        "missing_ids": 0,
        "events_with_missing": 0,
    }
    return StoreHealth(group, **(fields | more))


def draft(columns: tuple[ColumnResult, ...] = (), **more: Any) -> RunResult:
    fields: dict[str, Any] = {
        "subject": Subject("flights", "AllTraffic", "flights-delay", "3", "flights"),
        "start": START,
        "end": END,
        "created": END + dt.timedelta(minutes=7),
        "outcome": Outcome.NOT_JUDGED,
        "verdict": "",
        "lead": "",
        "completeness": PROVED,
        "rows": 29425,
        "events": 1664,
        "columns": columns,
        "violations": (),
        "causes": (),
        "ruled_out": (),
        "method": DriftMethod(
            "Are these hours unlike ordinary hours?", "hour", 80, 31, 0.05, "At most 5 in 100.", shuffles=999
        ),
        "baseline": "training.parquet",
        "baseline_rows": 69143,
        "baseline_events": 4228,
        "sampling_percentage": 100.0,
    }
    return RunResult(**(fields | more))

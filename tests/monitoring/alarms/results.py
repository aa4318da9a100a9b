"""Results of runs for the tests of alarms, publishing and rehearsals."""

from __future__ import annotations

import datetime as dt

from monitoring.result import (
    Cause,
    ColumnResult,
    DriftMethod,
    Grade,
    Outcome,
    RunResult,
    SideSummary,
    Status,
    StoreHealth,
    Subject,
    WindowCompleteness,
)  # fmt: skip
from tests.monitoring.alarms.examples import HOUR, START


def column(name: str = "temp", status: Status = Status.DRIFT, **more: object) -> ColumnResult:
    """A numeric column with what a run says of it."""
    window = SideSummary(
        rows=1_000, missing=100, completeness=0.9, mean=71.5, std_dev=4.0, minimum=50.0, maximum=101.0, distinct=80,
        quantiles=(51.0, 60.0, 66.0, 71.0, 77.0, 85.0, 99.0),
    )  # fmt: skip
    given: dict[str, object] = {
        "kind": "fractional",
        "type_name": "double",
        "is_prediction": False,
        "request_level": True,
        "grade": Grade.LARGE,
        "baseline": window,
        "window": window,
        "p_value": 0.001,
        "linf": 0.998,
        "shift": 4.2,
    }
    return ColumnResult(name=name, status=status, **{**given, **more})  # type: ignore[arg-type]


def result(
    hour: int = 0, *causes: Cause, outcome: Outcome = Outcome.VIOLATIONS, version: str = "3", **more: object
) -> RunResult:
    """The result of one hour."""
    start = START + hour * HOUR
    given: dict[str, object] = {
        "created": start + HOUR + dt.timedelta(minutes=5),
        "verdict": "Large drift: the weather is unlike training.",
        "lead": "The order of the flights is still good.",
        "completeness": WindowCompleteness(proved=True, found=1_000, expected=1_000),
        "columns": (
            column("temp"),
            column("weekday", Status.NOT_JUDGED, reason="too few hours", linf=None, p_value=None),
        ),
        "violations": (),
        "ruled_out": ("Capture: every record proved.",),
        "stores": (StoreHealth("weather", 1_000, 300.0, 900.0, 280.0, 2, 2),),
        "method": DriftMethod(
            "moved", "request", 1_000, 1_000, 0.05, "At most 5 in 100 such runs raise a false alarm."
        ),
    }
    return RunResult(
        subject=Subject("flights", "AllTraffic", "flights-delay", version, "hourly"),
        start=start,
        end=start + HOUR,
        outcome=outcome,
        rows=17_000,
        events=1_000,
        causes=causes,
        **{**given, **more},  # type: ignore[arg-type]
    )

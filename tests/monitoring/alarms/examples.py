"""Causes, windows and states for the tests of alarms, messages and notification."""

from __future__ import annotations

import datetime as dt

from monitoring.alarms.observation import DATA_KINDS, Observation
from monitoring.result import Cause, CauseKind, Grade, Urgency

START = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def cause(
    key: str = "completeness:wind_gust",
    grade: Grade = Grade.LARGE,
    urgency: Urgency = Urgency.PAGE,
    columns: tuple[str, ...] = (),
) -> Cause:
    kind = CauseKind(key.partition(":")[0])
    return Cause(
        key=key,
        kind=kind,
        grade=grade,
        urgency=urgency,
        title=f"{key} is wrong",
        sentence="86.1 % of events lack the value; 67.0 % in training.",
        columns=columns,
        event_ids=tuple(f"01a22d95-3e23-7b1f-a0c6-{number:012x}" for number in range(7)),
        query="SELECT capture_event_id FROM read_parquet('s3://acme-capture/flights/AllTraffic/*/*.parquet') LIMIT 100",
        tonight="Switch to the fallback ranking.",
        tomorrow="Look at the weather feed.",
    )


def window(
    hour: int,
    *causes: Cause,
    monitor: str = "hourly",
    version: str | None = "3",
    length: int = 1,
    endpoint: str = "flights",
    unknown: frozenset[str] = frozenset(),
    kinds: frozenset[CauseKind] = DATA_KINDS,
    edition: str = "",
) -> Observation:
    start = START + hour * HOUR
    return Observation(
        endpoint, "AllTraffic", version, monitor, start, start + length * HOUR, start + (length + 1) * HOUR, causes, kinds,
        unknown, edition,
    )  # fmt: skip

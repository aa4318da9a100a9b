"""The windows of a schedule, and the prefix of a window's files. Hours are those of UTC, days those of the monitor's time zone."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

from monitoring.window import Window, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Schedule = Literal["hourly", "daily"]
LENGTH = {"hourly": dt.timedelta(hours=1), "daily": dt.timedelta(days=1)}


def windows(first: dt.datetime, until: dt.datetime, schedule: Schedule, zone: str = "UTC") -> Iterator[Window]:
    """Yields the windows that end at `until` or before, from the one that holds `first` on, in order.

    Days begin at midnight in `zone`, or at the next whole hour of UTC. A day in which clocks change has 23 or 25 hours.
    """
    if schedule == "hourly":
        start, length = _hour(first), LENGTH[schedule]
        while start + length <= until:
            yield Window(start, start + length)
            start += length
        return
    day = first.astimezone(zone_of(zone)).date()
    while (end := _midnight(day + LENGTH[schedule], zone)) <= until:
        yield Window(_midnight(day, zone), end)
        day += LENGTH[schedule]


def _hour(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def _midnight(day: dt.date, zone: str) -> dt.datetime:
    midnight = dt.datetime.combine(day, dt.time(), zone_of(zone)).astimezone(dt.UTC)
    return _hour(midnight + LENGTH["hourly"] - dt.timedelta(microseconds=1))


def is_scheduled(window: Window, zone: str = "UTC") -> bool:
    """Returns True where a schedule has exactly this window."""
    schedules: tuple[Schedule, ...] = ("hourly", "daily")
    return any(window in windows(window.start, window.end, schedule, zone) for schedule in schedules)


def prefix(endpoint: str, variant: str, window: Window, zone: str = "UTC") -> str:
    """Returns what the keys of a window's files begin with: a day by its date in `zone`, an hour by that of UTC."""
    if window.end - window.start > LENGTH["hourly"]:
        return f"runs/{endpoint}/{variant}/{window.start.astimezone(zone_of(zone)):%Y/%m/%d}/day/"
    return f"runs/{endpoint}/{variant}/{window.start:%Y/%m/%d/%H}/"

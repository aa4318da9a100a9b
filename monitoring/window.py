"""A window of time: half-open, in UTC, and how people and services write one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from monitoring.errors import UsageError

HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The times t with `start <= t < end`. Both are aware and in UTC.

    Raises UsageError where a time has no zone or the end does not lie after the start.
    """

    start: dt.datetime
    end: dt.datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise UsageError(f"the window {self.start} – {self.end} has a time without a zone")
        object.__setattr__(self, "start", self.start.astimezone(dt.UTC))
        object.__setattr__(self, "end", self.end.astimezone(dt.UTC))
        if self.start >= self.end:
            raise UsageError(f"the window {self.start} – {self.end} is empty: its end must lie after its start")

    def hours(self) -> tuple[Window, ...]:
        """Returns the hours of UTC that the window touches, each cut to the window."""
        parts = []
        start = self.start
        while start < self.end:
            end = min(start.replace(minute=0, second=0, microsecond=0) + HOUR, self.end)
            parts.append(Window(start, end))
            start = end
        return tuple(parts)

    def __str__(self) -> str:
        return f"{self.start:%b %-d %H:%M} to {self.end:%b %-d %H:%M} UTC"


def zone_of(name: str) -> dt.tzinfo:
    """Returns the time zone of an IANA name. UTC needs no time zone data on the machine."""
    return dt.UTC if name == "UTC" else ZoneInfo(name)


TIMELESS = Window(dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(1970, 1, 2, tzinfo=dt.UTC))
"""Stands for the window of rows that have no times. Reports show it in words."""


def is_timeless(start: dt.datetime, end: dt.datetime) -> bool:
    """Returns True for the bounds of TIMELESS: they are not times, and nothing may show or publish them as such."""
    return (start, end) == (TIMELESS.start, TIMELESS.end)

"""The windows of a schedule, in UTC, and the prefix of a window's files."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

from monitoring.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

Schedule = Literal["hourly", "daily"]
LENGTH = {"hourly": dt.timedelta(hours=1), "daily": dt.timedelta(days=1)}


def floor(time: dt.datetime, schedule: Schedule) -> dt.datetime:
    """Returns the start of the window that holds `time`."""
    time = time.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    return time if schedule == "hourly" else time.replace(hour=0)


def windows(first: dt.datetime, until: dt.datetime, schedule: Schedule) -> Iterator[Window]:
    """Yields the windows that end at `until` or before, from the one that holds `first` on, in order."""
    start, length = floor(first, schedule), LENGTH[schedule]
    while start + length <= until:
        yield Window(start, start + length)
        start += length


def prefix(endpoint: str, variant: str, window: Window) -> str:
    """Returns what the keys of a window's files begin with."""
    part = "day" if window.end - window.start == LENGTH["daily"] else f"{window.start:%H}"
    return f"runs/{endpoint}/{variant}/{window.start:%Y/%m/%d}/{part}/"

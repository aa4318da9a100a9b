"""Model Monitor's time offsets: `-P8D`, `-PT2D`, `P1DT6H`; they say how far before the scheduled time a window starts and ends.

The service's documents write days after the `T`, leave the sign out, and use a minus of typography. All of these mean
the same: the time is subtracted.
"""

from __future__ import annotations

import datetime as dt
import re

from monitoring.errors import UsageError
from monitoring.window import HOUR, Window

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_DURATION = re.compile(
    rf"[-\u2212\u2013]?P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?:{_NUMBER}D)?(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.IGNORECASE,
)
_UNITS = (
    dt.timedelta(weeks=1), dt.timedelta(days=1), dt.timedelta(days=1), HOUR, dt.timedelta(minutes=1), dt.timedelta(seconds=1),
)  # fmt: skip


def parse_offset(text: str, flag: str = "offset") -> dt.timedelta:
    """Returns the time that an offset subtracts, zero or positive. `flag` names the argument in the message.

    Raises UsageError where `text` is not an ISO 8601 duration of weeks, days, hours, minutes and seconds.
    """
    found = _DURATION.fullmatch("".join(text.split()))
    if found is None or not any(found.groups()):
        raise UsageError(f"{flag} {text!r} is not a time offset: give one such as -P8D, -PT6H or -P1DT12H")
    return sum(
        (unit * float(number.replace(",", ".")) for number, unit in zip(found.groups(), _UNITS, strict=True) if number),
        dt.timedelta(),
    )


def window_before(scheduled: dt.datetime, start_offset: str, end_offset: str | None) -> Window:
    """Returns the window from `start_offset` to `end_offset` (the scheduled time itself where None) before `scheduled`.

    The scheduled time is cut to its hour: the service starts up to 20 minutes late. Raises UsageError where an offset is
    wrong or the window is empty.
    """
    hour = scheduled.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    start = parse_offset(start_offset, "--start-offset")
    end = parse_offset(end_offset, "--end-offset") if end_offset is not None else dt.timedelta()
    if start <= end:
        raise UsageError(
            f"--start-offset {start_offset} must lie further back than --end-offset {end_offset or 'PT0H'}"
        )
    return Window(hour - start, hour - end)

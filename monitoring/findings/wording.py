"""How numbers, names and times are written: one spelling for the report, the terminal and the messages.

Shares have one decimal, L-infinity three. A share that is not zero never reads "0 %", one below 1 never "100 %". Times are
UTC. Names and values stand in backticks.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

from monitoring.findings.visible import visible_name, visible_value
from monitoring.window import is_timeless

MIN_P = 0.001
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TICK = "\N{MODIFIER LETTER GRAVE ACCENT}"


def column(name: str) -> str:
    """Returns a column's name in backticks. A backtick inside the name becomes another accent."""
    return f"`{visible_name(name).replace('`', _TICK)}`"


def value(text: str) -> str:
    """Returns a value in backticks. A backtick inside becomes another accent; the empty text is written `""`."""
    return f"`{visible_value(text).replace('`', _TICK)}`" if text else '`""`'


def count(number: int) -> str:
    """Returns a count with thousands separators."""
    return f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Returns a count with its noun: "1 column", "11 columns"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def spelled(number: int) -> str:
    """Returns a small count as a word, "six", and a larger one in digits."""
    return _WORDS[number] if 0 <= number < len(_WORDS) else f"{number:,}"


def percent(share: float) -> str:
    """Returns a share of 0 to 1 in per cent with one decimal."""
    shown = 100 * share
    if shown <= 0:
        return "0 %"
    if shown < 0.05:
        return "< 0.1 %"
    if shown >= 100:
        return "100 %"
    return f"{shown:.1f} %" if shown < 99.95 else "> 99.9 %"


def points(change: float) -> str:
    """Returns a change of a share in percentage points."""
    shown = f"{abs(100 * change):.1f}"
    return f"{shown} point" if shown == "1.0" else f"{shown} points"


def distance(linf: float | None) -> str:
    """Returns an L-infinity distance, "" where it is undefined."""
    return "" if linf is None else f"{linf:.3f}"


def p_value(p: float | None) -> str:
    """Returns a p-value, "≤ 0.001" for the smallest, "" where it is undefined."""
    if p is None:
        return ""
    if p <= MIN_P:
        return f"≤ {MIN_P}"
    return f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def number(x: float | None, span: float | None = None) -> str:
    """Returns a value of a column with three to four significant digits, "" where it is undefined.

    `span` is the range of the values beside it: numbers of one column then have the same decimals.
    """
    if x is None or not math.isfinite(x):
        return ""
    if x == int(x) and abs(x) < 1e9:
        return f"{int(x):,}" if abs(x) >= 10_000 else str(int(x))
    size = max(abs(x), abs(span or 0.0))
    if size >= 1e7 or abs(x) < 1e-4 * min(1.0, size):
        return f"{x:.3g}"
    decimals = max(0, 2 - math.floor(math.log10(size)))
    shown = f"{x:,.{min(decimals, 6)}f}"
    return shown.rstrip("0").rstrip(".") if decimals and span is None else shown


def duration(seconds: float) -> str:
    """Returns a duration in its two largest units: "6 h 12 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes} min"
    if days < 2:
        return f"{hours} h" if not minutes % 60 else f"{hours} h {minutes % 60} min"
    if days < 730:
        return f"{days} days"
    return f"{days / 365.25:.0f} years"


def moment(time: dt.datetime, now: dt.datetime | None = None) -> str:
    """Returns a time in UTC, "Nov 27 04:00", with its year where `now` is in another one."""
    time = time.astimezone(dt.UTC)
    year = f" {time.year}" if now is not None and now.year != time.year else ""
    return f"{time:%b} {time.day}{year} {time:%H:%M}"


def span(start: dt.datetime, end: dt.datetime, now: dt.datetime | None = None) -> str:
    """Returns a window in UTC, "all rows, no times" for rows without times. The day stands once where start and end share it."""
    if is_timeless(start, end):
        return "all rows, no times"
    start, end = start.astimezone(dt.UTC), end.astimezone(dt.UTC)
    last = f"{end:%H:%M}" if start.date() == end.date() else moment(end, now)
    return f"{moment(start, now)} to {last} UTC"


def joined(parts: Sequence[str], most: int = 0) -> str:
    """Returns "a, b and c"; with `most`, "a, b and 3 more"."""
    shown = list(parts)
    if most and len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most} more"]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def capitalised(text: str) -> str:
    """Returns `text` with a capital first letter; a name in backticks stays as it is."""
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """Returns `text` with a small first letter, so that it can follow "and". An abbreviation such as AUC stays as it is."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]

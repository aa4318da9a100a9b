"""Model Monitor's time offsets, in every spelling that its documents use."""

import datetime as dt

import pytest

from monitoring.errors import UsageError
from monitoring.quality.offsets import parse_offset, window_before

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("-P8D", 8 * DAY),
        ("-PT2D", 2 * DAY),
        ("P1D", DAY),
        ("\u2212PT6H", 6 * HOUR),
        ("-P1DT12H", 36 * HOUR),
        ("-P1W", 7 * DAY),
        ("PT0H", 0 * HOUR),
        ("-PT1.5H", 1.5 * HOUR),
        (" -p1d ", DAY),
        ("-PT90M", 1.5 * HOUR),
    ],
)
def test_every_spelling_of_an_offset_means_the_time_that_is_subtracted(text: str, meant: dt.timedelta) -> None:
    assert parse_offset(text) == meant


@pytest.mark.parametrize("text", ["", "P", "PT", "8D", "-P1M", "+P1D", "-P1Y", "yesterday"])
def test_an_offset_that_is_not_a_duration_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time offset"):
        parse_offset(text)


def test_a_late_start_of_the_schedule_judges_the_same_window() -> None:
    scheduled = dt.datetime(2026, 3, 9, 6, 17, tzinfo=dt.UTC)
    window = window_before(scheduled, "-P8D", "-P1D")
    assert (window.start, window.end) == (
        dt.datetime(2026, 3, 1, 6, tzinfo=dt.UTC),
        dt.datetime(2026, 3, 8, 6, tzinfo=dt.UTC),
    )


def test_offsets_that_leave_no_window_are_refused() -> None:
    with pytest.raises(UsageError, match="further back"):
        window_before(dt.datetime(2026, 3, 9, tzinfo=dt.UTC), "-P1D", "-P2D")

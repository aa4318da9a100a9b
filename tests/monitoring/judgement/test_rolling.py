"""A rolling reference: a window is held against the days before it, and a defect that lasts becomes ordinary."""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitoring import Baseline, Monitor
from monitoring.engines.local import LocalEngine
from monitoring.errors import UsageError
from monitoring.judgement.rolling import RollingReference, days_before
from monitoring.result import WindowCompleteness
from monitoring.states.profile import Profile
from monitoring.window import TIMELESS, Window
from tests.monitoring.samples import START, training

DAY = dt.timedelta(days=1)
FIRST = START.replace(hour=0)


@pytest.fixture(scope="module")
def baseline():
    return Baseline.from_training(training(400), id_column="request")


def traffic(days, shifted_from):
    """40 requests of three rows a day from FIRST on; `wind` rises by 6 from the day `shifted_from` on."""
    table = training(40 * days, seed=3, days=days, start=FIRST + days * DAY)
    day = np.repeat(np.arange(days), 120)
    wind = table.column("wind").to_numpy() + 6 * (day >= shifted_from)
    return table.set_column(table.schema.get_field_index("wind"), "wind", pa.array(wind))


def judged(baseline, table, day, **settings):
    monitor = Monitor(
        baseline, id_column="request", time_column="at", rolling_days=30, engine=LocalEngine(1), **settings
    )
    return monitor.run(table, start=FIRST + day * DAY, end=FIRST + (day + 1) * DAY)


def test_a_day_is_held_against_the_days_before_it(baseline):
    report = judged(baseline, traffic(32, shifted_from=31), 31)
    assert report.result.method is not None
    assert report.result.method.question == "Is this day unlike the 30 days before?"
    assert report.drifted == ("wind",)
    assert any("charts, checks and numbers compare with the baseline" in note for note in report.result.notes)


def test_a_defect_that_lasts_as_long_as_the_reference_is_ordinary(baseline):
    assert judged(baseline, traffic(32, shifted_from=0), 31).drifted == ()


def test_too_few_days_before_a_window_fall_back_to_the_baseline_and_the_question_says_so(baseline):
    report = judged(baseline, traffic(12, shifted_from=0), 11)
    assert report.result.method is not None
    assert report.result.method.question.startswith(
        "Does this window differ from the baseline's average? (the rolling reference has 1"
    )
    assert report.drifted == ("wind",)


def test_without_the_setting_there_is_no_rolling_reference():
    source: Any = LedgerSource()
    assert RollingReference("b", 0).before(source, ("e", "v"), Window(START, START + DAY), read) is None
    assert RollingReference("b", 30).before(source, ("e", "v"), TIMELESS, read) is None
    assert source.asked == []


class LedgerSource:
    """A captured source as far as its ledgers go: even days are proved, day 3 is proved incomplete."""

    uri = "s3://bucket/captured"

    def __init__(self):
        self.asked = []

    def completeness(self, window):
        self.asked.append(window)
        number = (window.start - FIRST).days
        return WindowCompleteness(False if number == 3 else True if number % 2 == 0 else None, 0, None)


def read(source, window):
    return Profile("b")


def test_a_day_that_is_proved_is_read_once_and_one_that_is_incomplete_never():
    source: Any = LedgerSource()
    days: list[int] = []
    rolling = RollingReference("b", 6)

    def count(source, window):
        days.append((window.start - FIRST).days)
        return Profile("b")

    for at in (6, 7):
        window = Window(FIRST + at * DAY, FIRST + (at + 1) * DAY)
        rolling.before(source, ("e", "v"), window, count)
    assert days == [0, 1, 2, 4, 5, 1, 5, 6]


def test_the_days_before_a_window_are_whole_and_end_before_its_day():
    days = days_before(Window(START, START + dt.timedelta(hours=1)), 28)
    assert (days[0].start, days[-1].end, len(days)) == (FIRST - 28 * DAY, FIRST, 28)


def test_an_unknown_time_zone_is_a_usage_error(baseline):
    with pytest.raises(UsageError, match="'Mars/Olympus' is unknown: give an IANA name"):
        Monitor(baseline, time_zone="Mars/Olympus")

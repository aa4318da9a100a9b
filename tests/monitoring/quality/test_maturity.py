"""A window has a verdict only when its labels are ripe."""

import datetime as dt

import numpy as np
import pytest

from monitoring.quality.maturity import LabelStage, Maturity, delay_curve, judge_maturity, mature_after
from tests.monitoring.quality.captured import WINDOW

HOUR = dt.timedelta(hours=1)


def at(hours: float, labelled: int = 90, rows: int = 100, wait: float = 24, **more: object) -> Maturity:
    return judge_maturity(
        WINDOW, WINDOW.end + hours * HOUR, rows, labelled, wait=wait * HOUR, min_coverage=0.5, **more  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "labelled", "stage"),
    [
        (-0.5, 90, LabelStage.OPEN),
        (3, 0, LabelStage.OPEN),
        (3, 90, LabelStage.PROVISIONAL),
        (3, 100, LabelStage.FINAL),
        (24, 90, LabelStage.FINAL),
        (24, 50, LabelStage.FINAL),
        (24, 49, LabelStage.PROVISIONAL),
    ],
)
def test_a_window_is_final_when_its_labels_had_their_time_and_enough_are_there(
    hours: float, labelled: int, stage: LabelStage
) -> None:
    assert at(hours, labelled).stage is stage


def test_labels_that_are_due_and_not_there_are_missing() -> None:
    assert at(30, 10).labels_missing
    assert at(30, 0).labels_missing
    assert not at(3, 10).labels_missing
    assert not at(30, 90).labels_missing


def test_the_curve_gives_coverage_and_the_label_rate_of_each_delay() -> None:
    delays = np.array([0.5, 0.5, 20.0, 100.0])
    curve = {point.hours: point for point in delay_curve(delays, np.array([0.0, 0.0, 1.0, 1.0]), 8)}
    assert (curve[1.0].coverage, curve[1.0].label_rate) == (0.25, 0.0)
    assert (curve[24.0].coverage, curve[24.0].label_rate) == (0.375, 1.0)
    assert curve[3.0].label_rate is None
    assert curve[1440.0].coverage == 0.5


def test_the_baselines_curve_says_how_long_labels_need_and_what_to_expect() -> None:
    curve = delay_curve(np.r_[np.full(98, 2.0), 40.0, 60.0], None, 200)
    assert mature_after(curve) == dt.timedelta(hours=48)
    assert at(3, 90, baseline_curve=curve).expected_coverage == pytest.approx(0.49)

"""Each window is judged once: when it is proved, by one monitor, and again only after a crash that left it unfinished."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from monitoring import Baseline, Monitor
from monitoring.result import Outcome
from monitoring.schedule.catch_up import PATIENCE, CatchUp
from monitoring.storage import open_storage
from tests.monitoring.samples import START, captured, training

HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def baseline():
    return Baseline.from_training(training(600), id_column="request")


@pytest.fixture
def data(tmp_path):
    """Two hours of traffic, shipped and proved."""
    captured(tmp_path, 60, shift=3.0)
    return captured(tmp_path, 60, seed=5, start=START + HOUR)


class Recorder:
    """Remembers what was acted on; fails where it is told to."""

    def __init__(self, fail=False):
        self.windows, self.fail = [], fail

    def after(self, result, page, *, alone=True):
        self.windows.append(result.start)
        if self.fail:
            raise RuntimeError("the process dies here")


def catch_up(baseline, data, storage, consequences=None, now=START + 10 * HOUR):
    monitor = Monitor(baseline, captured=data, shuffles=99)
    return CatchUp(monitor, storage, consequences, now=lambda: now)


def test_each_proved_window_is_judged_once(baseline, data, tmp_path):
    storage = open_storage(str(tmp_path / "out"))
    judged = list(catch_up(baseline, data, storage, now=START + 2 * HOUR).run())
    assert [(j.report.result.start, j.report.outcome) for j in judged] == [
        (START, Outcome.VIOLATIONS),
        (START + HOUR, Outcome.OK),
    ]
    assert list(catch_up(baseline, data, storage, now=START + 2 * HOUR).run()) == []


def test_a_window_that_has_not_ended_waits(baseline, data, tmp_path):
    storage = open_storage(str(tmp_path / "out"))
    judged = list(catch_up(baseline, data, storage, now=START + HOUR + HOUR / 2).run())
    assert [j.report.result.start for j in judged] == [START]


def test_a_window_that_is_not_proved_waits_and_is_then_judged_without_a_verdict(baseline, data, tmp_path):
    lost = sorted((tmp_path / "captured" / "flights").rglob("*.parquet"))[0]
    lost.unlink()
    storage = open_storage(str(tmp_path / "out"))
    judged = list(catch_up(baseline, data, storage, now=START + 2 * HOUR).run(START))
    assert [j.report.result.start for j in judged] == [START + HOUR]
    late, *_ = list(catch_up(baseline, data, storage, now=START + HOUR + PATIENCE).run(START))
    assert late.report.result.start == START
    assert late.report.outcome is Outcome.NOT_JUDGED


def test_monitors_that_run_at_once_judge_no_window_twice(baseline, data, tmp_path):
    storage, recorder = open_storage(str(tmp_path / "out")), Recorder()
    gate = threading.Barrier(3)

    def work():
        run = catch_up(baseline, data, storage, recorder, now=START + 2 * HOUR).run()
        gate.wait(30)
        list(run)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(recorder.windows) == [START, START + HOUR]


def test_a_window_whose_monitor_died_before_its_end_is_judged_again(baseline, data, tmp_path):
    storage, dying = open_storage(str(tmp_path / "out")), Recorder(fail=True)
    with pytest.raises(RuntimeError):
        list(catch_up(baseline, data, storage, dying, now=START + 2 * HOUR).run())
    living = Recorder()
    list(catch_up(baseline, data, storage, living, now=START + 2 * HOUR).run())
    assert living.windows == [START, START + HOUR]

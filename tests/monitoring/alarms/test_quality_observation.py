"""Model quality in the alarms: only a final window opens or closes a quality cause."""

from __future__ import annotations

import datetime as dt

import pytest

from monitoring.alarms.observation import of_quality
from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.quality.maturity import LabelStage, Maturity
from monitoring.quality.result import Case, Concept, MetricComparison, QualityResult
from monitoring.result import CauseKind, Grade, Outcome, Subject
from monitoring.storage import open_storage
from tests.monitoring.alarms.examples import HOUR, START, cause
from tests.monitoring.alarms.results import result
from tests.monitoring.alarms.test_register import Collected

FELL = MetricComparison("auc", 0.75, 0.68, -0.07, -0.09, -0.05, True, Grade.LARGE)


def quality(hour, stage, *causes, case=Case.NOTHING):
    start = START + hour * HOUR
    return QualityResult(
        subject=Subject("flights", "AllTraffic", "flights-delay", "3", "hourly"),
        start=start,
        end=start + HOUR,
        created=start + dt.timedelta(days=2),
        problem="binary",
        unit="request",
        outcome=Outcome.VIOLATIONS if causes else Outcome.OK,
        verdict="AUC fell from 0.75 to 0.68.",
        lead="",
        maturity=Maturity(stage, 0.9, 1_000, 900, 48.0, 24.0, 0.5),
        rows=1_000,
        labelled=900,
        units=100,
        comparisons=(FELL,),
        concept=Concept(case),
        causes=causes,
    )


def test_a_provisional_window_opens_nothing_and_the_final_one_pages(tmp_path):
    published = Collected()
    register = AlarmRegister(open_storage(str(tmp_path)), Policy(), published)
    fell = cause("quality:auc")
    register.record_quality(quality(0, LabelStage.PROVISIONAL, fell))
    assert published.messages == []
    register.record_quality(quality(0, LabelStage.FINAL, fell))
    [message] = published.messages
    assert [(item.key, str(item.page)) for item in message.items] == [("quality:auc", "own")]
    assert message.completeness == "labels final, 900 of 1,000 rows labelled"


def test_a_run_over_captured_data_does_not_close_a_fall_of_quality(tmp_path):
    register = AlarmRegister(open_storage(str(tmp_path)), Policy(), Collected())
    register.record_quality(quality(0, LabelStage.FINAL, cause("quality:auc")))
    for hour in range(12):
        register.record(result(hour))
    assert [held.cause.key for held in register.state("flights", "AllTraffic").open_causes()] == ["quality:auc"]
    for hour in range(1, 9):
        register.record_quality(quality(hour, LabelStage.FINAL))
    assert register.state("flights", "AllTraffic").open_causes() == []


def test_a_concept_that_was_not_judged_stays_as_it_is():
    seen = of_quality(quality(0, LabelStage.FINAL, case=Case.NOT_JUDGED))
    assert CauseKind.CONCEPT not in seen.kinds
    assert CauseKind.QUALITY in seen.kinds
    assert of_quality(quality(0, LabelStage.OPEN)).kinds == {CauseKind.INCOMPLETE}


@pytest.mark.parametrize(("hours", "expected"), [(0, []), (30, ["heartbeat:hourly/quality"])])
def test_a_run_of_quality_without_a_schedule_is_not_missed(tmp_path, hours, expected):
    published = Collected()
    register = AlarmRegister(open_storage(str(tmp_path)), Policy(quality_heartbeat_hours=hours), published)
    seen = quality(0, LabelStage.FINAL)
    register.record_quality(seen)
    register.check_heartbeats("flights", "AllTraffic", seen.created + 40 * HOUR)
    assert [item.key for message in published.messages for item in message.items] == expected

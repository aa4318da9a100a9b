"""Alarms, incidents and retraining over a spell of hours: one of each, and no storm (R55 to R58), and time travel (R54)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from monitoring.alarms.message import Change, RunMessage
from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.notify.plan import plan
from monitoring.notify.record import DeliveryRecord, Effect, IncidentState, Resolve, Trigger
from monitoring.notify.settings import NotifySettings, PagerDuty, Slack
from monitoring.result import CauseKind
from monitoring.retraining.controller import Retraining
from monitoring.retraining.decision import Verdict
from monitoring.retraining.settings import Rule
from monitoring.retraining.starter import StartRequest
from monitoring.storage import open_storage
from monitoring.time_travel.groups import load_groups
from monitoring.time_travel.rebuild import OfflineHistory
from tests.monitoring.alarms.examples import HOUR, START, cause, window
from tests.monitoring.notify.messages import context_for

UTC_TIME = pa.timestamp("us", tz="UTC")


@dataclass
class Published:
    """A publisher that keeps messages."""

    messages: list[RunMessage] = field(default_factory=list)

    def publish(self, message: RunMessage) -> None:
        self.messages.append(message)


def judged_hours(folder: Path, shown: list[int], **more: Any) -> list[RunMessage]:
    """The messages of a spell of hours, some of which show the cause."""
    published = Published()
    register = AlarmRegister(open_storage(str(folder)), Policy(), published)
    for hour, present in enumerate(shown):
        register.apply(window(hour, *([cause("stale_store:weather")] * present), **more))
    return published.messages


def test_r54_an_older_record_an_equal_time_and_a_deletion_are_as_known_at_the_request(tmp_path: Path) -> None:
    second = dt.timedelta(seconds=1)
    rows = [
        ("late", 20, 20, False, 7), ("late", 15, 25, False, 8),
        ("equal", 20, 20, False, 9), ("equal", 20, 22, False, 10),
        ("gone", 20, 20, False, 11), ("gone", 23, 23, True, None),
        ("future", 20, 20, False, 12), ("future", 24, 40, False, 13),
    ]  # fmt: skip
    names, events, calls, deleted, values = zip(*rows, strict=True)
    store = tmp_path / "store"
    store.mkdir()
    called = pa.array([START + number * second for number in calls], UTC_TIME)
    pq.write_table(
        pa.table(
            {
                "id": names,
                "at": [f"{START + number * second:%Y-%m-%dT%H:%M:%SZ}" for number in events],
                "api_invocation_time": called,
                "write_time": called,
                "is_deleted": deleted,
                "v": values,
            }
        ),
        store / "a.parquet",
    )
    (tmp_path / "groups.toml").write_text(
        f'[[group]]\nname = "g"\nsource = "{store}"\nrecord_id = "id"\nevent_time = "at"\nid = "{{k}}"\n'
        '[group.features]\nv = "v"\n'
    )
    asked = ["late", "equal", "gone", "future", "never"]
    requests = pa.table({"k": asked, "time": pa.array([START + 30 * second] * len(asked), UTC_TIME)})
    [answer] = OfflineHistory(load_groups(tmp_path / "groups.toml")).answer(requests, "time")
    assert dict(
        zip(asked, zip(answer.found.to_pylist(), answer.features["v"].to_pylist(), strict=True), strict=True)
    ) == {
        "late": ("record", 7),
        "equal": ("ambiguous", 9),
        "gone": ("missing", None),
        "future": ("record", 12),
        "never": ("missing", None),
    }


def test_r55_a_cause_that_comes_and_goes_is_one_page_and_one_resolve(tmp_path: Path) -> None:
    messages = judged_hours(tmp_path, [1, 0, 0] * 7 + [0] * 9)
    changes = [(item.change, item.page) for message in messages for item in message.items]
    assert [change for change, _ in changes] == [Change.NEW, Change.RECOVERED]
    state = AlarmRegister(open_storage(str(tmp_path)), Policy()).state("flights", "AllTraffic")
    [held] = [held for held in state.causes.values() if held.cause.kind is CauseKind.STALE_STORE]
    assert (held.falls, held.pages) == (7, 1)
    settings = NotifySettings(slack={"alerts": Slack(webhook="env:HOOK")})
    record = DeliveryRecord("flights", "AllTraffic")
    for message in messages:
        record = plan(record, message, settings)
    assert len(record.pending) == 2
    assert "It flapped 7 times." in str(record.pending[-1])


def test_r57_every_cause_of_every_endpoint_has_a_key_of_its_own(tmp_path: Path) -> None:
    published = Published()
    register = AlarmRegister(open_storage(str(tmp_path)), Policy(), published)
    for endpoint in ("flights", "hotels"):
        register.apply(window(0, cause("data_type:price"), cause("completeness:price"), endpoint=endpoint))
    keys = [item.page_key for message in published.messages for item in message.items]
    assert len(keys) == len(set(keys)) == 4
    assert all(key for key in keys)


def effects(
    record: DeliveryRecord, message: RunMessage, settings: NotifySettings
) -> tuple[DeliveryRecord, list[Effect]]:
    found = plan(record, message, settings)
    return found, [effect for effect in found.pending if isinstance(effect, Trigger | Resolve)]


def test_r57_the_resolve_goes_to_the_service_that_was_paged_though_routing_changed(tmp_path: Path) -> None:
    opened, closed = judged_hours(tmp_path, [1] + [0] * 9)
    first = NotifySettings(pagerduty={"night": PagerDuty("env:NIGHT")})
    record, [trigger] = effects(DeliveryRecord("flights", "AllTraffic"), opened, first)
    assert isinstance(trigger, Trigger)
    incident = record.incidents[trigger.incident]
    sent = {trigger.incident: type(incident)(incident.key, "night", IncidentState.OPEN, "env:NIGHT", "print")}
    record = replace(record, incidents=sent, pending=())
    moved = NotifySettings(pagerduty={"day": PagerDuty("env:DAY")})
    record, [resolve] = effects(record, closed, moved)
    assert isinstance(resolve, Resolve)
    assert resolve.incident == trigger.incident
    assert record.incidents[resolve.incident].secret == "env:NIGHT"


@dataclass
class Starts:
    """A starter that keeps what it was asked for."""

    requests: list[StartRequest] = field(default_factory=list)

    def start(self, request: StartRequest) -> str:
        self.requests.append(request)
        return f"execution-{len(self.requests)}"

    def find(self, request: StartRequest, since: dt.datetime) -> str | None:
        return None


@pytest.mark.parametrize("monitors", [1, 3])
def test_r58_two_days_of_one_alarm_start_a_pipeline_twice_at_most_and_then_ask_a_person(
    tmp_path: Path, monitors: int
) -> None:
    register = AlarmRegister(open_storage(str(tmp_path / "alarms")), Policy())
    rule = Rule(name="stale", causes=("drift:*",), rest_hours=24, pipeline="train")
    starts, verdicts = Starts(), []
    for hour in range(60):
        state = register.apply(window(hour, cause("drift:price")))
        now = START + (hour + 1) * HOUR
        for _ in range(monitors):
            storage = open_storage(str(tmp_path / "guards"))
            made = Retraining(storage, (rule,), lambda _: starts, lambda now=now: now)  # type: ignore[misc]
            verdicts += [outcome.verdict for outcome in made.consider(state)]
    assert [request.attempt for request in starts.requests] == [1, 2]
    assert verdicts[-1] is Verdict.PERSON


def test_r58_once_the_new_model_serves_its_windows_start_nothing(tmp_path: Path) -> None:
    register = AlarmRegister(open_storage(str(tmp_path / "alarms")), Policy())
    rule = Rule(name="stale", causes=("drift:*",), rest_hours=1, pipeline="train")
    starts = Starts()
    for hour in range(12):
        serving = window(hour, *([cause("drift:price")] if hour < 3 else []), version="3" if hour < 3 else "4")
        state = register.apply(serving)
        if hour == 3:
            state = register.supersede(context_for(serving), "4")
        now = START + (hour * 2 + 1) * HOUR
        storage = open_storage(str(tmp_path / "guards"))
        rounds = Retraining(storage, (rule,), lambda _: starts, lambda now=now: now)  # type: ignore[misc]
        before = len(starts.requests)
        rounds.consider(state)
        assert hour < 3 or len(starts.requests) == before
    assert starts.requests

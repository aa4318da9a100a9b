"""`append` and `prepare`: what they accept is read back as it was, what they cannot capture is counted and harms nobody."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from capture import CaptureBuffer, CaptureConfig, Features, Lookup, SpoolError, new_event_id
from capture.ids import event_time_of
from capture.journal.account import NOBODYS_LANE, Account
from capture.journal.attendant import Attendant
from capture.journal.segment import OPEN, SEALED
from capture.stats import read_stats
from tests.capture.spools import Scribe, buffer, column, counts, events, row, segments, settings
from tests.faults.processes import until

MIB = 1 << 20
NOON = 1_767_268_800_123_456


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[CaptureBuffer]:
    with buffer(tmp_path) as made:
        yield made


@pytest.fixture
def scribe(opened: CaptureBuffer, spool: Path) -> Scribe:
    return Scribe(opened, spool)


def test_without_a_destination_nothing_is_captured_and_nothing_written(tmp_path: Path) -> None:
    made = CaptureBuffer(CaptureConfig(spool_dir=tmp_path / "spool"))
    prepared = made.prepare({"seats": 180}, event_id=new_event_id())
    assert not prepared.kept
    assert made.append(prepared, 0.5) is made.append({"seats": 180}, 0.5) is False
    assert made.close() is True
    assert list(tmp_path.iterdir()) == []


def test_everything_that_is_said_of_an_event_is_read_back(scribe: Scribe) -> None:
    event_id = new_event_id(lambda: NOON * 1000)
    event = scribe.write(
        {"seats": 180},
        0.25,
        event_id=event_id,
        inference_id="order-17",
        custom_attributes="trace=5",
        model_name="ranker-b",
        lookups={"plane": Lookup(NOON / 1e6 - 2.5, 3), "weather": Lookup(None, 1), "carrier": Lookup()},
    )
    assert (event.event_id, event.event_time, event.number) == (event_id, NOON, 1)
    assert (event.inference_id, event.custom_attributes, event.model_name) == ("order-17", "trace=5", "ranker-b")
    assert event.ages == {"plane": pytest.approx(2.5, abs=1e-3), "weather": None, "carrier": None}
    assert event.missing == {"plane": 3, "weather": 1, "carrier": 0}
    assert (row(event.items), row(event.predictions), event.request) == ({"seats": 180}, {"": 0.25}, None)


def test_what_is_not_said_is_null(scribe: Scribe) -> None:
    event = scribe.write({"seats": 180})
    assert (event.inference_id, event.custom_attributes, event.model_name) == (None, None, None)
    assert (event.ages, event.missing) == ({}, {})


def test_an_id_is_made_at_the_time_of_the_clock(tmp_path: Path) -> None:
    made = CaptureBuffer(settings(tmp_path), start_shipper=False, clock=lambda: NOON * 1000)
    event = Scribe(made, tmp_path / "spool").write({"seats": 180})
    made.close(0)
    assert event.event_time == NOON == event_time_of(event.event_id)
    assert uuid.UUID(event.event_id).version == 7


@pytest.mark.parametrize("event_id", ["order-17", "", "\ud800", str(uuid.UUID(int=4, version=4)), "x" * 5000])
def test_an_id_of_the_callers_own_is_kept_and_the_time_is_the_clocks(scribe: Scribe, event_id: str) -> None:
    before = time.time_ns() // 1000
    event = scribe.write({"seats": 180}, event_id=event_id)
    assert event.event_id == event_id.replace("\ud800", "\\ud800")
    assert before <= event.event_time <= time.time_ns() // 1000


def test_records_are_numbered_from_one_for_each_writer(opened: CaptureBuffer, spool: Path) -> None:
    for number in range(100):
        assert opened.append({"number": number}, 0.5)
    found = events(spool)
    assert [event.number for event in found] == list(range(1, 101))
    assert len({event.writer for event in found}) == 1


def sum_of(features: Any) -> Features:
    return Features(request={"total": [1, 2]}, items=features)


MUTABLE: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "mapping": (lambda: {"a": 1.5, "b": [1, {"c": 2}]}, lambda given: (given["b"][1].update(c=9), given.update(a=9.0))),
    "mappings": (lambda: [{"a": 1.5}, {"a": 2.5}], lambda given: (given[0].update(a=9.0), given.pop())),
    "ragged mappings": (lambda: [{"a": 1.5}, {"b": 2.5}], lambda given: given[1].update(b=9.0)),
    "sequences": (lambda: [[1.5], [2.5]], lambda given: given[0].__setitem__(0, 9.0)),
    "columns": (lambda: {"a": [1.5, 2.5]}, lambda given: given["a"].reverse()),
    "columns of NumPy": (lambda: {"a": np.array([1.5, 2.5])}, lambda given: given["a"].fill(9.0)),
    "matrix": (lambda: np.array([[1.5], [2.5]]), lambda given: given.fill(9.0)),
    "transposed matrix": (lambda: np.array([[1.5, 2.5]]).T, lambda given: given.fill(9.0)),
    "records": (lambda: np.array([(1.5,), (2.5,)], dtype=[("a", "f8")]), lambda given: given["a"].fill(9.0)),
    "frame": (lambda: pd.DataFrame({"a": [1.5, 2.5]}), lambda given: given.__setitem__("a", 9.0)),
    "frame in place": (lambda: pd.DataFrame({"a": [1.5, 2.5]}), lambda given: given._mgr.blocks[0].values.fill(9.0)),
    "mixed frame": (
        lambda: pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}),
        lambda given: given.loc.__setitem__(0, [9.0, "z"]),
    ),
    "frame of objects": (lambda: pd.DataFrame({"a": [[1], [2]]}), lambda given: given["a"][0].append(9)),
    "series": (lambda: {"a": pd.Series([1.5, 2.5])}, lambda given: given["a"].__setitem__(0, 9.0)),
    "Features": (lambda: sum_of([{"a": 1.5}]), lambda given: (given.items[0].clear(), given.request["total"].clear())),
}


def content(event: Any) -> str:
    names = (
        event.items.batch.schema.names if hasattr(event.items, "batch") else getattr(event.items, "names", ("a", "b"))
    )
    return repr([column(event.items, name) for name in names] + [None if event.request is None else row(event.request)])


@pytest.mark.parametrize("sort", MUTABLE)
@pytest.mark.parametrize("prepares", [True, False])
def test_who_changes_the_object_afterwards_changes_no_record(scribe: Scribe, sort: str, prepares: bool) -> None:
    make, change = MUTABLE[sort]
    untouched = content(scribe.write(make(), [0, 1]))
    features, predictions = make(), [0, 1]
    if prepares:
        prepared = scribe.buffer.prepare(features, event_id=new_event_id())
        change(features)
        event = scribe.write(prepared, predictions)
        assert content(event) == untouched
    else:
        assert scribe.buffer.append(features, predictions)
        change(features)
        predictions.clear()
        (event,) = scribe._read()
        assert content(event) == untouched
        assert column(event.predictions, "") == [0, 1]


def test_a_model_that_changes_its_input_in_place_does_not_change_what_is_captured(scribe: Scribe) -> None:
    features = np.array([[1.0, 2.0], [3.0, 4.0]])
    prepared = scribe.buffer.prepare(
        features, event_id=new_event_id(), inference_id="i", request_features={"r": features[0]}
    )
    features *= 0
    event = scribe.write(prepared, features[:, 0], custom_attributes="c")
    assert (event.event_id, event.inference_id, event.custom_attributes) == (prepared.event_id, "i", "c")
    assert column(event.items, "feature_1") == [2.0, 4.0]
    assert event.request is not None
    assert row(event.request)["r"].tolist() == [1.0, 2.0]
    assert column(event.predictions, "") == [0.0, 0.0]


shallow = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates() | st.timedeltas()
)
anything = st.recursive(
    shallow | st.datetimes(timezones=st.none() | st.just(dt.UTC)) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.frozensets(shallow, max_size=2)
        | st.dictionaries(shallow, inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(features=anything, predictions=anything, request=st.none() | st.dictionaries(shallow, anything, max_size=2))
def test_whatever_comes_in_is_refused_and_counted_or_can_be_read_back(
    scribe: Scribe, spool: Path, features: Any, predictions: Any, request: Any
) -> None:
    before = counts(spool)
    accepted = scribe.buffer.append(features, predictions, request_features=request)
    assert len(scribe._read()) == accepted
    after = counts(spool)
    assert after["appended"] - before["appended"] == 1
    assert after["kept"] - before["kept"] == accepted
    prepared = scribe.buffer.prepare(features, event_id=new_event_id(), request_features=request)
    assert scribe.buffer.append(prepared, predictions) == accepted
    assert len(scribe._read()) == accepted


class Raises:
    """Raises whatever it is asked, each time an error of its own."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        object.__setattr__(self, "error", error)

    def __getattr__(self, name: str) -> Any:
        raise object.__getattribute__(self, "error")()

    def __len__(self) -> int:
        raise object.__getattribute__(self, "error")()

    def __iter__(self) -> Any:
        raise object.__getattribute__(self, "error")()


class Speechless(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Tensor:
    """Stands for an array and cannot become one."""

    dtype = np.dtype("f8")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("the device is gone")


def cyclic() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


HOSTILE: dict[str, Callable[[], Any]] = {
    "object": object,
    "cyclic": cyclic,
    "deep": lambda: deep(100_000),
    "TypeError": lambda: Raises(lambda: TypeError("no")),
    "RuntimeError": lambda: Raises(lambda: RuntimeError("no")),
    "KeyError": lambda: Raises(lambda: KeyError("no")),
    "MemoryError": lambda: Raises(MemoryError),
    "speechless": lambda: Raises(Speechless),
    "tensor": Tensor,
    "generator": lambda: (number for number in [1]),
}


def deep(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


@pytest.mark.parametrize("sort", HOSTILE)
@pytest.mark.parametrize(
    "where",
    [
        lambda bad: {"features": bad},
        lambda bad: {"features": {"a": bad}},
        lambda bad: {"features": [bad, bad]},
        lambda bad: {"features": [{"a": 1}, {"a": bad}]},
        lambda bad: {"features": {"a": 1}, "request_features": {"b": bad}},
    ],
    ids=["features", "value", "sequence", "row", "request"],
)
def test_a_hostile_object_is_refused_and_counted_and_the_next_record_is_captured(
    scribe: Scribe, spool: Path, sort: str, where: Callable[[Any], dict[str, Any]]
) -> None:
    given_as = where(HOSTILE[sort]())
    features = given_as.pop("features")
    refused = scribe.refused(features, 0.5, **given_as)
    assert sum(refused.values()) == 1
    assert set(refused) <= {"unencodable", "internal"}
    prepared = scribe.buffer.prepare(features, event_id=new_event_id(), **given_as)
    assert scribe.refused(prepared) == {"unencodable": 1}
    assert row(scribe.write({"a": 1}).items) == {"a": 1}


@pytest.mark.parametrize("sort", HOSTILE)
def test_hostile_predictions_ids_and_lookups_are_refused_and_counted(scribe: Scribe, sort: str) -> None:
    bad = HOSTILE[sort]()
    for more in (
        {},
        {"custom_attributes": bad},
        {"inference_id": bad},
        {"model_name": bad},
        {"event_id": bad},
        {"lookups": {"g": bad}},
    ):
        assert sum(scribe.refused({"a": 1}, bad if not more else 0.5, **more).values()) == 1
    assert row(scribe.write({"a": 1}).items) == {"a": 1}


@pytest.mark.parametrize("ids", [{"event_id": None}, {"event_id": 17}, {"event_id": uuid.UUID(int=7)}])
@pytest.mark.parametrize("percentage", [50.0, 100.0])
def test_prepare_never_raises_for_an_id_that_is_no_text(tmp_path: Path, ids: dict[str, Any], percentage: float) -> None:
    with buffer(tmp_path, sampling_percentage=percentage) as made:
        prepared = made.prepare({"a": 1}, **ids)
        assert not made.append(prepared, 0.5)
    assert counts(tmp_path / "spool")["refused"] == {"unencodable": 1}


@pytest.mark.parametrize("inference_id", ["\ud800", 17, b"bytes", ""])
def test_an_odd_inference_id_harms_nobody(tmp_path: Path, inference_id: Any) -> None:
    with buffer(tmp_path, sampling_percentage=99.999999) as made:
        prepared = made.prepare({"a": 1}, event_id=new_event_id(), inference_id=inference_id)
        made.append(prepared, 0.5)
        made.append({"a": 1}, 0.5, inference_id=inference_id)
    assert counts(tmp_path / "spool")["appended"] == 2
    assert len(events(tmp_path / "spool")) == counts(tmp_path / "spool")["kept"]


def test_a_record_larger_than_a_segment_is_too_large_and_the_next_is_captured(scribe: Scribe) -> None:
    for large in ({"text": "x" * (4 * MIB)}, np.zeros((1024, 1024)), pa.table({"a": np.zeros(MIB)})):
        assert scribe.refused(large, np.zeros(1)) == {"too_large": 1}
        assert row(scribe.write({"a": 1}).items) == {"a": 1}


def test_records_that_are_too_large_use_up_no_segments(scribe: Scribe, spool: Path) -> None:
    for _ in range(40):
        assert scribe.refused({"text": "x" * (4 * MIB)}) == {"too_large": 1}
        scribe.write({"a": 1})
    assert len(segments(spool)) == 1


def test_a_record_as_large_as_a_segment_is_captured(scribe: Scribe, spool: Path) -> None:
    for _ in range(3):
        assert append_patiently(scribe.buffer, {"small": "y" * 1000})
        assert append_patiently(scribe.buffer, {"text": "x" * (4 * MIB - 4096 - 256)})
    assert sorted("small" in row(event.items) for event in events(spool)) == [False] * 3 + [True] * 3
    assert [reader.committed[0] for reader in segments(spool)] == [1, 1, 1, 1, 1, 1]


def test_a_full_segment_is_sealed_and_the_next_takes_over(opened: CaptureBuffer, spool: Path) -> None:
    text = "x" * 20_000
    for number in range(600):
        assert append_patiently(opened, {"number": number, "text": text})
    found = segments(spool)
    assert [reader.state for reader in found[:-1]] == [SEALED] * (len(found) - 1)
    assert found[-1].state == OPEN
    assert len(found) == 3
    assert [row(event.items)["number"] for event in events(spool)] == list(range(600))
    assert [reader.first_number for reader in found] == [1 + sum(r.committed[0] for r in found[:n]) for n in range(3)]


def append_patiently(opened: CaptureBuffer, features: Any, predictions: Any = 0.5) -> bool:
    """Appends; waits for a prepared segment, at most ten seconds, as a caller never would."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if opened.append(features, predictions):
            return True
        time.sleep(0.001)
    return False


def test_at_the_spools_limit_the_oldest_segments_go_and_every_record_is_accounted_for(
    tmp_path: Path, spool: Path
) -> None:
    matrix = np.zeros((100, 100))
    with buffer(tmp_path, spool_max_bytes=32 * MIB) as made:
        accepted = [number for number in range(800) if append_patiently(made, {"number": number, "matrix": matrix})]
    waste = counts(spool)["refused"].get("spool_full", 0)
    found = [row(event.items)["number"] for event in events(spool)]
    notes = [path.name.split(".") for path in (spool / "lost").iterdir()]
    lost = sum(int(last) - int(first) + 1 for _, first, last, _ in notes)
    files = sum(path.stat().st_size for path in spool.rglob("*.seg"))
    assert len(accepted) == 800
    assert found == accepted[lost:], "the oldest go first, the newest stay"
    assert lost > 0
    counted = counts(spool)
    assert (counted["kept"], counted["appended"]) == (800, 800 + waste)
    assert files <= 32 * MIB
    stats = read_stats(spool)
    assert (stats.appended, stats.balanced) == (800 + waste, True)


def test_a_spool_of_open_segments_only_refuses_and_counts(tmp_path: Path, spool: Path) -> None:
    with buffer(tmp_path, spool_max_bytes=32 * MIB) as made:
        while len(list((spool / "segments").iterdir())) < 7:
            held = made._lanes.attendant.take()  # type: ignore[union-attr]
            if held is None:
                time.sleep(0.001)
        assert append_patiently(made, {"number": 0})
        before = counts(spool)["refused"].get("spool_full", 0)
        results = [made.append({"text": "x" * 2 * MIB}, 0.5) for _ in range(3)]
        assert results == [True, False, False]
        assert made.append({"number": 1}, 0.5), "what still fits is captured"
    assert counts(spool)["refused"] == {"spool_full": before + 2}
    assert len(events(spool)) == 3


def test_closing_drops_no_record_to_prepare_a_segment_that_nobody_will_use(tmp_path: Path) -> None:
    for round_ in range(5):
        with buffer(tmp_path / str(round_), spool_max_bytes=32 * MIB) as made:
            while len(list((tmp_path / str(round_) / "spool" / "segments").iterdir())) < 7:
                held = made._lanes.attendant.take()  # type: ignore[union-attr]
                if held is None:
                    time.sleep(0.001)
            assert append_patiently(made, {"number": 0})
            with_room = counts(tmp_path / str(round_) / "spool")["kept"]
            made._lanes.attendant._wake.set()  # type: ignore[union-attr]
            made.close(0.05)
        assert len(events(tmp_path / str(round_) / "spool")) == with_room == 1


def test_requests_that_find_no_segment_do_not_make_the_attendant_ask_a_full_disk_each_time(
    opened: CaptureBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    attendant = opened._lanes.attendant
    assert attendant is not None
    monkeypatch.setattr("capture.journal.attendant._REST", 3600.0)
    asked: list[bool] = []

    def full(*given: Any, **_: Any) -> None:
        asked.append(given[4])

    with monkeypatch.context() as patch:
        patch.setattr(opened._lanes.spool, "claim", full)
        until(lambda: attendant.take() is None and True in asked, "it asks")
        for _ in range(1000):
            assert attendant.take() is None
            time.sleep(0)  # lets the attendant run, if it would
        attendant.stop()
    assert asked.count(True) == 1
    assert not attendant._thread.is_alive(), "it rests no longer than it is wanted"


def test_a_stock_that_was_emptied_grows_and_falls_again(opened: CaptureBuffer, monkeypatch: pytest.MonkeyPatch) -> None:
    attendant = opened._lanes.attendant
    assert attendant is not None
    attendant.stop()
    while attendant.take() is not None:
        pass
    assert attendant._wanted == 8
    now = time.monotonic()
    monkeypatch.setattr("capture.journal.attendant.monotonic", lambda: now)
    wanted = []
    for _ in range(10):
        now += 61
        attendant.tend()
        wanted.append(attendant._wanted)
        attendant.tend()
        assert attendant._wanted == wanted[-1], "one at a time"
    assert wanted == [7, 6, 5, 4, 3, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("error", [OSError("no"), SpoolError("no"), ValueError("no"), BufferError("no"), MemoryError()])
def test_the_thread_that_prepares_segments_survives_every_error(
    opened: CaptureBuffer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    attendant = opened._lanes.attendant
    assert attendant is not None
    monkeypatch.setattr("capture.journal.attendant._PAUSE", 0.001)
    failed: list[object] = []

    def broken(*_: object, **__: object) -> None:
        failed.append(1)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(opened._lanes.spool, "claim", broken)
        end = time.monotonic() + 10
        while len(failed) < 5 and time.monotonic() < end:
            with contextlib.suppress(type(error)):
                attendant.take()
    assert len(failed) >= 5
    assert append_patiently(opened, {"a": 1})
    assert attendant._thread.is_alive()


def test_a_reason_is_said_once_a_minute_with_how_many_there_were(
    opened: CaptureBuffer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with caplog.at_level(logging.WARNING, "capture"):
        for _ in range(5):
            opened.append(object(), 0.5)
        opened.append({"text": "x" * (4 * MIB)}, 0.5)
        now[0] += 60.0
        opened.append(object(), 0.5)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert "(unencodable; 0 more since last said): a value of type builtins.object cannot be captured" in told[0]
    assert re.search(
        r"\(too_large; 0 more since last said\): a record of \d+ bytes is larger than a segment's \d+", told[1]
    )
    assert "(unencodable; 4 more since last said)" in told[2]


def test_what_append_cost_is_measured_and_what_prepare_cost_is_part_of_it(opened: CaptureBuffer, spool: Path) -> None:
    features = [{"a": 1}] * 5000
    prepared = opened.prepare(features, event_id=new_event_id())
    assert prepared.spent > 0
    assert opened.append(prepared, np.zeros(5000))
    for _ in range(9):
        opened.append({"a": 1}, 0.5)
    opened.append(object(), 0.5)
    stats = read_stats(spool)
    assert stats.append_count == 11
    assert stats.append_max_us * 1000 >= prepared.spent
    assert 0 < stats.append_mean_us <= stats.append_max_us


def test_a_closed_buffer_refuses_and_raises_nothing(opened: CaptureBuffer, spool: Path) -> None:
    assert opened.append({"a": 1}, 0.5)
    assert opened.close(0.05) is False, "its record is not shipped"
    assert [reader.state for reader in segments(spool)] == [SEALED]
    assert not opened.append({"a": 2}, 0.5)
    assert not opened.prepare({"a": 2}, event_id=new_event_id()).kept
    assert len(events(spool)) == 1
    opened.close(0)


def test_closing_without_a_moment_to_wait_seals_and_refuses_all_the_same(opened: CaptureBuffer, spool: Path) -> None:
    assert opened.append({"a": 1}, 0.5)
    assert opened.close(0) is False
    assert not opened.append({"a": 2}, 0.5)
    assert [(reader.state, reader.committed[0]) for reader in segments(spool)] == [(SEALED, 1)]


def test_a_lane_that_comes_back_after_closing_is_sealed_and_given_to_nobody(opened: CaptureBuffer, spool: Path) -> None:
    assert opened.append({"a": 1}, 0.5)
    lane = opened._lanes.idle.pop()
    assert opened.close(0.05) is False
    assert [reader.state for reader in segments(spool)] == [OPEN]
    opened._lanes.idle.append(lane)
    assert [reader.state for reader in segments(spool)] == [SEALED]
    assert not opened.append({"a": 2}, 0.5)


def test_closing_a_buffer_that_kept_nothing_is_done_at_once(opened: CaptureBuffer) -> None:
    assert opened.close() is True


def test_close_says_yes_when_the_shipper_has_settled_every_record(opened: CaptureBuffer, spool: Path) -> None:
    for number in range(3):
        opened.append({"number": number}, 0.5)
    lane = opened._lanes.made[-1]
    lane.counters.settle(3)
    assert opened.close(0.5) is True


def test_close_ends_the_thread_and_holds_no_lock(tmp_path: Path, spool: Path) -> None:
    made = CaptureBuffer(settings(tmp_path), start_shipper=False)
    attendant = made._lanes.attendant
    assert attendant is not None
    assert attendant._thread.is_alive()
    made.close(0.1)
    assert not attendant._thread.is_alive()
    (path,) = (spool / "writers").iterdir()
    account = Account.read(path)
    assert account is not None
    assert not account.alive()
    assert str(spool / "lock") not in [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]


def unusable(tmp_path: Path) -> Path:
    """A spool directory that cannot be: a file stands there."""
    (tmp_path / "spool").write_text("in the way")
    return tmp_path / "spool"


def test_a_spool_that_cannot_be_used_costs_records_but_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = unusable(tmp_path)
    monkeypatch.setattr("capture.journal.lanes._RETRY_SPOOL", 0.0)
    with caplog.at_level(logging.WARNING, "capture"), buffer(tmp_path) as made:
        assert [made.append({"number": number}, 0.5) for number in range(7)] == [False] * 7
        assert made.prepare({"number": 7}, event_id=new_event_id()).kept
        spool.unlink()
        assert made.append({"number": 8}, 0.5)
        assert row(events(spool)[0].items) == {"number": 8}
        counted = counts(spool)
        assert (counted["kept"], counted["refused"]) == (1, {"spool_unavailable": 7})
        stats = read_stats(spool)
        assert (stats.appended, stats.dropped, stats.balanced) == (8, {"spool_unavailable": 7}, True)
    assert len(caplog.records) == 1
    assert str(spool) in caplog.text


def test_a_spool_that_cannot_be_used_is_not_tried_for_every_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unusable(tmp_path)
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tries = []
    with buffer(tmp_path) as made:
        monkeypatch.setattr(made._lanes, "_open", lambda: tries.append(now[0]))
        for _ in range(40):
            now[0] += 0.1
            made.append({"a": 1}, 0.5)
    assert tries == []
    with buffer(tmp_path) as made:
        now[0] += 100
        assert not made.append({"a": 1}, 0.5)


def test_closing_a_buffer_that_never_got_a_spool_is_done_at_once(tmp_path: Path) -> None:
    unusable(tmp_path)
    made = CaptureBuffer(settings(tmp_path), start_shipper=False)
    assert made.close() is True
    assert not made.append({"a": 1}, 0.5)


def test_a_spool_in_which_no_segment_can_be_made_leaves_no_writer_behind(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise SpoolError("no segment today")

    with monkeypatch.context() as patch:
        patch.setattr(Attendant, "start", broken)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        made = CaptureBuffer(settings(tmp_path), start_shipper=False)
        for _ in range(5):
            made._lanes._next_try = 0.0
            assert not made.append({"a": 1}, 0.5)
        assert list((spool / "writers").iterdir()) == []
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208
    made._lanes._next_try = 0.0
    assert made.append({"a": 1}, 0.5)
    assert counts(spool)["refused"] == {"spool_unavailable": 5}
    made.close(0)


def test_a_machine_that_can_start_no_thread_captures_nothing_and_fails_no_request(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", no_thread)
    made = CaptureBuffer(settings(tmp_path), start_shipper=False)
    assert not made.append({"a": 1}, 0.5)
    assert list((spool / "writers").iterdir()) == []


def test_every_call_is_counted_whatever_becomes_of_it(tmp_path: Path, spool: Path) -> None:
    with buffer(tmp_path, sampling_percentage=50.0) as made:
        for number in range(300):
            made.append(object() if number % 3 == 0 else {"number": number}, 0.5, inference_id=f"{number // 2}")
        stats = read_stats(spool)
    counted = counts(spool)
    assert counted["appended"] == 300 == stats.appended
    assert stats.balanced
    assert stats.waiting == counted["kept"] == len(events(spool))
    assert counted["refused"]["unencodable"] + counted["kept"] + counted["sampled_out"] == 300


def test_nobodys_lane_writes_nothing(opened: CaptureBuffer) -> None:
    while (lane := opened._lanes._make()) is not None:
        assert lane.index < NOBODYS_LANE
    assert len(opened._lanes.made) == NOBODYS_LANE

"""`append` and `prepare`: what they accept is read back as it was, what they cannot capture is counted and harms nobody."""

from __future__ import annotations

import datetime as dt
import logging
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from capture import CaptureBuffer, CaptureConfig, Features, Lookup, new_event_id
from capture.event_id import event_time_of
from capture.shipping.stats import read_stats
from tests.capture.spools import Scribe, append_patiently, buffer, column, counts, events, row, segments, settings

MIB = 1 << 20
NOON = 1_767_268_800_123_456


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
def test_an_id_that_is_a_number_or_a_uuid_is_its_text_and_any_other_is_refused(
    tmp_path: Path, ids: dict[str, Any], percentage: float
) -> None:
    with buffer(tmp_path, sampling_percentage=percentage) as made:
        prepared = made.prepare({"a": 1}, **ids)
        taken = made.append(prepared, 0.5)
        if ids["event_id"] is not None:
            assert taken == made.append({"a": 1}, 0.5, **ids)
            assert {event.event_id for event in events(tmp_path / "spool")} <= {str(ids["event_id"])}
            given: Any = 17
            assert made.append({"a": 1}, 0.5, inference_id=given), "sampling takes an inference id of any type"
    assert taken == (ids["event_id"] is not None)
    assert counts(tmp_path / "spool")["refused"] == ({} if taken else {"unencodable": 1})


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


def test_a_reason_is_said_once_a_minute_with_how_many_there_were(
    opened: CaptureBuffer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(opened._throttled_log, "_monotonic", lambda: now[0])
    with caplog.at_level(logging.WARNING, "capture"):
        for _ in range(5):
            opened.append(object(), 0.5)
        opened.append({"text": "x" * (4 * MIB)}, 0.5)
        now[0] += 60.0
        opened.append(object(), 0.5)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert "refused a record (unencodable): a value of type builtins.object cannot be captured" in told[0]
    assert re.search(r"refused a record \(too_large\): a record of \d+ bytes is larger than a segment's \d+", told[1])
    assert "(4 repeats not logged)" in told[2]


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


def test_appends_after_close_are_counted(tmp_path: Path) -> None:
    with buffer(tmp_path) as made:
        assert made.append({"a": 1}, 0.5)
        made.close(0)
        assert [made.append({"a": number}, 0.5) for number in range(3)] == [False] * 3
    assert counts(tmp_path / "spool")["refused"] == {"closed": 3}

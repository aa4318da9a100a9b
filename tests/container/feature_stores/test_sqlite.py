"""The SQLite store: ids to records, in order, types and event times kept."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from container.feature_stores.protocol import DEADLINE, StoreError, StoreUnavailable
from container.feature_stores.recording import FailurePolicy, RecordingStore
from container.feature_stores.sqlite import SqliteStore

MOMENT = datetime(2013, 7, 1, 5, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            f"""
            CREATE TABLE planes (tailnum TEXT PRIMARY KEY, seats INTEGER, maker TEXT, speed REAL, event_time TEXT);
            INSERT INTO planes VALUES
              ('N1', 180, 'BOEING', 0.5, '{MOMENT.isoformat()}'),
              ('N2', NULL, 'AIRBUS', NULL, '2013-07-01 05:00:00'),
              ('N3', 7, 'CESSNA', 1.0, NULL),
              ('N4', 7, 'CESSNA', 1.0, 'yesterday');
            CREATE TABLE numbers (id INTEGER PRIMARY KEY, value REAL, event_time REAL);
            INSERT INTO numbers VALUES (7, 0.25, {MOMENT.timestamp()});
            CREATE TABLE "odd ""name" (k TEXT PRIMARY KEY, "a b" TEXT);
            INSERT INTO "odd ""name" VALUES ('x', 'y');
            CREATE TABLE pairs (a TEXT, b TEXT, PRIMARY KEY (a, b));
            CREATE TABLE keyless (a TEXT);
            """
        )
    connection.close()
    return path


def test_there_is_one_answer_for_each_id_in_order_and_none_where_there_is_no_record(path: Path):
    records = SqliteStore(path).get("planes", ["N2", "absent", "N1", "N2"])
    assert [record and record["maker"] for record in records] == ["AIRBUS", None, "BOEING", "AIRBUS"]


def test_a_record_has_the_features_with_their_types_and_neither_key_nor_event_time(path: Path):
    (record,) = SqliteStore(path).get("planes", ["N1"])
    assert record == {"seats": 180, "maker": "BOEING", "speed": 0.5}


def test_event_times_are_epoch_seconds_however_they_are_stored(path: Path):
    records = SqliteStore(path).get("planes", ["N1", "N2", "N3", "N4"]) + SqliteStore(path).get("numbers", ["7"])
    moment = MOMENT.timestamp()
    assert [record and record.event_time for record in records] == [moment, moment, None, None, moment]


def test_only_the_features_that_are_wanted_come_back(path: Path):
    (record,) = SqliteStore(path).get("planes", ["N1"], ["speed", "seats"])
    assert record == {"speed": 0.5, "seats": 180}


def test_numeric_keys_are_found_by_their_text(path: Path):
    (record,) = SqliteStore(path).get("numbers", ["7"])
    assert record == {"value": 0.25}


def test_names_are_quoted(path: Path):
    assert SqliteStore(path).get('odd "name', ["x"], ["a b"]) == [{"a b": "y"}]


def test_no_ids_are_no_records(path: Path):
    assert SqliteStore(path).get("planes", []) == []


def test_many_ids_need_no_limit(path: Path):
    records = SqliteStore(path).get("planes", [f"N{n}" for n in range(50_000)])
    assert sum(record is not None for record in records) == 4


@pytest.mark.parametrize(
    ("group", "features", "words"),
    [
        ("absent", None, "no table absent"),
        ("planes", ["wings"], "no feature wings"),
        ("pairs", None, "primary key of one column"),
        ("keyless", None, "primary key of one column"),
    ],
)
def test_what_can_never_be_found_is_an_error_that_names_it(
    path: Path, group: str, features: list[str] | None, words: str
):
    with pytest.raises(StoreError, match=words):
        SqliteStore(path).get(group, ["N1"], features)


def test_a_store_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(StoreError, match=r"absent\.db"):
        SqliteStore(tmp_path / "absent.db")
    (tmp_path / "text.db").write_text("no database" * 100)
    with pytest.raises(StoreError, match="no SQLite database"):
        SqliteStore(tmp_path / "text.db")


def test_a_locked_store_is_unavailable_within_the_limit(path: Path):
    with sqlite3.connect(path, isolation_level=None) as writer:
        store = SqliteStore(path, timeout=0.05)
        store.get("planes", ["N1"])
        writer.execute("BEGIN EXCLUSIVE")
        for group in ("planes", "numbers"):
            with pytest.raises(StoreUnavailable):
                store.get(group, ["N1"])
        writer.execute("ROLLBACK")
        assert store.get("planes", ["N1"]) != [None]
    writer.close()


def test_what_is_written_meanwhile_is_seen(path: Path):
    store = SqliteStore(path)
    store.get("planes", ["N1"])
    with sqlite3.connect(path) as writer:
        writer.execute("UPDATE planes SET seats = 1 WHERE tailnum = 'N1'")
    writer.close()
    assert store.get("planes", ["N1"], ["seats"]) == [{"seats": 1}]


def test_several_threads_may_ask_one_store(path: Path):
    store = SqliteStore(path)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(store.get("planes", ["N1"], ["seats"]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[{"seats": 180}]] * 8


def in_a_thread_of_the_handler_s(call: Callable[[], object]) -> object:
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    thread.join()
    return answers[0]


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("group_is_known", [False, True])
def test_a_lock_is_waited_for_no_longer_than_the_request_has_time(path: Path, group_is_known: bool, in_thread: bool):
    with sqlite3.connect(path, isolation_level=None) as writer:
        store = SqliteStore(path, timeout=20)
        if group_is_known:
            store.get("planes", ["N1"])
        writer.execute("BEGIN EXCLUSIVE")
        recording = RecordingStore(store, FailurePolicy(0.1, True))
        begun = time.monotonic()
        for _ in range(2):
            call: Callable[[], object] = lambda: recording.get("planes", ["N1"])  # noqa: E731
            assert (in_a_thread_of_the_handler_s(call) if in_thread else call()) == [None]
        assert time.monotonic() - begun < 10
        writer.execute("ROLLBACK")
    writer.close()
    assert RecordingStore(store, FailurePolicy(20, True)).get("planes", ["N1"]) != [None]


def test_a_query_is_interrupted_when_the_request_s_time_is_over(path: Path):
    store = SqliteStore(path, timeout=600)
    ids = [f"N{n}" for n in range(50_000)]
    store.get("planes", ["N1"])
    outer = DEADLINE.set(time.monotonic())
    try:
        with pytest.raises(StoreUnavailable, match="interrupted"):
            store.get("planes", ids)
    finally:
        DEADLINE.reset(outer)
    assert len(store.get("planes", ids)) == 50_000

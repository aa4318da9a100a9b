"""Cache, deadline, failure policy and notes: what a request gets around any store."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from capture import Lookup
from container.feature_stores.caching import CachedStore
from container.feature_stores.feast import FeastStore
from container.feature_stores.opening import open_store
from container.feature_stores.protocol import Record, StoreError, StoreUnavailable, remaining
from container.feature_stores.recording import FailurePolicy, RecordingStore
from container.shared.artefact import Artefact
from container.shared.settings import Settings


class Counting:
    """Knows every id but "absent", and how often it was asked for what."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        self.asked.append(list(ids))
        if group == "down":
            raise StoreUnavailable("no answer")
        return [None if key == "absent" else Record({"of": key}, float(len(self.asked))) for key in ids]


class Hands:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_record_is_served_from_memory_until_its_time_is_over():
    store, clock = Counting(), Hands()
    cached = CachedStore(store, 10, 100, clock)
    for clock.now in (0.0, 9.9, 10.0):
        assert cached.get("g", ["a"]) == [{"of": "a"}]
    assert store.asked == [["a"], ["a"]]


def test_only_what_is_not_in_memory_is_asked_for_and_each_id_once():
    store = Counting()
    cached = CachedStore(store, 10, 100)
    cached.get("g", ["a"])
    assert cached.get("g", ["b", "a", "b"]) == [{"of": "b"}, {"of": "a"}, {"of": "b"}]
    assert store.asked == [["a"], ["b"]]


def test_what_the_store_does_not_have_is_asked_for_again():
    store = Counting()
    cached = CachedStore(store, 10, 100)
    assert cached.get("g", ["absent"]) == cached.get("g", ["absent"]) == [None]
    assert len(store.asked) == 2


def test_groups_and_features_do_not_mix():
    store = Counting()
    cached = CachedStore(store, 10, 100)
    for group, features in (("g", None), ("h", None), ("g", ["x"]), ("g", None)):
        cached.get(group, ["a"], features)
    assert len(store.asked) == 3


def test_the_least_recently_used_record_goes_first():
    store = Counting()
    cached = CachedStore(store, 10, 2)
    for key in ("a", "b", "a", "c", "a", "b"):
        cached.get("g", [key])
    assert store.asked == [["a"], ["b"], ["c"], ["b"]]


def test_a_handler_that_changes_its_record_does_not_change_the_next_one_s():
    cached = CachedStore(Counting(), 10, 100)
    (first,) = cached.get("g", ["a"])
    assert first is not None
    first["of"] = "changed"
    (second,) = cached.get("g", ["a"])
    assert second == {"of": "a"}
    assert second is not None
    assert second.event_time == 1.0


def test_oldest_event_time_and_missing_ids_are_noted_for_each_group_over_all_calls():
    recording = RecordingStore(Counting(), FailurePolicy(10, True))
    recording.get("g", ["absent", "a"])
    recording.get("g", ["absent", "b"])
    recording.get("h", ["absent"])
    assert recording.lookups() == {"g": Lookup(1.0, 2), "h": Lookup(None, 1)}


def test_notes_are_whole_when_a_handler_asks_from_many_threads():
    recording = RecordingStore(Counting(), FailurePolicy(10, True))
    threads = [threading.Thread(target=recording.get, args=("g", ["absent", "a"])) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recording.lookups()["g"].missing == 32


def test_past_the_request_s_deadline_nothing_is_asked_any_more():
    store = Counting()
    recording = RecordingStore(store, FailurePolicy(0, True))
    assert recording.get("g", ["a", "b"]) == [None, None]
    assert not store.asked
    assert recording.lookups() == {"g": Lookup(None, 2)}


class Measuring:
    """Notes how long each look-up may take."""

    def __init__(self) -> None:
        self.allowed: list[float] = []

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        self.allowed.append(remaining(30))
        return [None for _ in ids]


def test_each_look_up_may_take_what_those_before_it_left_also_in_a_thread_of_the_handler_s_and_behind_the_cache():
    store = Measuring()
    recording = RecordingStore(CachedStore(store, 10, 100), FailurePolicy(20, True))
    recording.get("g", ["a"])
    recording.get("g", ["a"])
    thread = threading.Thread(target=recording.get, args=("g", ["a"]))
    thread.start()
    thread.join()
    assert 20 > store.allowed[0] > store.allowed[1] > store.allowed[2] > 0
    RecordingStore(store, FailurePolicy(60, True)).get("g", ["a"])
    assert store.allowed[3] == 30
    store.get("g", ["a"])
    assert store.allowed[4] == 30


def test_feast_is_waited_for_no_longer_than_the_request_has_time():
    class Hanging:
        awake = threading.Event()

        def get_feature_view(self, group: str) -> None:
            self.awake.wait(20)

    begun = time.monotonic()
    try:
        recording = RecordingStore(FeastStore(Hanging(), timeout=20), FailurePolicy(0.1, True))
        assert recording.get("planes", ["N1"]) == [None]
        assert time.monotonic() - begun < 10
    finally:
        Hanging.awake.set()


def test_a_failure_is_null_features_or_an_error_and_the_log_hears_of_it_once_a_minute(
    caplog: pytest.LogCaptureFixture,
):
    clock = Hands()
    policy = FailurePolicy(10, True, clock)
    for clock.now in (0.0, 1.0, 59.0, 61.0):
        assert RecordingStore(Counting(), policy).get("down", ["a"]) == [None]
    assert len(caplog.records) == 2
    assert "2 more times" in caplog.records[1].getMessage()
    with pytest.raises(StoreUnavailable):
        RecordingStore(Counting(), FailurePolicy(10, False)).get("down", ["a"])


def test_one_id_in_place_of_a_list_is_said():
    with pytest.raises(StoreError, match="list of ids"):
        RecordingStore(Counting(), FailurePolicy(10, True)).get("g", "abc")


def test_a_store_of_one_s_own_is_named_by_module_and_function(tmp_path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_store_of_tests.py").write_text(
        "class Mine:\n    def get(self, group, ids, features=None): return [None for _ in ids]\n"
        "def make(): return Mine()\ndef wrong(): return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def opened(uri: str):
        settings = Settings.from_env({"FEATURE_STORE_URI": uri}).store
        assert settings is not None
        return open_store(settings, Artefact(tmp_path))

    assert opened("python:my_store_of_tests:make").get("g", ["a"]) == [None]
    for uri, words in (
        ("python:my_store_of_tests:absent", "absent"),
        ("python:no_such_module:make", "no_such_module"),
        ("python:my_store_of_tests:wrong", "no method get"),
    ):
        with pytest.raises(StoreError, match=words):
            opened(uri)


def test_the_cache_is_there_when_it_is_asked_for(tmp_path):
    import sqlite3

    connection = sqlite3.connect(tmp_path / "s.db")
    connection.close()
    env = {"FEATURE_STORE_URI": f"sqlite://{tmp_path}/s.db", "FEATURE_STORE_CACHE_SECONDS": "5"}
    settings = Settings.from_env(env).store
    assert settings is not None
    assert isinstance(open_store(settings, Artefact(tmp_path)), CachedStore)

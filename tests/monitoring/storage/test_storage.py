"""Both storages keep the same promises: whole objects, and conditional writes of which one succeeds."""

from __future__ import annotations

import threading
import uuid

import pytest

from monitoring.errors import UsageError
from monitoring.storage import Conflict, MissingKey, StorageError, open_storage


@pytest.fixture(params=["directory", "s3"])
def storage(request, tmp_path):
    if request.param == "directory":
        return open_storage(str(tmp_path / "kept"))
    return open_storage(f"s3://{request.getfixturevalue('s3_bucket')}/kept")


def test_what_is_put_is_read_back_and_listed_in_order(storage):
    for key in ("b/2.json", "a.json", "b/1.json"):
        storage.put(key, key.encode())
    assert storage.get("b/1.json").body == b"b/1.json"
    assert [entry.key for entry in storage.list()] == ["a.json", "b/1.json", "b/2.json"]
    assert [(entry.key, entry.size) for entry in storage.list("b/")] == [("b/1.json", 8), ("b/2.json", 8)]
    storage.delete("a.json")
    storage.delete("a.json")
    with pytest.raises(MissingKey):
        storage.get("a.json")


def test_a_key_is_created_once(storage):
    storage.create("claim", b"first")
    with pytest.raises(Conflict):
        storage.create("claim", b"second")
    assert storage.get("claim").body == b"first"


def test_an_object_is_replaced_only_by_who_knows_its_tag(storage):
    first = storage.create("state", b"1")
    second = storage.replace("state", b"2", first)
    with pytest.raises(Conflict):
        storage.replace("state", b"3", first)
    assert storage.get("state").tag == second
    storage.delete("state")
    with pytest.raises(Conflict):
        storage.replace("state", b"4", second)


@pytest.mark.parametrize("operation", ["create", "replace"])
def test_of_eight_writers_at_once_one_succeeds(storage, operation):
    tag = "" if operation == "create" else storage.put("k", b"0")
    gate, winners = threading.Barrier(8), []

    def write():
        mine = uuid.uuid4().bytes
        gate.wait(30)
        try:
            storage.create("k", mine) if operation == "create" else storage.replace("k", mine, tag)
        except Conflict:
            return
        winners.append(mine)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(winners) == 1
    assert storage.get("k").body == winners[0]


def test_a_key_cannot_lead_out_of_a_directory(tmp_path):
    for key in ("../x", "/etc/x", "a/../../x"):
        with pytest.raises(StorageError, match="leads out"):
            open_storage(str(tmp_path)).put(key, b"")


@pytest.mark.parametrize("uri", ["gs://bucket", "s3://", "file://"])
def test_another_place_is_refused_with_what_is_allowed(uri):
    with pytest.raises(UsageError, match="s3://bucket/prefix"):
        open_storage(uri)

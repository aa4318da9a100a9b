"""Both places keep what they are given, whole, and say what is wrong so that the right one acts."""

import base64
import contextlib
import os
import socket
import stat
import time
import zlib
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from capture.sinks import MissingObject, Place, SinkError, open_sink, open_source
from capture.sinks.s3 import Bucket
from tests.s3_server import S3Server, free_ports

SDK_TIMEOUT = 60.0
"""Seconds that botocore waits where nobody sets a limit."""


@pytest.fixture(params=["directory", "s3"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place of each kind, below a prefix."""
    if request.param == "directory":
        return f"file://{tmp_path}/captured"
    return f"s3://{request.getfixturevalue('s3_bucket')}/a/prefix"


@pytest.fixture
def place(destination: str) -> Place:
    return open_sink(destination)


def test_what_is_put_is_there_whole(place: Place) -> None:
    body = os.urandom(300_000)
    assert not place.exists("f/v/2026/01/01/12/b.parquet")
    place.put("f/v/2026/01/01/12/b.parquet", body, "application/vnd.apache.parquet")
    assert place.exists("f/v/2026/01/01/12/b.parquet")
    assert place.get("f/v/2026/01/01/12/b.parquet") == body
    assert place.get("f/v/2026/01/01/12/b.parquet", 100) == body[-100:]
    assert place.get("f/v/2026/01/01/12/b.parquet", 1_000_000) == body


def test_an_object_of_the_same_key_is_replaced(place: Place) -> None:
    place.put("k", b"first", "text/plain")
    place.put("k", b"second", "text/plain")
    assert place.get("k") == b"second"
    assert list(place.list()) == [("k", 6)]


def test_an_empty_object_is_an_object(place: Place) -> None:
    place.put("empty", b"", "text/plain")
    assert place.exists("empty")
    assert place.get("empty") == b""


def test_keys_are_listed_by_prefix(place: Place) -> None:
    keys = [
        "_ledger/f/v/2026/01/01/s.json",
        "f/v/2026/01/01/12/b.parquet",
        "f/v/2026/01/01/13/a.jsonl",
        "f-2/v/x",
        "f/w/y",
    ]
    for key in keys:
        place.put(key, b"1", "text/plain")
    assert sorted(key for key, _ in place.list()) == sorted(keys)
    assert [key for key, _ in place.list("f/v/2026/01/01/1")] == keys[1:3]
    assert list(place.list("f/v/2026/01/01/14/")) == []
    assert list(place.folders()) == ["_ledger", "f", "f-2"]
    assert list(place.folders("f/")) == ["v", "w"]
    assert list(place.folders("none/")) == []


def test_a_missing_object_is_said_by_name(place: Place) -> None:
    with pytest.raises(MissingObject, match="nothing/here") as caught:
        place.get("nothing/here")
    assert not caught.value.retryable


# --- the directory ----------------------------------------------------------------------------------------------------


def test_a_directory_is_made_when_something_is_put_into_it(tmp_path: Path) -> None:
    open_sink(f"file://{tmp_path}/new/place").put("a/b", b"x", "text/plain")
    assert (tmp_path / "new/place/a/b").read_bytes() == b"x"


def test_a_uri_may_escape_what_a_path_may_hold(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    open_sink(folder.as_uri()).put("k", b"x", "text/plain")
    assert (folder / "k").read_bytes() == b"x"


def test_nothing_but_objects_is_left_and_leftovers_are_not_listed(tmp_path: Path) -> None:
    sink = open_sink(f"file://{tmp_path}")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / ".b.parquet.tmp").write_bytes(b"half of it")
    sink.put("f/b.parquet", b"x", "text/plain")
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["b.parquet"]
    (tmp_path / "f" / ".c.parquet.tmp").write_bytes(b"half of it")
    assert [key for key, _ in sink.list()] == ["f/b.parquet"]


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        open_sink(f"file://{tmp_path}").put("f/b", b"x", "text/plain")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f/b").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o750


def test_a_key_never_leads_out_of_the_directory(tmp_path: Path) -> None:
    sink = open_sink(f"file://{tmp_path}/captured")
    for key in ("../out", "a/../../out", "/out"):
        with pytest.raises(SinkError, match="leads out of"):
            sink.put(key, b"x", "text/plain")


def test_a_file_in_the_way_is_said_and_needs_someone(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a file")
    with pytest.raises(SinkError, match=r"cannot write .*/f/b: ") as caught:
        open_sink(f"file://{tmp_path}").put("f/b", b"x", "text/plain")
    assert not caught.value.retryable


def test_a_directory_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=f"there is no directory {tmp_path}/none"):
        list(open_source(f"{tmp_path}/none").list())


@pytest.mark.parametrize("uri", ["ftp://host/x", "s3://", "captured", "file://", ""])
def test_what_is_no_place_is_refused_by_name(uri: str) -> None:
    with pytest.raises(SinkError, match=r"give s3://bucket/prefix or file:///directory"):
        open_sink(uri)


# --- the bucket -------------------------------------------------------------------------------------------------------


def test_an_upload_carries_its_checksum_and_type(s3_server: S3Server, s3_bucket: str) -> None:
    open_sink(f"s3://{s3_bucket}/p").put("k.parquet", b"captured", "application/vnd.apache.parquet")
    head = s3_server.client().head_object(Bucket=s3_bucket, Key="p/k.parquet", ChecksumMode="ENABLED")
    assert head["ContentType"] == "application/vnd.apache.parquet"
    assert base64.b64decode(head["ChecksumCRC32"]) == zlib.crc32(b"captured").to_bytes(4, "big")


def test_a_destination_without_prefix_is_the_bucket_itself(s3_server: S3Server, s3_bucket: str) -> None:
    open_sink(f"s3://{s3_bucket}").put("f/k", b"x", "text/plain")
    open_sink(f"s3://{s3_bucket}/deep/er/").put("f/k", b"x", "text/plain")
    assert s3_server.keys(s3_bucket) == ["deep/er/f/k", "f/k"]


def test_more_objects_than_a_page_holds_are_all_listed(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Bucket(s3_bucket, "p")
    for number in range(7):
        sink.put(f"k{number}", b"x", "text/plain")
    call = Bucket._call

    def small_pages(self: Bucket, operation: str, verb: str, key: str, **arguments: object) -> dict[str, object]:
        more = {"MaxKeys": 3} if operation == "list_objects_v2" else {}
        return call(self, operation, verb, key, **arguments, **more)

    monkeypatch.setattr(Bucket, "_call", small_pages)
    assert [key for key, _ in sink.list()] == [f"k{number}" for number in range(7)]


def test_a_missing_bucket_is_said_and_heals_when_it_is_made(s3_server: S3Server, s3_bucket: str) -> None:
    sink = open_sink(f"s3://{s3_bucket}-2/p")
    with pytest.raises(
        SinkError, match=r"cannot write s3://.*-2/p/k: there is no such bucket \(NoSuchBucket\)"
    ) as caught:
        sink.put("k", b"x", "text/plain")
    assert not caught.value.retryable
    s3_server.client().create_bucket(Bucket=f"{s3_bucket}-2")
    sink.put("k", b"x", "text/plain")
    assert sink.exists("k")


@pytest.mark.parametrize(
    ("variable", "message"),
    [("AWS_ACCESS_KEY_ID", "the access key is unknown"), ("AWS_SECRET_ACCESS_KEY", "the secret key is wrong")],
)
def test_wrong_credentials_are_said_and_heal_without_a_new_sink(
    s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch, variable: str, message: str
) -> None:
    sink = open_sink(f"s3://{s3_bucket}/p")
    monkeypatch.setenv(variable, "wrong")
    with pytest.raises(SinkError, match=message) as caught:
        sink.put("k", b"x", "text/plain")
    assert not caught.value.retryable
    assert "\n" not in str(caught.value)
    monkeypatch.setenv(variable, s3_server.environment[variable])
    sink.put("k", b"x", "text/plain")
    assert sink.exists("k")


def test_no_credentials_at_all_are_said(s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SinkError, match="no credentials were found") as caught:
        open_sink(f"s3://{s3_bucket}/p").put("k", b"x", "text/plain")
    assert not caught.value.retryable


def test_a_refused_connection_may_be_tried_again(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(SinkError, match="Could not connect") as caught:
        open_sink(f"s3://{s3_bucket}/p").put("k", b"x", "text/plain")
    assert caught.value.retryable


def test_a_server_that_never_answers_costs_a_bounded_time(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture.sinks.s3.READ_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(SinkError, match=r"[Tt]imeout|timed out") as caught:
            open_sink(f"s3://{s3_bucket}/p").put("k", b"x", "text/plain")
    assert time.monotonic() - begun < SDK_TIMEOUT / 2, "the time limit is ours"
    assert caught.value.retryable


def test_a_host_that_takes_no_connection_costs_a_bounded_time(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of connections that is full answers nothing, as a firewall that drops packets."""
    monkeypatch.setattr("capture.sinks.s3.CONNECT_TIMEOUT", 0.3)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{full.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(SinkError, match="Connect timeout") as caught:
            open_sink(f"s3://{s3_bucket}/p").put("k", b"x", "text/plain")
    assert time.monotonic() - begun < SDK_TIMEOUT / 2, "the time limit is ours"
    assert caught.value.retryable


def test_an_upload_that_arrives_changed_is_refused(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Bucket(s3_bucket, "p")
    sink.put("first", b"x", "text/plain")  # botocore reads its own files, by checksums too
    monkeypatch.setattr("capture.sinks.s3.zlib.crc32", zlib.adler32)
    with pytest.raises(SinkError, match="cannot write"):
        sink.put("k", b"not what the checksum says", "text/plain")
    assert not sink.exists("k")


@pytest.mark.parametrize("key", ["alias/capture", None])
def test_an_object_is_encrypted_with_the_key_that_is_set(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """Moto's S3 notes what it was asked for; SeaweedFS has no keys."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        open_sink("s3://bucket/p", key).put("k", b"x", "text/plain")
        head = client.head_object(Bucket="bucket", Key="p/k")
    assert head.get("SSEKMSKeyId") == key
    assert (head.get("ServerSideEncryption") == "aws:kms") == (key is not None)

"""S3 fails in each of its ways, and the network in its: records wait, arrive once, and nobody restarts anything."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capture import CaptureBuffer, CaptureConfig
from capture.journal.spool import Spool
from capture.reading.reader import Dataset
from capture.shipping.shipper import Shipper
from capture.shipping.stats import read_stats
from capture.sinks import s3
from tests.faults.nursery import record
from tests.faults.processes import until
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.readback import compare, read_back
from tests.faults.results import note
from tests.s3_server import S3Server

FASTER = 20
"""The shipper's monotonic clock in these tests: pauses of half a minute take a second and a half."""


@pytest.fixture
def proxy(s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Between the shipper and the server; time limits are a second instead of 5 and 15."""
    monkeypatch.setattr(s3, "CONNECT_TIMEOUT", 1.0)
    monkeypatch.setattr(s3, "READ_TIMEOUT", 1.0)
    with proxy_to(s3_server.port) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.url)
        yield made


class Line:
    """A writer and a shipper in this process, on the way to the real server."""

    def __init__(self, spool: Path, bucket: str) -> None:
        self.bucket = bucket
        self.config = CaptureConfig(
            destination=f"s3://{bucket}/captured",
            endpoint_name="flights",
            spool_dir=spool,
            spool_max_bytes=64 << 20,
            max_records=50,
            max_age_seconds=5.0,
        )
        self.writer = CaptureBuffer(self.config, start_shipper=False)
        self.shipper = Shipper(Spool(spool, 64 << 20), self.config, monotonic=lambda: time.monotonic() * FASTER)
        self.spool = spool
        self.number = 0

    def append(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            assert self.writer.append(*record("w", self.number))

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.shipper.step()
            if not self.shipper.wait(0.05):
                time.sleep(0.01)

    def ship_all(self) -> None:
        def shipped() -> bool:
            self.shipper.step()
            self.shipper.wait(0.05)
            return not self.shipper.waiting()

        until(shipped, "everything is shipped", pause=0.01)

    def finish(self, server: S3Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """Ships the rest, closes, reads back past the proxy and compares."""
        self.ship_all()
        self.writer.close(timeout=0)
        until(lambda: self.shipper.step() or self.shipper.idle(), "the writer has ended")
        stats = read_stats(self.spool)
        self.shipper.stop()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
        uri = f"s3://{self.bucket}/captured"
        there = compare(read_back(uri), {"w": range(1, self.number + 1)}, name)
        assert stats.balanced
        assert (stats.appended, stats.shipped, stats.dropped) == (there, there, {})
        listed = {key for key, _ in Dataset(uri)._source.list("flights/")}
        assert len(listed) == stats.objects, "no object that the books do not know"
        note(name, records=there, in_s3_exactly_once=there, lost=0, twice=0, objects=stats.objects)


@pytest.fixture
def line(tmp_path: Path, s3_bucket: str, proxy: Proxy) -> Iterator[Line]:
    made = Line(tmp_path / "spool", s3_bucket)
    yield made
    made.writer.close(timeout=0)
    made.shipper.close()


@pytest.mark.parametrize("mode", ["busy", "forbid", "gone", "reset", "lost answer", "hang"])
def test_an_outage_of_each_kind_heals_without_restart(
    mode: str,
    line: Line,
    proxy: Proxy,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    line.append(120)
    line.run(0.3)
    proxy.mode = mode
    begun = time.monotonic()

    def said() -> int:
        return sum("not delivered" in entry.getMessage() for entry in caplog.records)

    def heard() -> bool:
        line.run(0.1)
        return said() > 0

    with caplog.at_level(logging.WARNING):
        for _ in range(8):  # more than a minute of the shipper's clock
            line.append(30)
            line.run(0.4)
        until(heard, "the outage is said")
    minutes = (time.monotonic() - begun) * FASTER / 60
    assert said() <= 2 + minutes, "once a minute for a cause"
    assert read_stats(line.spool).waiting > 0
    proxy.mode = "pass"
    line.finish(s3_server, monkeypatch, f"S3 fails: {mode}")


def test_an_answer_that_comes_too_late_is_an_upload_that_is_repeated(
    line: Line, proxy: Proxy, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server answers after the client has hung up (30 s against 15 in life, 2 against 1 here)."""
    proxy.mode, proxy.delay = "slow", 2.0
    line.append(60)

    def repeated() -> bool:
        line.run(0.05)
        return proxy.requests > 1

    until(repeated, "the upload is repeated")
    proxy.mode = "pass"
    line.finish(s3_server, monkeypatch, "S3 answers after the time limit")


@pytest.mark.parametrize("rounds", [40, pytest.param(800, marks=pytest.mark.long)])
def test_a_network_that_fails_at_random_costs_time_and_nothing_else(
    rounds: int, line: Line, proxy: Proxy, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, chance: random.Random
) -> None:
    kinds = ["pass"] * 6 + ["busy", "reset", "lost answer", "forbid"]
    proxy.choose = lambda: chance.choice(kinds)
    for _ in range(rounds):
        line.append(chance.randint(1, 60))
        line.run(0.02)
    kinds[:] = ["pass"]
    line.finish(s3_server, monkeypatch, f"S3 fails at random, {rounds} rounds")


def test_a_missing_bucket_and_wrong_credentials_heal_when_they_are_mended(
    tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the real server's own answers: no credentials, wrong ones, no bucket, and then all is well."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.endpoint)
    credentials = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    bucket = f"later-{random.SystemRandom().randrange(1 << 40):x}"
    line = Line(tmp_path / "spool", bucket)
    mend: list[tuple[str, Callable[[], object]]] = [
        ("no credentials were found", lambda: _write(credentials, s3_server.access_key, "wrong")),
        ("the secret key is wrong", lambda: _write(credentials, s3_server.access_key, s3_server.secret_key)),
        ("there is no such bucket", lambda: s3_server.client().create_bucket(Bucket=bucket)),
    ]
    for message, repair in mend:
        line.append(60)

        def heard(message: str = message) -> bool:
            line.run(0.05)
            return message in caplog.text

        until(heard, f"{message!r} is said")
        repair()
    for name, value in s3_server.environment.items():
        if name.startswith("AWS_EC2") or name == "AWS_DEFAULT_REGION":
            monkeypatch.setenv(name, value)
    line.finish(s3_server, monkeypatch, "no credentials, wrong credentials, no bucket")


def _write(path: Path, key: str, secret: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")

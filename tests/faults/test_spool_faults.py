"""What befalls a spool, at random moments and places, with the real S3 server behind it: its limit during an outage,
damaged files, a clock that jumps, files of an older version. Each ends with the identity and with every record read back.

The shipper's every call is broken in turn in `tests/capture/shipping`, without a server; here chance chooses.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from capture import CaptureBuffer
from capture.journal.segment import SegmentReader
from capture.sinks import Sink, open_sink
from tests.capture.shipping.stage import Stage
from tests.faults.nursery import record
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.readback import compare, read_back
from tests.faults.results import note
from tests.s3_server import S3Server

HEADER = 4096
SEGMENT = 64 << 10


class Site(Stage):
    """A stage whose objects go to the real server, below `uri`, and whose records can be told by worker and number."""

    def __init__(self, directory: Path, uri: str, sink: Sink, **settings: Any) -> None:
        super().__init__(directory, segment_bytes=SEGMENT, destination=uri, **settings)
        self.sink: Any = sink
        self.names: dict[int, str] = {}
        self.accepted: dict[str, list[int]] = {}

    def begin(self, name: str) -> CaptureBuffer:
        """A writer with a worker's name."""
        writer = self.writer(destination=self.config.destination)
        self.names[id(writer)] = name
        self.accepted[name] = []
        return writer

    def add(self, writer: CaptureBuffer, count: int) -> None:
        """Appends the writer's next records; notes those that were accepted."""
        name = self.names[id(writer)]
        for number in range(1 + max(self.accepted[name], default=0), 1 + max(self.accepted[name], default=0) + count):
            self.clock.wall += 1000
            segment_pool = writer._writers.segment_pool
            if segment_pool is not None and not segment_pool._ready:
                segment_pool.refill()
            if writer.append(*record(name, number)):
                self.accepted[name].append(number)

    @property
    def taken(self) -> int:
        """Bytes of all files of segments, and of what is set aside."""
        files = [*self.directory.rglob("*.seg"), *(self.directory / "quarantine").iterdir()]
        return sum(path.stat().st_size for path in files)


Make = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes sites, one after the other, whose records lie below one URI. Whoever keeps one keeps its files open."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)
    numbers, uri = itertools.count(), f"s3://{s3_bucket}/captured"
    sink = open_sink(uri)
    latest: list[Site] = []

    def end() -> None:
        while latest:
            latest.pop().close()

    def make(**settings: Any) -> Site:
        end()
        latest.append(Site(tmp_path / str(next(numbers)), uri, sink, **settings))
        return latest[0]

    yield make
    end()


@pytest.fixture
def proxy(s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxy_to(s3_server.port) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.url)
        yield made


def busiest(site: Site) -> Path:
    """The file with most records."""
    return max(site.segments(), key=lambda path: SegmentReader(path).committed[0])


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.long)])
def test_the_spools_limit_in_an_outage_costs_exactly_what_is_counted(
    rounds: int, make_site: Make, proxy: Proxy, s3_bucket: str, chance: random.Random
) -> None:
    """What gives way is a range of each worker's oldest records outside the batch in flight, and never more than is due."""
    counted: dict[str, tuple[int, int]] = {}
    accepted: dict[str, list[int]] = {}
    appended = 0
    for number in range(rounds):
        site = make_site(limit=1 << 20, max_records=chance.choice([100, 1000]))
        workers = [site.begin(f"r{number}w{index}") for index in range(chance.randint(1, 3))]
        shipper = site.shipper()
        outage = range(chance.randint(0, 3), chance.randint(8, 12))
        for turn in range(12):
            proxy.mode = "gone" if turn in outage else "pass"
            site.add(chance.choice(workers), chance.randint(200, 900))
            site.clock.pass_(chance.choice([0.1, 5.0, 31.0]))
            site.run(shipper)
            assert site.taken <= site.limit
            assert site.stats.balanced
        proxy.mode = "pass"
        site.clock.pass_(31)
        shipper.close()
        site.finish()
        stats = site.stats
        assert stats.balanced
        assert stats.waiting == 0
        assert set(stats.dropped) <= {"spool_limit", "spool_full"}
        accepted |= site.accepted
        lost = stats.dropped.get("spool_limit", 0)
        counted[f"r{number}"] = lost, stats.shipped
        appended += stats.appended
        assert stats.shipped + lost == sum(map(len, site.accepted.values()))
    arrived = read_back(f"s3://{s3_bucket}/captured")
    for name, (lost, shipped) in counted.items():
        own = {worker: numbers for worker, numbers in accepted.items() if worker.startswith(f"{name}w")}
        assert sum(len(arrived.get(worker, {})) for worker in own) == shipped, name
        missing = {worker: sorted(set(numbers) - arrived.get(worker, {}).keys()) for worker, numbers in own.items()}
        assert sum(map(len, missing.values())) == lost, name
    kept = {worker: [n for n in numbers if n in arrived.get(worker, {})] for worker, numbers in accepted.items()}
    there = compare(arrived, kept, "limit")
    total = sum(lost for lost, _ in counted.values())
    assert total > 0, "no round met the limit"
    note(f"spool limit during an outage, {rounds} rounds", appended=appended, in_s3_exactly_once=there, dropped=total)


@pytest.mark.parametrize("rounds", [12, pytest.param(100, marks=pytest.mark.long)])
def test_damage_anywhere_costs_what_stands_behind_it_and_nothing_else(
    rounds: int, make_site: Make, s3_bucket: str, chance: random.Random
) -> None:
    """A flipped bit or a cut at a random place of a segment, before a shipper looks or between two of its batches."""
    lost_of: dict[str, int] = {}
    wanted: dict[str, list[int]] = {}
    for number in range(rounds):
        site = make_site(limit=4 << 20)
        hurt, whole = site.begin(f"hurt{number}"), site.begin(f"whole{number}")
        site.add(hurt, chance.randint(1, 60))
        path = busiest(site)
        site.add(whole, chance.randint(1, 9))
        if chance.random() < 0.3:
            shipper = site.shipper()
            site.drain(shipper)
            shipper.close()
            site.add(hurt, chance.randint(1, 20))
        site.kill(hurt)
        length = SegmentReader(path).committed[1]
        with path.open("r+b") as file:
            if chance.random() < 0.3:
                file.truncate(chance.randrange(HEADER + length + 8))
            else:
                at = chance.randrange(HEADER + length) if chance.random() < 0.8 else chance.randrange(128)
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 1 << chance.randrange(8)]))
        site.finish()
        stats = site.stats
        assert stats.balanced
        assert stats.waiting == 0
        assert set(stats.dropped) <= {"corrupt"}, stats
        assert stats.appended == sum(map(len, site.accepted.values()))
        lost_of[f"hurt{number}"] = stats.dropped.get("corrupt", 0)
        wanted |= site.accepted
    arrived = read_back(f"s3://{s3_bucket}/captured")
    for name, lost in lost_of.items():
        wanted[name] = wanted[name][: len(wanted[name]) - lost]
    there = compare(arrived, wanted, "damage")
    assert there == sum(map(len, wanted.values())), "and nothing more"
    note(
        f"a flipped bit or a cut at a random place, {rounds} rounds",
        in_s3_exactly_once=there,
        corrupt=sum(lost_of.values()),
        rounds_without_loss=sum(lost == 0 for lost in lost_of.values()),
    )


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.long)])
def test_a_clock_that_jumps_loses_and_doubles_nothing(
    rounds: int, make_site: Make, s3_bucket: str, chance: random.Random
) -> None:
    """By seconds, hours and weeks, back and forth, while shippers come and go."""
    wanted: dict[str, list[int]] = {}
    objects = 0
    for number in range(rounds):
        site = make_site(limit=4 << 20, max_records=40, max_age_seconds=60.0)
        workers, shipper = [site.begin(f"r{number}w{index}") for index in range(2)], site.shipper()
        for _ in range(25):
            site.add(chance.choice(workers), chance.randint(1, 8))
            site.clock.jump(chance.choice([-86_400 * 40, -3600, -61, -0.5, 0, 0.5, 3600, 86_400 * 40]))
            site.clock.pass_(chance.choice([0.1, 5, 61]))
            site.run(shipper)
            assert site.stats.balanced
            if chance.random() < 0.15:
                shipper.close()
                shipper = site.shipper()
        shipper.close()
        site.finish()
        stats = site.stats
        assert stats.balanced
        assert (stats.waiting, stats.dropped) == (0, {})
        objects += stats.objects
        wanted |= site.accepted
    there = compare(read_back(f"s3://{s3_bucket}/captured"), wanted, "clock")
    assert there == sum(map(len, wanted.values()))
    note(f"a clock that jumps, {rounds} rounds", in_s3_exactly_once=there, lost=0, twice=0, objects=objects)


@pytest.mark.parametrize("rounds", [3, pytest.param(30, marks=pytest.mark.long)])
def test_a_spool_of_an_older_version_is_set_aside_and_the_rest_ships(
    rounds: int, make_site: Make, s3_bucket: str, chance: random.Random
) -> None:
    """Any of its files may be of an older version: segments, accounts, manifests, the state."""
    wanted: dict[str, list[int]] = {}
    set_aside = 0
    for number in range(rounds):
        site = make_site(limit=4 << 20)
        old, new = site.begin(f"old{number}"), site.begin(f"new{number}")
        site.add(old, chance.randint(1, 30))
        path = busiest(site)
        process = SegmentReader(path).writer[:24]
        site.add(new, chance.randint(1, 30))
        site.kill(old)
        files = [path, site.directory / "writers" / process]
        for file in files[: chance.randint(1, 2)]:
            with file.open("r+b") as handle:
                handle.seek(8)
                handle.write(b"\0")  # version 0
        if chance.random() < 0.5:
            (site.directory / "batches" / "old.json").write_text('{"format": "of an older version"}')
        if chance.random() < 0.5:
            (site.directory / "state").write_bytes(b"\x91\x00")
        site.finish()
        stats = site.stats
        assert stats.balanced
        assert stats.waiting == 0
        assert stats.shipped == len(site.accepted[f"new{number}"])
        set_aside += len(list((site.directory / "quarantine").iterdir()))
        wanted[f"new{number}"] = site.accepted[f"new{number}"]
    there = compare(read_back(f"s3://{s3_bucket}/captured"), wanted, "older version")
    assert there == sum(map(len, wanted.values()))
    assert set_aside >= rounds
    note(f"a spool of an older version, {rounds} rounds", in_s3_exactly_once=there, files_set_aside=set_aside)

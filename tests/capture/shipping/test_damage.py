"""Damage: what stands before the first bad checksum ships, the rest is quarantined and counted, and nothing is guessed."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crc32c import crc32c

from capture.journal.segment import SegmentReader
from capture.shipping.stats import read_stats
from tests.capture.shipping.stage import Stage

Make = Callable[..., Stage]
RECORDS = 24
HEADER = 4096
WORDS = [
    "magic",
    "version",
    "data offset",
    "commit",
    "state",
    "first number",
    "seed",
    "taken",
    "opened",
    "header length",
]


def hurt_stage(directory: Path, hurt: Callable[[Path], None], killed: bool = True) -> tuple[Stage, Path]:
    """A spool of two writers, of which the first's segment is hurt after it has ended and before a shipper looks."""
    stage = Stage(directory, segment_bytes=64 << 10, limit=4 << 20)
    first, second = stage.writer(), stage.writer()
    stage.append(first, RECORDS // 2)
    stage.append(first, RECORDS - RECORDS // 2, colour="red")  # a second shape, behind the first
    path = next(path for path in stage.segments() if SegmentReader(path).committed[0])
    stage.append(second, 5)
    stage.kill(second)
    if killed:
        stage.kill(first)
    else:
        stage.close_writer(first)
    hurt(path)
    return stage, path


def assert_told(stage: Stage, max_lost: int = RECORDS) -> int:
    """Ships; every record arrived or is counted, the counts are exact, the others' are whole. How many were lost."""
    shipper = stage.shipper()
    stage.clock.pass_(400)
    stage.run(shipper)
    stage.drain(shipper)
    arrived = stage.arrived()
    assert set(arrived.values()) <= {1}
    lost = sorted(set(stage.acknowledged) - set(arrived))
    assert set(arrived) <= set(stage.acknowledged)
    assert lost == list(range(RECORDS - len(lost) + 1, RECORDS + 1)), "what ships is what stood before the damage"
    stats = stage.stats
    assert stats.balanced, stats
    assert stats.appended == len(stage.acknowledged)
    assert stats.waiting == 0
    assert sum(stats.dropped.values()) == len(lost) <= max_lost
    assert set(stats.dropped) <= {"corrupt"}
    assert stats.damaged_segments == bool(lost) or not lost
    assert shipper.idle()
    entries = {writer: entry for found in stage.sink.ledgers.values() for writer, entry in found.writers.items()}
    told = [item for entry in entries.values() for item in entry.lost]
    assert sum(item.last - item.first + 1 for item in told) == len(lost)
    return len(lost)


def flip(path: Path, at: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


@pytest.mark.parametrize("word", range(10), ids=WORDS)
def test_a_flipped_bit_of_a_header_word_invents_nothing_and_hides_nothing(tmp_path: Path, word: int) -> None:
    for bit in (0, 1, 3, 7, 12, 20, 31, 32, 33, 37, 45, 63):
        stage, _ = hurt_stage(tmp_path / f"{bit}", partial(flip, at=word * 8 + bit // 8, bit=bit % 8))
        assert_told(stage)
        stage.close()
        shutil.rmtree(stage.directory)


@pytest.mark.parametrize("at", [80, 83, 103, 104, 108, 111, 128, 140, 300])
@pytest.mark.parametrize("bit", [0, 6, 7])
def test_a_flipped_bit_of_the_writers_id_or_the_header_is_found(tmp_path: Path, at: int, bit: int) -> None:
    stage, _ = hurt_stage(tmp_path, lambda path: flip(path, at, bit))
    assert assert_told(stage) == RECORDS
    stage.close()


@pytest.mark.parametrize("seed", range(24))
def test_a_flipped_bit_of_a_record_costs_it_and_what_follows(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    def hurt(path: Path) -> None:
        reader = SegmentReader(path)
        length = reader.committed[1]
        flip(path, HEADER + chance.randrange(length), chance.randrange(8))

    stage, _ = hurt_stage(tmp_path, hurt, killed=seed % 2 == 0)
    lost = assert_told(stage)
    assert lost >= 1, f"seed {seed}"
    assert any((stage.directory / "quarantine").iterdir())
    stage.close()


@pytest.mark.parametrize("kept", [0, 8, 100, 4095, 4096, 4097, 4104, 4200, 5000, 5400, 6000, 65_528])
def test_a_truncated_segment_ships_what_is_left_of_it(tmp_path: Path, kept: int) -> None:
    stage, _ = hurt_stage(tmp_path, lambda path: _truncate(path, kept))
    lost = assert_told(stage)
    assert (lost == 0) == (kept == 65_528)
    stage.close()


def _truncate(path: Path, kept: int) -> None:
    with path.open("r+b") as file:
        file.truncate(kept)


def test_damage_before_what_is_shipped_already_takes_no_wrong_names(make_stage: Make) -> None:
    """The names of columns stand in front: a shipper that starts anew must not read the rest without them."""
    stage = make_stage(segment_bytes=64 << 10, limit=4 << 20)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 5)
    stage.drain(shipper)
    stage.append(writer, 5)
    stage.kill(writer)
    path = next(path for path in stage.segments() if SegmentReader(path).committed[0])
    flip(path, HEADER + 20, 0)
    shipper.close()
    stage.finish()
    stage.assert_exactly_once(stage.acknowledged[:5])
    stage.assert_balanced(corrupt=5)


def test_a_record_damaged_while_its_batch_was_in_flight_is_not_called_shipped(make_stage: Make) -> None:
    stage = make_stage(segment_bytes=64 << 10, limit=4 << 20)
    writer = stage.writer()
    stage.append(writer, 10)
    stage.kill(writer)
    shipper = stage.shipper()
    shipper.drain()
    shipper.step()  # the manifest is written, the batch is being encoded: the shipper dies here
    shipper.close()
    path = next(path for path in stage.segments() if SegmentReader(path).committed[0])
    word = struct.unpack_from("<Q", path.read_bytes(), 24)[0]
    flip(path, HEADER + (word & 0xFFFF_FFFF) - 10, 0)
    stage.finish()
    stage.assert_exactly_once(stage.acknowledged[:9])
    stage.assert_balanced(corrupt=1)


def test_what_is_set_aside_stays_within_its_share_of_the_spool(make_stage: Make) -> None:
    stage = make_stage(segment_bytes=64 << 10, limit=1 << 20)
    for _ in range(6):
        writer = stage.writer()
        stage.append(writer, 6, padding="x" * 8000)
        stage.kill(writer)
        for path in stage.segments():
            if SegmentReader(path).committed[0]:
                flip(path, 0, 0)
        stage.finish()
    aside = list((stage.directory / "quarantine").iterdir())
    assert sum(path.stat().st_size for path in aside) <= stage.spool.aside_bytes
    stage.assert_balanced(corrupt=36)


@pytest.mark.parametrize("data", [b"", b"\0" * 300_000, b"EACCOUNT" + b"\7" + b"\0" * 300_000, b"no counters"])
def test_an_account_of_nobody_does_not_keep_a_spool_for_ever(make_stage: Make, data: bytes) -> None:
    stage = make_stage()
    writer = stage.writer()
    stage.append(writer, 3)
    (stage.directory / "writers" / ("f" * 24)).write_bytes(data)
    shipper = stage.finish()
    stage.assert_exactly_once()
    assert shipper.idle()
    shipper.ending = True
    stage.run(shipper)
    assert shipper.ended()


def test_a_header_of_an_account_that_cannot_be_read_loses_no_count(make_stage: Make) -> None:
    stage = make_stage()
    writer = stage.writer()
    stage.append(writer, 3)
    stage.kill(writer)
    counters = next((stage.directory / "writers").iterdir())
    where = struct.unpack_from("<Q", counters.read_bytes(), 32)[0]
    flip(counters, where, 0)
    stage.finish()
    stage.assert_exactly_once()
    assert stage.assert_balanced().shipped == 3


def test_a_spool_of_another_version_is_quarantined_and_said_and_the_rest_ships(
    make_stage: Make, caplog: pytest.LogCaptureFixture
) -> None:
    stage = make_stage(limit=256 << 20)
    old, new = stage.writer(), stage.writer()
    stage.append(old, 3)
    path = next(path for path in stage.segments() if SegmentReader(path).committed[0])
    stage.acknowledged.clear()
    stage.append(new, 4)
    stage.kill(old)
    process = SegmentReader(path).writer[:24]
    for file, at in ((path, 8), (stage.directory / "writers" / process, 8)):
        with file.open("r+b") as handle:
            handle.seek(at)
            handle.write(b"\7")
    (stage.directory / "batches" / "old.json").write_text('{"format": "of an older version"}')
    (stage.directory / "state").write_bytes(b"\x91\x07")
    stage.finish()
    stage.assert_exactly_once()
    assert stage.stats.balanced
    said = caplog.text
    assert "format version 7" in said
    assert "checkpoint cannot be read" in said
    assert "manifest old.json is quarantined" in said
    assert f"counters file of process {process} is not of this version" in said
    assert len(list((stage.directory / "quarantine").iterdir())) == 4


def test_a_state_that_is_lost_ships_nothing_twice(make_stage: Make) -> None:
    stage = make_stage(segment_bytes=64 << 10, limit=4 << 20)
    writer, shipper = stage.writer(), stage.shipper()
    stage.append(writer, 10)
    stage.drain(shipper)
    stage.append(writer, 10)
    shipper.close()
    (stage.directory / "state").write_bytes(b"garbage")
    stage.finish()
    stage.assert_exactly_once()
    assert stage.assert_balanced(unknown=10).shipped == 10


@pytest.mark.parametrize(
    "change",
    [{"format": "csv"}, {"destination": "captured"}, {"endpoint_name": "a/b"}, {"a_newer_field": 1}],
    ids=["format", "destination", "endpoint", "field"],
)
def test_a_header_that_this_version_cannot_ship_is_set_aside_and_counted_and_the_rest_ships(
    make_stage: Make, change: dict[str, Any]
) -> None:
    """As a newer version may leave it, or a mistake that was corrected since."""
    stage = make_stage(max_records=5)
    other, writer, shipper = stage.writer(model_version="newer"), stage.writer(), None
    stage.append(other, 5)
    stage.append(writer, 5)
    for path in sorted((stage.directory / "segments").iterdir()):
        reader = SegmentReader(path)
        if reader.header.model_version == "newer" and reader.committed[0]:
            text = msgspec.json.encode({**msgspec.to_builtins(reader.header), **change}, order="sorted")
            data = bytearray(path.read_bytes())
            data[128 : 128 + len(text)] = text
            data[72:80] = (len(text) << 32 | crc32c(text)).to_bytes(8, "little")
            path.write_bytes(data)
    stage.kill(other)
    shipper = stage.shipper()
    stage.run(shipper)
    assert len([key for key in stage.sink.objects if not key.startswith("_ledger")]) == 1
    assert read_stats(stage.directory).shipped == 5
    assert read_stats(stage.directory).damaged_segments == 1
    assert read_stats(stage.directory).balanced
    assert sum(read_stats(stage.directory).dropped.values()) == 5
    assert len(list((stage.directory / "quarantine").iterdir())) == 1

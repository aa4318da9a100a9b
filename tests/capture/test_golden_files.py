"""Files of each on-disk version, written once and kept: this version reads them and goes on where they end.

`former` has a checkpoint and a manifest of version 1, and a ledger with `told`; `current` those of version 2. Both have segments
and counters of version 1. In each, a writer appended records 1 to 7, and one call was refused as too large. Records 1 to 3 are
shipped, 4 to 6 are in a batch that is encoded and not uploaded, 7 waits. `capture/journal/__init__.py` and
`capture/shipping/__init__.py` specify the bytes.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest

from capture import ledger
from capture.journal.counters import ProcessCounters
from capture.journal.segment import SegmentReader
from capture.record import Rows
from capture.shipping import checkpoint_file, manifest_files
from tests.capture.shipping.stage import Stage

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=["former", "current"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A spool with the golden files in it."""
    directory = tmp_path / "spool"
    for path in (GOLDEN / request.param).glob("*.gz"):
        to = directory / path.name.removesuffix(".gz").replace("+", "/")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(gzip.decompress(path.read_bytes()))
    return directory


def test_a_checkpoint_of_each_version_says_what_is_shipped(spool: Path) -> None:
    content = checkpoint_file.read(spool / "state")
    [stream] = content.streams
    [(writer, state)] = stream.writers.items()
    assert (content.version, content.fresh, content.totals.records, content.totals.objects) == (2, False, 3, 1)
    assert (state.shipped, state.lost, state.open, state.in_totals) == (((1, 3),), (), True, False)
    assert (stream.stream.endpoint_name, stream.stream.variant_name) == ("flights", "AllTraffic")
    [[item]] = [day.values() for day in stream.days.values()]
    assert (item.rows, item.events) == (3, 3)
    assert [path.name for path in (spool / "writers").iterdir()] == [writer[:24]]


def test_a_manifest_of_each_version_pins_the_records_that_it_pinned(spool: Path) -> None:
    [path] = (spool / "batches").iterdir()
    manifest = manifest_files.decode(path.read_bytes())
    [part] = manifest.parts
    assert (manifest.batch, manifest.encoded, manifest.unencodable) == (path.stem, True, [])
    assert (part.first, part.records) == (4, 3)
    assert manifest_files.decode(manifest_files.encode(manifest)) == manifest


def test_segments_and_counters_are_read(spool: Path) -> None:
    [path] = (spool / "writers").iterdir()
    process = ProcessCounters.read(path)
    assert process is not None
    [(_, counters)] = process.writers()
    assert (counters.records, counters.reading().refused) == (7, {"too_large": 1})
    process.close()
    readers = [SegmentReader(path) for path in sorted((spool / "segments").iterdir())]
    [used] = [reader for reader in readers if reader.committed[0]]
    events = [used.event(at, head, number) for number, (at, _, head) in enumerate(used.frames(0, used.committed[1]), 1)]
    assert [event.predictions.rows[0][0] for event in events if isinstance(event.predictions, Rows)] == [
        number / 2 for number in range(1, 8)
    ]


def test_a_shipper_goes_on_where_the_files_end(spool: Path) -> None:
    stage = Stage(spool.parent, limit=4 << 20, segment_bytes=64 << 10)
    try:
        stage.drain(stage.shipper())
        stage.assert_exactly_once([4, 5, 6, 7])
        stats = stage.assert_balanced(too_large=1)
        assert (stats.appended, stats.shipped) == (8, 7)
        assert checkpoint_file.read(spool / "state").version == checkpoint_file.VERSION
    finally:
        stage.close()


def test_a_later_version_is_refused_by_its_number(spool: Path) -> None:
    state = spool / "state"
    state.write_bytes(msgspec.msgpack.encode({**msgspec.msgpack.decode(state.read_bytes()), "version": 3}))
    with pytest.raises(ValueError, match="its version is 3; versions 1 and 2 can be read"):
        checkpoint_file.read(state)
    [path] = (spool / "batches").iterdir()
    with pytest.raises(ValueError, match="its version is 3; versions 1 and 2 can be read"):
        manifest_files.decode(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), "version": 3}))


@pytest.mark.parametrize("version", ["former", "current"])
def test_a_ledger_is_read_whether_its_writers_have_told_or_not(version: str) -> None:
    data = (GOLDEN / version / "ledger.json").read_bytes()
    found = ledger.decode(data)
    [entry] = found.writers.values()
    assert (found.version, entry.shipped, entry.open) == (1, [(1, 3)], True)
    assert (b"told" in data) == (version == "former")
    assert b"told" not in ledger.encode(found)

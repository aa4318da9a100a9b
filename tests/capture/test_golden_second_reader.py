"""Reads the golden files with a second reader, written from the docstrings of `capture` alone and not from its code.

The layouts are those of `capture.journal` (`segment`, `frame`, `counters`) and `capture.shipping` (manifest, checkpoint,
ledger). If this file fails and the other tests pass, a format changed or a docstring is wrong.

In both folders a writer appended records 1 to 7, and one call was refused as too large. Records 1 to 3 are shipped.
Records 4 to 6 are in a batch that is encoded and not uploaded. Record 7 waits.

A golden file `a+b.gz` holds the spool file `a/b`. `former` has a manifest and a checkpoint of version 1.
"""

import gzip
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

GOLDEN = Path(__file__).parent / "golden"
PAGE = 4096
DAY = 86_400_000_000
SHIPPED, BATCHED, WAITING = [1, 2, 3], [4, 5, 6], [7]
PREPARED, OPEN = 0, 1
EVENT, SHAPE, ROW = 1, 2, 0

# The words of a writer's page. The docstrings do not number them, so these numbers come from the golden bytes. KEPT and
# ROWS could be exchanged: both are 7. REFUSED is the only word left before the latency buckets.
KEPT, ROWS, BYTES, SETTLED, CALLS, NANOSECONDS, LONGEST, REFUSED = 0, 2, 3, 5, 6, 7, 8, 16

TOTALS = {
    "objects", "records", "rows", "bytes", "rescued_cells", "renamed_features", "row_mismatches", "dropped_segments",
    "dropped_bytes", "damaged_segments", "ended_rows", "ended_bytes", "ended_appended", "ended_sampled_out",
    "ended_shipped", "ended_refused", "ended_lost", "ended_latency",
}  # fmt: skip
FORMER_NAMES = {"books": "streams", "place": "stream", "told": "in_totals", "aside": "unencodable"}


def crc32c(data: bytes, start: int = 0) -> int:
    """Return the CRC-32C of `data`, continued from `start` as `zlib.crc32` does."""
    crc = start ^ 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def halves(word: int) -> tuple[int, int]:
    return word >> 32, word & 0xFFFFFFFF


@dataclass(frozen=True)
class Frame:
    start: int  # bytes [start, stop) of the segment's data
    stop: int
    kind: int
    head: list[Any]
    checksum_holds: bool


@dataclass(frozen=True)
class Segment:
    id: str
    words: tuple[int, ...]
    writer: str
    header_text: bytes
    data: bytes  # the committed bytes

    @classmethod
    def read(cls, name: str, raw: bytes) -> "Segment":
        words = struct.unpack_from("<10Q", raw)
        assert raw[:8] == b"ECAPTURE"
        header = raw[128 : 128 + halves(words[9])[0]]
        data = raw[words[2] : words[2] + halves(words[3])[1]]
        return cls(Path(name).stem, words, raw[80:112].decode(), header, data)

    def frames(self) -> Iterator[Frame]:
        seed = crc32c(self.writer.encode() + struct.pack("<Q", self.words[5]), halves(self.words[6])[1])
        start = 0
        while start < len(self.data):
            length, checksum, head_length, kind = struct.unpack_from("<4I", self.data, start)
            assert length >= 16
            stop = start + length
            head = msgspec.msgpack.decode(self.data[start + 16 : start + 16 + head_length])
            yield Frame(start, stop, kind, head, crc32c(self.data[start + 8 : stop], seed) == checksum)
            start = stop

    def records(self) -> dict[int, Frame]:
        """Return the frames of events by record number."""
        return dict(enumerate((frame for frame in self.frames() if frame.kind == EVENT), self.words[5]))


@dataclass(frozen=True)
class Golden:
    version: int
    segments: list[Segment]
    process: str
    counters: bytes
    manifest: dict[str, Any]
    checkpoint: dict[str, Any]
    ledger: dict[str, Any]

    @property
    def writer(self) -> str:
        return self.segment(OPEN).writer

    @property
    def stream(self) -> dict[str, Any]:
        """The only stream of the checkpoint, with the names of version 2."""
        [stream] = with_current_names(self.checkpoint)["streams"]
        return stream  # type: ignore[no-any-return]

    def page(self, number: int) -> tuple[int, ...]:
        return struct.unpack_from("<512Q", self.counters, number * PAGE)

    def segment(self, state: int) -> Segment:
        [found] = [segment for segment in self.segments if segment.words[4] == state]
        return found


def with_current_names(value: Any) -> Any:
    """Return `value` with the keys of version 1 under their names in version 2."""
    if isinstance(value, dict):
        return {FORMER_NAMES.get(key, key): with_current_names(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_current_names(inner) for inner in value]
    return value


@pytest.fixture(params=["current", "former"], scope="module")
def golden(request: pytest.FixtureRequest) -> Golden:
    folder = GOLDEN / request.param
    names = {path: path.name.removesuffix(".gz").replace("+", "/") for path in folder.glob("*.gz")}
    files = {name: gzip.decompress(path.read_bytes()) for path, name in names.items()}
    segments = [Segment.read(name, raw) for name, raw in files.items() if name.startswith("segments/")]
    [process] = [name for name in files if name.startswith("writers/")]
    [batch] = [name for name in files if name.startswith("batches/")]
    manifest = json.loads(files[batch])
    assert batch == f"batches/{manifest['batch']}.json"
    ledger = json.loads((folder / "ledger.json").read_bytes())
    checkpoint = msgspec.msgpack.decode(files["state"])
    version = {"former": 1, "current": 2}[request.param]
    return Golden(version, segments, Path(process).name, files[process], manifest, checkpoint, ledger)


def test_the_checksum_is_crc_32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283


def test_each_segment_has_a_version_an_id_and_a_header_with_its_checksum(golden: Golden) -> None:
    for segment in golden.segments:
        assert segment.words[1] == 1
        assert segment.words[2] % PAGE == 0
        assert crc32c(segment.header_text) == halves(segment.words[9])[1]
        assert json.loads(segment.header_text) == golden.manifest["header"]
        assert UUID(segment.id).version == 7
        assert (segment.writer[:24], len(segment.writer)) == (golden.process, 32)
    prepared = golden.segment(PREPARED)
    assert prepared.words[3] == prepared.words[7] == len(prepared.records()) == 0


def test_records_1_to_7_are_committed_with_their_checksums_and_1_to_3_are_taken(golden: Golden) -> None:
    segment = golden.segment(OPEN)
    frames = list(segment.frames())
    assert list(segment.records()) == SHIPPED + BATCHED + WAITING
    assert halves(segment.words[3]) == (7, frames[-1].stop)
    assert halves(segment.words[7]) == (3, segment.records()[3].stop)
    for frame in frames:
        assert frame.checksum_holds
        assert frame.start % 8 == frame.stop % 8 == 0


def test_shapes_stand_before_the_events_that_use_them(golden: Golden) -> None:
    shapes: list[list[str]] = []
    for frame in golden.segment(OPEN).frames():
        if frame.kind == SHAPE:
            shapes.append(frame.head)
        else:
            assert all(block is None or block[1] < len(shapes) for block in frame.head[7:10])
    assert shapes == [["n", "padding"], [""]]


def test_an_event_has_an_id_and_the_values_of_its_record(golden: Golden) -> None:
    for number, frame in golden.segment(OPEN).records().items():
        assert UUID(bytes=frame.head[0]).version == 7
        assert frame.head[2:] == [None] * 6 + [[ROW, 0, [number, ""]], [ROW, 1, [number / 2]]]


def test_a_counters_file_has_65_pages_and_those_of_its_header(golden: Golden) -> None:
    _, version, closed, _, offset, length, *dropped, writers = golden.page(0)[:9]
    assert golden.counters[:8] == b"EACCOUNT"
    assert (version, closed, dropped, writers) == (1, 0, [0, 0], 2)
    assert offset == 65 * PAGE
    assert len(golden.counters) == offset + -(-length // PAGE) * PAGE
    assert golden.counters[offset : offset + length] == golden.segment(OPEN).header_text


def test_a_writer_counts_seven_kept_records_and_one_refused_call_in_its_own_page(golden: Golden) -> None:
    own = int(golden.writer[24:], 16) + 1  # writer number n has page n + 1
    assert [number for number in range(1, 65) if any(golden.page(number))] == [own]
    page = golden.page(own)
    assert page[KEPT] == page[ROWS] == 7
    assert page[BYTES] == halves(golden.segment(OPEN).words[3])[1]
    assert page[SETTLED] == len(SHIPPED)
    assert page[REFUSED] == 1
    assert page[CALLS] == page[KEPT] + page[REFUSED] == sum(page[REFUSED + 1 :])
    assert page[LONGEST] <= page[NANOSECONDS] <= page[CALLS] * page[LONGEST]


def test_the_manifest_has_the_keys_of_its_version_and_is_of_an_encoded_whole_batch(golden: Golden) -> None:
    keys = {"batch", "header", "parts", "tries", "encoded", "parent"}
    assert set(golden.manifest) == keys | ({"aside"} if golden.version == 1 else {"unencodable", "version"})
    assert golden.manifest.get("version", 1) == golden.version
    manifest = with_current_names(golden.manifest)
    assert UUID(manifest["batch"]).version == 7
    assert (manifest["encoded"], manifest["tries"], manifest["unencodable"], manifest["parent"]) == (True, 1, [], "")
    assert manifest["batch"] != golden.checkpoint["last_batch"]


def test_the_byte_range_of_the_manifest_holds_records_4_to_6_and_nothing_else(golden: Golden) -> None:
    segment = golden.segment(OPEN)
    [part] = golden.manifest["parts"]
    inside = [frame for frame in segment.frames() if part["start"] <= frame.start < part["stop"]]
    assert (part["segment"], part["writer"]) == (segment.id, segment.writer)
    assert inside == [segment.records()[number] for number in BATCHED]
    assert (inside[0].start, inside[-1].stop) == (part["start"], part["stop"])
    assert list(range(part["first"], part["first"] + part["records"])) == BATCHED


def test_the_checkpoint_has_the_keys_of_its_version(golden: Golden) -> None:
    former = golden.version == 1
    [stream] = golden.checkpoint["books" if former else "streams"]
    shared = {"spool", "began", "version", "fresh", "ended", "last_batch", "progress", "totals"}
    assert set(golden.checkpoint) == shared | {"books" if former else "streams"}
    assert golden.checkpoint["version"] == golden.version
    names = {"kms_key_id", "began", "days", "writers", "forgotten"}
    assert set(stream) == names | {"place" if former else "stream"}
    counts = {"kept", "sampled_out", "refused", "shipped", "lost", "open"}
    assert set(stream["writers"][golden.writer]) == counts | ({"appended", "told"} if former else {"in_totals"})
    assert set(golden.checkpoint["totals"]) == TOTALS | ({"batches", "refused_names"} if former else set())


def test_in_the_checkpoint_records_1_to_3_of_the_stream_are_shipped(golden: Golden) -> None:
    checkpoint, segment, header = golden.checkpoint, golden.segment(OPEN), golden.manifest["header"]
    assert golden.stream["stream"] == {key: header[key] for key in ("destination", "endpoint_name", "variant_name")}
    writer = golden.stream["writers"][segment.writer]
    assert checkpoint["progress"] == {segment.id: list(halves(segment.words[7]))}
    assert (writer["kept"], writer["shipped"], writer["lost"]) == (3, [[1, 3]], [])
    assert (writer["open"], writer["in_totals"], checkpoint["fresh"], checkpoint["ended"]) == (True, False, False, [])
    assert writer.get("appended", 3) == writer["kept"] + writer["sampled_out"] + sum(writer["refused"].values())


def test_the_objects_of_the_checkpoint_hold_records_1_to_3_below_their_day(golden: Golden) -> None:
    times = [golden.segment(OPEN).records()[number].head[1] for number in SHIPPED]
    [(midnight, objects)] = golden.stream["days"].items()
    [(key, counts)] = objects.items()
    assert midnight == times[0] // DAY * DAY
    assert f"{datetime.fromtimestamp(midnight // 1_000_000, UTC):/%Y/%m/%d/}" in key
    assert Path(key).stem == golden.checkpoint["last_batch"]
    assert counts == {"rows": 3, "events": 3, "event_times": [min(times), max(times)]}


def test_the_totals_count_one_object_of_three_records(golden: Golden) -> None:
    totals = dict(golden.checkpoint["totals"])
    assert (totals.pop("objects"), totals.pop("records"), totals.pop("rows")) == (1, 3, 3)
    assert totals.pop("batches", 1) == 1
    assert (totals.pop("bytes") > 0, totals.pop("ended_latency")) == (True, [0, 0, 0, {}])
    assert not any(totals.values())


def test_the_ledger_agrees_with_the_checkpoint(golden: Golden) -> None:
    ledger, stream = golden.ledger, golden.stream
    [(writer, counts)] = ledger["writers"].items()
    assert ledger["version"] == 1
    assert ledger["spool"] == golden.checkpoint["spool"]
    assert {key: ledger[key] for key in ("endpoint_name", "variant_name")}.items() <= stream["stream"].items()
    assert ledger["objects"] == next(iter(stream["days"].values()))
    shared = {"kept", "sampled_out", "refused", "shipped", "lost", "open"}
    assert set(counts) == shared | {"appended"} | ({"told"} if golden.version == 1 else set())
    assert {key: counts[key] for key in shared} == {key: stream["writers"][writer][key] for key in shared}
    assert counts["appended"] == counts["kept"] + counts["sampled_out"] + sum(counts["refused"].values()) == 3


def test_no_record_that_is_not_shipped_is_older_than_complete_until(golden: Golden) -> None:
    records = golden.segment(OPEN).records()
    assert not golden.ledger["closed"]
    assert all(records[number].head[1] >= golden.ledger["complete_until"] for number in BATCHED + WAITING)

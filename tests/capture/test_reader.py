"""What was captured is read again, from either place and in either format."""

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from capture import dataset
from capture.ledger import Lost
from capture.reading.completeness import GapKind
from capture.reading.reader import Dataset, ReadError
from capture.record import Rows
from capture.sinks import Place, SinkError, open_sink
from tests.capture.samples import HOUR, NOON, SECOND, entry, event, predictions, rows, write_ledger, write_objects

FORMATS = ["parquet", "jsonl"]


@pytest.fixture(params=["directory", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "directory":
        return f"file://{tmp_path}"
    return f"s3://{request.getfixturevalue('s3_bucket')}/captured"


@pytest.fixture
def place(uri: str) -> Place:
    return open_sink(uri)


@pytest.fixture(params=FORMATS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def at(hours: float = 0) -> dt.datetime:
    """A time so many hours after noon."""
    return dataset.to_datetime(NOON + int(hours * HOUR))


def uuid7(time: int) -> str:
    """An id of ours that tells this time in microseconds."""
    return str(uuid.UUID(int=(time // 1000) << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & (1 << 62) - 1))


def hours_of_events(count: int, **more: Any) -> list[Any]:
    """An event of two rows each quarter of an hour from noon on."""
    return [
        event(
            rows({"a": n}, {"a": n + 0.5}),
            number=n,
            time=NOON + n * HOUR // 4,
            event_id=uuid7(NOON + n * HOUR // 4),
            **more,
        )
        for n in range(count)
    ]


def test_the_rows_of_a_window_are_read_and_no_others(uri: str, place: Place, form: str) -> None:
    write_objects(place, hours_of_events(12), format=form)
    found = Dataset(uri)
    values = [value for batch in found.batches(at(0.25), at(2.25)) for value in batch.column("a").to_pylist()]
    assert values == [n + half for n in range(1, 9) for half in (0, 0.5)]
    assert sum(batch.num_rows for batch in found.batches()) == 24
    assert [entry.key.hour for entry in found.objects(at(1), at(2))] == [NOON + HOUR]
    assert list(found.batches(at(5), at(6))) == []
    assert found.span() == (at(0), at(3))


def test_a_long_window_is_listed_as_a_short_one(uri: str, place: Place) -> None:
    write_objects(place, [event({"a": n}, time=NOON + n * 24 * HOUR) for n in range(5)])
    found = Dataset(uri)
    for days in (2.5, 40, 400):
        assert len(list(found.objects(at(-1), at(24 * days)))) == min(5, int(days) + 1)


def test_objects_come_in_their_own_types(uri: str, place: Place) -> None:
    write_objects(place, [event({"a": 1})], "batch-1")
    write_objects(place, [event({"a": "x"}, time=NOON + HOUR)], "batch-2")
    write_objects(place, [event({"a": 7}, time=NOON + 2 * HOUR)], "batch-3", types={"a": "int64"})
    objects = list(Dataset(uri).read())
    assert [str(found.schema.field("a").type) for found in objects] == ["double", "string", "int64"]
    assert [found.table()["a"].to_pylist() for found in objects] == [[1.0], ["x"], [7]]


def test_an_object_says_what_its_columns_are(uri: str, place: Place, form: str) -> None:
    made = event(
        rows({"a": 1, "prediction": 2, "tags": ["x"]}), predictions(0.5), {"city": "Rome"}, ages={"weather": 2.0}
    )
    write_objects(place, [made], format=form, hashed=("city",))
    (found,) = Dataset(uri).read()
    assert set(found.feature_columns) == {"a", "city", "feature_prediction", "tags"}
    assert found.prediction_columns == ("prediction",)
    assert set(found.request_columns) == {"city", "capture_age_weather"}
    assert found.rows == found.table().num_rows == 1
    if form == "parquet":
        assert found.json_columns == ("tags",)
        assert found.hashed_columns == ("city",)
        assert found.renamed == {"feature_prediction": "prediction"}


def test_only_the_columns_that_are_asked_for_are_read(uri: str, place: Place, form: str) -> None:
    write_objects(place, hours_of_events(1), format=form)
    (found,) = Dataset(uri).read()
    assert found.table(["a"]).schema.names == ["a"]
    assert [batch.schema.names for batch in found.batches(["prediction"], rows=1)] == [["prediction"]] * 2


def test_endpoints_and_variants_are_told_apart(uri: str, place: Place) -> None:
    for endpoint, variant in (("e1", "a"), ("e1", "b"), ("e2", "a")):
        write_objects(place, [event({"x": f"{endpoint}{variant}"})], endpoint_name=endpoint, variant_name=variant)
    found = Dataset(uri)
    assert found.variants() == [("e1", "a"), ("e1", "b"), ("e2", "a")]
    assert [batch["x"].to_pylist() for batch in found.batches(endpoint="e1", variant="b")] == [["e1b"]]
    assert len(list(found.objects(variant="a"))) == 2


def test_an_event_is_found_by_its_id(uri: str, place: Place, form: str) -> None:
    events = hours_of_events(12)
    write_objects(place, events, format=form)
    table = Dataset(uri).event(events[7].event_id)
    assert table is not None
    assert table["a"].to_pylist() == [7.0, 7.5]
    item = Dataset(uri).event(f"{events[7].event_id}#1")
    assert item is not None
    assert item["a"].to_pylist() == [7.5]
    assert Dataset(uri).event(uuid7(NOON)) is None


def test_an_id_of_ours_is_looked_for_in_its_hour_first(tmp_path: Path) -> None:
    events = hours_of_events(12)
    write_objects(open_sink(f"file://{tmp_path}"), events)
    (tmp_path / "flights/AllTraffic/2026/01/01/12/broken.parquet").write_bytes(b"this hour is not read")
    found = Dataset(str(tmp_path)).event(events[7].event_id)
    assert found is not None


def test_an_event_is_found_by_the_callers_id(uri: str, place: Place, form: str) -> None:
    write_objects(
        place, [event({"a": 1}), event(rows({"a": 2}, {"a": 3}), inference_id="call#1", number=2)], format=form
    )
    table = Dataset(uri).event("call#1")
    assert table is not None
    assert table["a"].to_pylist() == [2.0, 3.0]
    for name, value in (("event-1", 1.0), ("event-2#1", 3.0)):
        one = Dataset(uri).event(name)
        assert one is not None
        assert one["a"].to_pylist() == [value]
    assert Dataset(uri).event("nobody") is None


def test_a_window_is_proved_complete(uri: str, place: Place, form: str) -> None:
    objects = write_objects(place, hours_of_events(12), format=form)
    write_ledger(place, objects, until=NOON + 4 * HOUR)
    found = Dataset(uri).completeness(at(0), at(3))
    assert found.gaps == ()
    assert (found.objects, found.rows, found.events) == (3, 24, 12)
    assert [entry.spool for entry in Dataset(uri).ledgers(at(0), at(3))] == ["spool-1"]


def test_every_gap_is_found_where_it_is(tmp_path: Path, form: str) -> None:
    place = open_sink(f"file://{tmp_path}")
    objects = write_objects(place, hours_of_events(12), format=form)
    lost = Lost("spool_full", 13, 20, (NOON + HOUR, NOON + HOUR + SECOND))
    write_ledger(place, objects, until=NOON + 4 * HOUR, writers={"w": entry(20, 12, lost=[lost])})
    write_ledger(place, until=NOON + HOUR, spool="spool-2")
    (tmp_path / objects[0].key).unlink()
    shorter = write_objects(place, hours_of_events(1), "other", format=form)[0]
    (tmp_path / objects[1].key).write_bytes(shorter.body)
    (tmp_path / shorter.key).unlink()
    found = Dataset(str(tmp_path)).completeness(at(0), at(3))
    assert {(gap.kind, gap.key or gap.writer or gap.spool) for gap in found.gaps} == {
        (GapKind.MISSING_OBJECT, objects[0].key),
        (GapKind.ROW_COUNT, objects[1].key),
        (GapKind.LOST, "w"),
        (GapKind.SILENT, "spool-2"),
    }
    assert Dataset(str(tmp_path)).completeness(at(0), at(1)).gaps[0].kind is GapKind.MISSING_OBJECT


def test_an_object_that_is_cut_short_is_a_gap_and_not_an_error(tmp_path: Path) -> None:
    place = open_sink(f"file://{tmp_path}")
    objects = write_objects(place, hours_of_events(1))
    write_ledger(place, objects, until=NOON + 4 * HOUR)
    path = tmp_path / objects[0].key
    for size in (0, 3, 8, len(objects[0].body) // 2):
        path.write_bytes(objects[0].body[:size])
        (gap,) = Dataset(str(tmp_path)).completeness(at(0), at(1)).gaps
        assert gap.kind is GapKind.ROW_COUNT


def test_a_window_over_midnight_takes_the_ledgers_of_both_days(uri: str, place: Place) -> None:
    late = [event({"a": n}, number=n, time=NOON + 11 * HOUR + n * HOUR) for n in range(3)]
    objects = write_objects(place, late)
    write_ledger(place, objects[:1], until=NOON + 12 * HOUR)
    write_ledger(place, objects[1:], NOON + 12 * HOUR, until=NOON + 20 * HOUR)
    assert Dataset(uri).completeness(at(11), at(14)).complete
    assert Dataset(uri).completeness(at(11), at(12)).complete


def test_a_ledger_that_is_no_json_or_of_a_later_version_is_a_gap(uri: str, place: Place) -> None:
    key = str(dataset.LedgerKey("flights", "AllTraffic", NOON // dataset.DAY * dataset.DAY, "torn"))
    place.put(key, b'{"spool": "to', "application/json")
    write_ledger(place, until=NOON + 4 * HOUR, spool="newer", version=99)
    found = Dataset(uri).completeness(at(0), at(1))
    assert [gap.kind for gap in found.gaps] == [GapKind.UNREADABLE_LEDGER] * 2


def test_nothing_at_all_is_not_complete(uri: str, place: Place) -> None:
    place.put("unrelated.txt", b"x", "text/plain")
    found = Dataset(uri).completeness(at(0), at(1), endpoint="flights", variant="AllTraffic")
    assert [gap.kind for gap in found.gaps] == [GapKind.NO_LEDGER]
    assert Dataset(uri).span() is None


def test_events_without_items_are_counted_in_a_complete_window(uri: str, place: Place, form: str) -> None:
    objects = write_objects(place, [event(Rows((), []), Rows(("",), []))], format=form)
    write_ledger(place, objects, until=NOON + 4 * HOUR)
    found = Dataset(uri).completeness(at(0), at(1))
    assert found.complete
    assert (found.rows, found.events) == (0, 1)
    (empty,) = Dataset(uri).read()
    assert empty.rows == 0


@pytest.mark.parametrize("body", [b"", b"PAR1", b"no Parquet at all"])
def test_a_file_that_is_no_parquet_is_named(tmp_path: Path, body: bytes) -> None:
    open_sink(f"file://{tmp_path}").put("f/v/2026/01/01/12/b.parquet", body, "")
    with pytest.raises(ReadError, match=r"f/v/2026/01/01/12/b.parquet is no Parquet file"):
        list(Dataset(str(tmp_path)).read())


def test_parquet_of_somebody_else_is_not_taken_for_captured_data(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "f/v/2026/01/01/12/b.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ReadError, match="is no captured object"):
        list(Dataset(str(tmp_path)).read())


def test_an_object_of_a_later_version_is_not_read_as_if_it_were_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.dataset.DATASET_VERSION", 2)
    write_objects(open_sink(f"file://{tmp_path}"), [event({"a": 1})])
    monkeypatch.undo()
    with pytest.raises(ReadError, match="is of version 2 of the dataset, and this reads 1: upgrade"):
        list(Dataset(str(tmp_path)).read())


def test_an_empty_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="its end must lie after its start"):
        list(Dataset(str(tmp_path)).objects(at(1), at(1)))


def test_a_place_that_cannot_be_read_is_an_error_of_the_sink(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="there is no directory"):
        Dataset(str(tmp_path / "none")).variants()

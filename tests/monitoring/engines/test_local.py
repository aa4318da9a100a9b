"""Windows are counted from objects on a real S3 server and in a directory: in threads, from kept states, around what is broken."""

from __future__ import annotations

import datetime as dt
import io
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture import dataset
from capture.sinks import Place, open_sink
from monitoring.baseline.baseline import Baseline
from monitoring.engines.local import LocalEngine
from monitoring.engines.window import count_groups, count_window
from monitoring.errors import MonitoringError
from monitoring.source.captured import CapturedSource
from monitoring.source.open import open_rows
from monitoring.states.profile import Profile, merge_profiles
from monitoring.states.store import StateStore
from monitoring.storage import open_storage
from monitoring.window import Window
from tests.capture.samples import HOUR, NOON, SECOND, event, predictions, rows, write_ledger, write_objects
from tests.monitoring.states.test_kernel import assert_equal

TRAINING = pa.table(
    {
        "seats": np.random.default_rng(1).poisson(150, 4000).astype(np.float64),
        "carrier": np.random.default_rng(2).choice(["UA", "DL", "AA"], 4000),
        "wind": np.random.default_rng(3).normal(10, 3, 4000),
        "prediction": np.random.default_rng(4).random(4000),
    }
)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.from_training(TRAINING)


ANYWHERE = pytest.mark.parametrize("uri", ["directory", "s3"], indirect=True)


@pytest.fixture
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if getattr(request, "param", "directory") == "directory":
        return f"file://{tmp_path}/captured"
    return f"s3://{request.getfixturevalue('s3_bucket')}/captured"


@pytest.fixture
def place(uri: str, tmp_path: Path) -> Place:
    (tmp_path / "captured").mkdir()
    return open_sink(uri)


def at(hours: float) -> dt.datetime:
    return dataset.to_datetime(NOON + int(hours * HOUR))


def traffic(hour: int, count: int = 40, **more: Any) -> list[Any]:
    """Events of one to three rows in one hour after noon."""
    generator = np.random.default_rng(hour)
    found = []
    for number in range(count):
        items = [
            {"seats": float(generator.poisson(150)), "carrier": str(generator.choice(["UA", "DL", "B6"]))}
            for _ in range(1 + number % 3)
        ]
        found.append(
            event(
                rows(*items),
                predictions(*generator.random(len(items)).tolist()),
                {"wind": float(generator.normal(10, 3))},
                number=hour * 1000 + number,
                time=NOON + hour * HOUR + number * 1_000_000,
                **more,
            )
        )
    return found


def write(place: Place, hours: int, objects: int = 3) -> None:
    for hour in range(hours):
        events = traffic(hour)
        for number in range(objects):
            write_objects(place, events[number::objects], batch=f"batch-{hour}-{number}")


@ANYWHERE
def test_any_number_of_threads_gives_the_same_state(uri: str, place: Place, baseline: Baseline) -> None:
    write(place, 3)
    source = CapturedSource(uri, "flights", "AllTraffic")
    one, many = (count_window(source, None, baseline, LocalEngine(threads)) for threads in (1, 4))
    assert_equal(one.total(), many.total())
    assert one.total().columns["wind"].sum1 == many.total().columns["wind"].sum1
    assert (one.rows, one.events) == (sum(1 + number % 3 for number in range(40)) * 3, 120)
    assert one.predictions == {"prediction"}
    assert one.total().columns["wind"].request_rows == one.rows


def test_the_hours_merge_to_the_day(uri: str, place: Place, baseline: Baseline) -> None:
    write(place, 4)
    source = CapturedSource(uri)
    hours = [count_window(source, Window(at(hour), at(hour + 1)), baseline, LocalEngine(2)) for hour in range(4)]
    day = count_window(source, Window(at(-12), at(12)), baseline, LocalEngine(2))
    assert_equal(reduce(merge_profiles, hours).total(), day.total())
    assert [state.rows for state in hours] == [day.rows // 4] * 4


def test_a_cut_window_counts_the_rows_inside(uri: str, place: Place, baseline: Baseline) -> None:
    write(place, 2)
    start = at(0) + dt.timedelta(seconds=30)
    profile = count_window(CapturedSource(uri), Window(start, at(1)), baseline, LocalEngine(2))
    assert (profile.events, profile.total().first) == (10, dataset.to_microseconds(start))


@ANYWHERE
def test_kept_states_answer_without_reading_a_row(uri: str, place: Place, baseline: Baseline, tmp_path: Path) -> None:
    write(place, 3)
    store = StateStore(open_storage(str(tmp_path / "output")), baseline.id)
    source = CapturedSource(uri)
    window = Window(at(0), at(2) + dt.timedelta(minutes=1))

    def count() -> tuple[Profile, list[bool]]:
        found = list(count_groups(source, window, baseline, LocalEngine(2), store))
        return reduce(merge_profiles, (entry.profile for entry in found)), [entry.kept for entry in found]

    first, kept = count()
    assert kept == [False, False, False]
    second, kept = count()
    assert kept == [True, True, False], "a cut hour is counted each time"
    assert_equal(first.total(), second.total())
    assert [hour.hour for hour in store.hours("flights", "AllTraffic")] == [12, 13]


def test_a_late_object_makes_its_hour_count_again(uri: str, place: Place, baseline: Baseline, tmp_path: Path) -> None:
    write(place, 2)
    store = StateStore(open_storage(str(tmp_path / "output")), baseline.id)
    source, window = CapturedSource(uri), Window(at(0), at(2))
    before = count_window(source, window, baseline, LocalEngine(2), store)
    write_objects(place, [event({"seats": 1.0, "carrier": "ZZ"}, number=77, time=NOON + 5)], batch="late")
    found = list(count_groups(source, window, baseline, LocalEngine(2), store))
    assert [entry.kept for entry in found] == [False, True]
    assert sum(entry.profile.events for entry in found) == before.events + 1


def test_states_of_another_unit_or_damaged_ones_are_not_used(baseline: Baseline, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    store, hour = StateStore(storage, baseline.id), at(0)
    store.put("flights", "AllTraffic", hour, {"a": 1}, Profile(baseline.id))
    assert store.get("flights", "AllTraffic", hour, {"a": 1}) is not None
    assert store.get("flights", "AllTraffic", hour, {"a": 2}) is None
    assert StateStore(storage, baseline.id, "carrier").get("flights", "AllTraffic", hour, {"a": 1}) is None
    assert StateStore(storage, "other").get("flights", "AllTraffic", hour, {"a": 1}) is None
    (key,) = [entry.key for entry in storage.list("states/")]
    assert key == f"states/{baseline.id}/flights/AllTraffic/2026/01/01/12.arrow"
    storage.put(key, storage.get(key).body[:-40])
    assert store.get("flights", "AllTraffic", hour, {"a": 1}) is None


def test_an_object_synced_twice_counts_once(uri: str, place: Place, baseline: Baseline) -> None:
    write(place, 1)
    once = count_window(CapturedSource(uri), None, baseline, LocalEngine(2))
    write_objects(place, traffic(0)[0::3], batch="copy-of-batch-0")
    twice = count_window(CapturedSource(uri), None, baseline, LocalEngine(2))
    assert twice.duplicates == sum(1 + number % 3 for number in range(0, 40, 3))
    total = twice.total()
    total.duplicates = 0
    assert_equal(total, once.total())


@ANYWHERE
def test_a_corrupt_object_is_named_and_the_rest_is_counted(uri: str, place: Place, baseline: Baseline) -> None:
    write(place, 1)
    key = "flights/AllTraffic/2026/01/01/12/zz-corrupt.parquet"
    place.put(key, b"PAR1 this is not Parquet PAR1", "application/octet-stream")
    profile = count_window(CapturedSource(uri), None, baseline, LocalEngine(2))
    assert profile.unreadable == (key,)
    assert profile.notes[0].startswith(f"cannot read {key}")
    assert profile.events == 40


def test_a_file_that_breaks_off_in_its_middle_counts_nothing(tmp_path: Path, baseline: Baseline) -> None:
    pq.write_table(TRAINING, tmp_path / "good.parquet")
    pq.write_table(TRAINING, tmp_path / "worse.parquet", row_group_size=500, use_dictionary=False)
    body = bytearray((tmp_path / "worse.parquet").read_bytes())
    middle = len(body) // 2
    body[middle : middle + 2000] = b"\xff" * 2000
    (tmp_path / "worse.parquet").write_bytes(body)
    profile = count_window(open_rows(tmp_path), None, baseline, LocalEngine(2))
    assert profile.unreadable == ("worse.parquet",)
    assert profile.rows == TRAINING.num_rows


def test_columns_that_change_their_type_between_files_keep_it(tmp_path: Path, baseline: Baseline) -> None:
    pq.write_table(TRAINING, tmp_path / "1.parquet")
    texts = TRAINING.set_column(0, "seats", TRAINING["seats"].cast(pa.string()))
    pq.write_table(texts, tmp_path / "2.parquet")
    pq.write_table(TRAINING.set_column(0, "seats", TRAINING["seats"].cast(pa.int32())), tmp_path / "3.parquet")
    seats = count_window(open_rows(tmp_path), None, baseline, LocalEngine(2)).total().columns["seats"]
    assert seats.types == {"double": 4000, "string": 4000, "int32": 4000}
    assert (seats.kinds[0], seats.kinds[3], seats.fine[-1]) == (8000, 4000, 4000)


def test_the_ledgers_judge_the_window(uri: str, place: Place) -> None:
    made = write_objects(place, traffic(0))
    source = CapturedSource(uri)
    assert source.completeness(Window(at(0), at(1))).proved is None
    write_ledger(place, made, until=NOON + HOUR)
    judged = source.completeness(Window(at(0), at(1)))
    assert (judged.proved, judged.found, judged.expected, judged.gaps) == (True, 40, 40, ())
    later = source.completeness(Window(at(0), at(2)))
    assert later.proved is False
    assert (later.until, later.expected) == (at(1), None)
    assert "spool-1" in later.gaps[0]
    early = CapturedSource(uri, clock=lambda: (NOON + HOUR + 1_000_000) * 1000).completeness(Window(at(0), at(2)))
    assert early.gaps != later.gaps, "an instance that was heard of a second ago is not silent"


def test_an_empty_window_has_no_slice(uri: str, place: Place, baseline: Baseline) -> None:
    write(place, 1)
    profile = count_window(CapturedSource(uri), Window(at(5), at(6)), baseline, LocalEngine(1))
    assert (profile.slices, profile.rows, profile.total().rows) == ({}, 0, 0)


def test_states_of_different_baselines_do_not_merge(baseline: Baseline) -> None:
    with pytest.raises(MonitoringError, match="different bins"):
        merge_profiles(Profile(baseline.id), Profile("other"))


def test_more_objects_than_a_listing_shows_are_counted(s3_bucket: str, baseline: Baseline) -> None:
    place = open_sink(f"s3://{s3_bucket}/many")
    (made,) = write_objects(place, traffic(0)[:3])
    place.put("flights/AllTraffic/2026/01/01/12/copy.parquet", made.body, "application/octet-stream")

    def put(number: int) -> None:
        place.put(f"flights/AllTraffic/2026/01/01/13/copy-{number:04d}.jsonl", b"", "application/jsonlines")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(1050)))
    profile = count_window(CapturedSource(f"s3://{s3_bucket}/many"), None, baseline, LocalEngine(2))
    assert (profile.rows, profile.duplicates, len(profile.unreadable)) == (made.rows, made.rows, 0)
    assert len(list(CapturedSource(f"s3://{s3_bucket}/many").groups(None))[1].parts) == 1050


@pytest.mark.long
def test_thousands_of_objects_of_a_window_are_read_and_those_of_no_other_hour(
    s3_bucket: str, baseline: Baseline
) -> None:
    """A reader that went beyond the hours of its window would report what stands there and is no Parquet."""
    place = open_sink(f"s3://{s3_bucket}/busy")

    def write(number: int) -> int:
        one = event({"seats": float(number % 300), "carrier": "UA"}, number=number, time=NOON + number % 7200 * SECOND)
        return sum(made.rows for made in write_objects(place, [one], batch=f"batch-{number:05d}"))

    with ThreadPoolExecutor(8) as pool:
        rows_written = sum(pool.map(write, range(3000)))
        for hour in ("11", "14"):
            keys = [f"flights/AllTraffic/2026/01/01/{hour}/other-{number:04d}.parquet" for number in range(500)]
            list(pool.map(lambda key: place.put(key, b"no Parquet", "application/octet-stream"), keys))
    profile = count_window(CapturedSource(f"s3://{s3_bucket}/busy"), Window(at(0), at(2)), baseline, LocalEngine(2))
    assert (profile.rows, profile.duplicates, profile.unreadable) == (rows_written, 0, ())
    assert rows_written == 3000


def test_training_data_and_baselines_may_stand_in_a_bucket(s3_bucket: str) -> None:
    storage = open_storage(f"s3://{s3_bucket}/training")
    for number in range(3):
        sink = io.BytesIO()
        pq.write_table(TRAINING.slice(number * 1000, 1000), sink)
        storage.put(f"part-{number}.parquet", sink.getvalue(), "application/octet-stream")
    made = Baseline.from_training(f"s3://{s3_bucket}/training")
    assert made.profile.rows == 3000
    made.save(f"s3://{s3_bucket}/baseline")
    assert Baseline.load(f"s3://{s3_bucket}/baseline").id == made.id
    assert Baseline.from_training(f"s3://{s3_bucket}/training/part-1.parquet").profile.rows == 1000

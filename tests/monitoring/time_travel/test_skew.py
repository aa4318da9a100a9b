"""Every captured cell is in the class that explains it; what nothing explains is `different`, with its events."""

from __future__ import annotations

import datetime as dt
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture import CaptureBuffer, CaptureConfig, new_event_id
from monitoring.__main__ import main
from monitoring.time_travel.skew import CellClass, classify

TIME = pa.timestamp("us", tz="UTC")


def chunked(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    ("captured", "known", "trained", "found", "expected"),
    [
        (1.5, 1.5, 1.5, "record", CellClass.EQUAL),
        (float("nan"), None, None, "record", CellClass.EQUAL),
        (1.5, 1.5, 2.5, "record", CellClass.LATE),
        (None, None, None, "missing", CellClass.MISSING),
        (None, None, 2.5, "missing", CellClass.MISSING),
        (None, None, None, "expired", CellClass.EXPIRED),
        (2.5, 1.5, 2.5, "ambiguous", CellClass.AMBIGUOUS),
        (3.5, 1.5, 2.5, "ambiguous", CellClass.DIFFERENT),
        (2.5, 1.5, 2.5, "record", CellClass.DIFFERENT),
        (None, 1.5, 1.5, "record", CellClass.DIFFERENT),
        (1.5, None, None, "missing", CellClass.DIFFERENT),
    ],
)
def test_a_cell_is_in_the_class_that_explains_it(captured, known, trained, found, expected):
    one, two, three = (chunked([value], pa.float64()) for value in (captured, known, trained))
    assert classify(one, two, three, chunked([found])).tolist() == [expected]


def test_a_float_of_32_bits_equals_the_double_that_it_was_made_of():
    double = chunked([0.1])
    assert classify(chunked([0.1], pa.float32()), double, double, chunked(["record"])).tolist() == [CellClass.EQUAL]


@pytest.fixture
def live(tmp_path):
    """Two events of an endpoint, and an offline store that explains the first and not the second."""
    buffer = CaptureBuffer(
        CaptureConfig(destination=f"file://{tmp_path}/captured", spool_dir=tmp_path / "spool", max_age_seconds=0.2)
    )
    events = [new_event_id(), new_event_id()]
    for event, price in zip(events, (9.5, 7.0), strict=True):
        assert buffer.append([{"item": "a", "price": price}], [1.0], event_id=event)
    assert buffer.close(60)
    before = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    store = tmp_path / "store" / "year=2026"
    store.mkdir(parents=True)
    pq.write_table(
        pa.table(
            {
                "id": ["a"],
                "at": [before.strftime("%Y-%m-%dT%H:%M:%SZ")],
                "api_invocation_time": pa.array([before], TIME),
                "write_time": pa.array([before], TIME),
                "is_deleted": [False],
                "price": [9.5],
            }
        ),
        store / "records.parquet",
    )
    groups = tmp_path / "groups.toml"
    groups.write_text(
        f'[[group]]\nname = "items"\nsource = "{tmp_path}/store"\nrecord_id = "id"\nevent_time = "at"\n'
        'id = "{item}"\n[group.features]\nprice = "price"\n'
    )
    return tmp_path, events


@pytest.fixture
def skew(live, capsys):
    """Runs the command over the live data, and returns its exit code, its output and its errors."""
    folder, _ = live

    def run(*more):
        code = main(["skew", "--captured", str(folder / "captured"), "--groups", str(folder / "groups.toml"), *more])
        return code, *capsys.readouterr()

    return run


def test_the_command_names_the_events_that_nothing_explains(live, skew):
    code, output, _ = skew("--json")
    assert code == 3
    [price] = json.loads(output)
    assert (price["counts"]["equal"], price["counts"]["different"]) == (1, 1)
    assert price["examples"]["different"] == [live[1][1]]
    assert "1 cells differ" in skew()[1]


@pytest.mark.parametrize(
    ("replaced", "by", "named"),
    [
        ('id = "{item}"', 'id = "{sku}"', "needs the column 'sku'"),
        ('id = "{item}"', 'id = "item"', "names no column"),
        ('price = "price"', 'cost = "price"', "has no column 'cost'"),
        ('price = "price"', 'price = "cost"', "was not captured"),
        ("[group.features]", 'colour = "red"\n[group.features]', "colour"),
        ("/store", "/nowhere", "no Parquet file"),
    ],
)
def test_a_mistake_in_the_groups_is_one_line_that_names_it(live, skew, replaced, by, named):
    path = live[0] / "groups.toml"
    path.write_text(path.read_text().replace(replaced, by))
    code, _, errors = skew()
    assert code in (1, 2)
    assert named in errors
    assert len(errors.strip().splitlines()) == 1


def test_a_store_without_api_invocation_time_is_refused(live, skew):
    [path] = (live[0] / "store").rglob("*.parquet")
    pq.write_table(pq.read_table(path).drop_columns(["api_invocation_time"]), path)
    code, _, errors = skew()
    assert code == 1
    assert "api_invocation_time" in errors

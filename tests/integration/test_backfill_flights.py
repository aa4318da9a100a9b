"""Managed logs that hold only ids, and an offline store, give back every feature that the endpoint saw."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture import CaptureBuffer, CaptureConfig, Features
from capture.dataset import EVENT_ID, EVENT_TIME, ITEM_INDEX
from capture.reading.reader import Dataset
from examples.flights import data
from examples.flights.traffic import july_requests
from monitoring.__main__ import main

START = dt.datetime(2026, 7, 1, 4, 10, tzinfo=dt.UTC)
TIME = pa.timestamp("us", tz="UTC")
REQUESTS = 150
GROUPS = """
[[group]]
name = "weather"
source = "{root}/offline/weather/data"
record_id = "id"
event_time = "event_time"
id = "{{airport}}|{{hour}}"
[group.features]
{weather}

[[group]]
name = "planes"
source = "{root}/offline/planes/data"
record_id = "id"
event_time = "at"
id = "{{tailnum}}"
[group.features]
{planes}
"""


def write_store(folder, table, event_time):
    folder.mkdir(parents=True)
    written = [START - dt.timedelta(hours=1)] * table.num_rows
    more = {
        "api_invocation_time": pa.array(written, TIME),
        "write_time": pa.array(written, TIME),
        "is_deleted": pa.array([False] * table.num_rows),
    }
    if event_time not in table.column_names:
        more[event_time] = pa.array(["2000-01-01T00:00:00Z"] * table.num_rows)
    for name, values in more.items():
        table = table.append_column(name, values)
    pq.write_table(table, folder / "records.parquet")


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """The first hours of July as the endpoint captured them, as the managed service logged them, and the offline store."""
    root = tmp_path_factory.mktemp("backfill")
    weather, planes = data.weather(), data.planes()
    write_store(root / "offline/weather/data", pa.Table.from_pandas(weather, preserve_index=False), "event_time")
    write_store(root / "offline/planes/data", pa.Table.from_pandas(planes, preserve_index=False), "at")
    (root / "groups.toml").write_text(
        GROUPS.format(
            root=root,
            weather="\n".join(f'{name} = "{name}"' for name in data.WEATHER),
            planes="\n".join(f'{name} = "{name}"' for name in data.PLANE),
        )
    )
    by_hour = weather.set_index("id").astype(object).where(weather.set_index("id").notna(), None)
    by_plane = planes.set_index("id").astype(object).where(planes.set_index("id").notna(), None)
    buffer = CaptureBuffer(
        CaptureConfig(
            destination=f"file://{root}/captured", spool_dir=root / "spool", max_age_seconds=0.2, types=data.FEATURES
        )
    )
    lines = []
    for number, request in enumerate(july_requests(REQUESTS)):
        time = START + dt.timedelta(seconds=number)
        event = str(uuid.UUID(int=(int(time.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number))
        key = request.inference_id
        found = by_hour.loc[key].to_dict() if key in by_hour.index else {}
        items = [
            {name: flight.get(name) for name in ("carrier", "dest")}
            | {
                name: by_plane.loc[flight["tailnum"]][name] if flight.get("tailnum") in by_plane.index else None
                for name in data.PLANE
            }
            for flight in request.flights
        ]
        features = Features({name: found.get(name) for name in data.WEATHER}, items)
        assert buffer.append(features, [{"risk": 0.5}] * len(items), event_id=event)
        predictions = json.dumps({"predictions": [{"risk": 0.5}] * len(items)})
        lines.append(managed(event, time, json.dumps(request.payload), predictions))
    assert buffer.close(120)
    place = root / "logs/flights/AllTraffic/2026/07/01/04"
    place.mkdir(parents=True)
    (place / "10-00-000-log.jsonl").write_text("\n".join(lines))
    return root


def managed(event, time, request, answer):
    side = {"observedContentType": "application/json", "encoding": "JSON"}
    return json.dumps(
        {
            "captureData": {
                "endpointInput": side | {"mode": "INPUT", "data": request},
                "endpointOutput": side | {"mode": "OUTPUT", "data": answer},
            },
            "eventMetadata": {"eventId": event, "inferenceTime": f"{time:%Y-%m-%dT%H:%M:%SZ}"},
            "eventVersion": "0",
        }
    )


def backfill(root, *more):
    return main(
        ["backfill", "--logs", str(root / "logs"), "--groups", str(root / "groups.toml"), "--output", str(root / "rebuilt"),
         "--endpoint", "flights", "--items", "flights", "--request-columns", "airport,hour", *more]
    )  # fmt: skip


def rows_of(uri):
    tables = [pa.Table.from_batches([batch]) for batch in Dataset(str(uri)).batches()]
    return pa.concat_tables(tables, promote_options="permissive").sort_by(
        [(EVENT_ID, "ascending"), (ITEM_INDEX, "ascending")]
    )


def test_every_cell_that_the_endpoint_saw_is_rebuilt(replayed, capsys):
    assert backfill(replayed) == 0, capsys.readouterr().err
    captured, rebuilt = rows_of(replayed / "captured"), rows_of(replayed / "rebuilt")
    assert captured.num_rows == rebuilt.num_rows > 1000
    assert captured[EVENT_ID].to_pylist() == rebuilt[EVENT_ID].to_pylist()
    for name in (*data.WEATHER, *data.PLANE, "carrier", "dest"):
        assert captured[name].to_pylist() == rebuilt[name].to_pylist(), name
    assert rebuilt["prediction_risk"].to_pylist() == [0.5] * rebuilt.num_rows


def test_the_rebuilt_rows_are_captured_data_with_the_age_and_the_gaps_of_the_store(replayed):
    [found] = Dataset(str(replayed / "rebuilt")).read()
    assert set(found.request_columns) == {"airport", "hour", *data.WEATHER}
    assert found.prediction_columns == ("prediction_risk",)
    table = found.table()
    assert {"capture_age_weather", "capture_missing_weather", "capture_missing_planes"} <= set(table.column_names)
    unknown = [
        row["tailnum"] for row in table.select(["tailnum", "plane_type"]).to_pylist() if row["plane_type"] is None
    ]
    assert max(table["capture_missing_planes"].to_pylist()) > 0
    assert unknown
    assert table[EVENT_TIME][0].as_py() == START


def test_logs_of_another_endpoint_are_a_question(replayed, capsys):
    assert backfill(replayed, "--endpoint", "hotels") == 2
    assert "hotels/AllTraffic" in capsys.readouterr().err

"""`monitoring skew` puts every cell in a class, and names five event ids of each class but `equal`."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture import CaptureBuffer, CaptureConfig, new_event_id
from monitoring.__main__ import main

TIME = pa.timestamp("us", tz="UTC")
EVENTS = 7
CAPTURED = {"equal": 1.0, "late": 2.0, "missing": None, "expired": None, "ambiguous": 5.0, "different": 60.0}


def write_store(folder: Path, now: dt.datetime) -> None:
    """Records as (id, event time, api invocation time, deleted, value), in hours from now."""
    records: list[tuple[str, float, float, bool, float | None]] = [
        ("equal", -2.0, -2.0, False, 1.0),
        ("late", -2.0, -2.0, False, 2.0),
        ("late", -1.0, 3.0, False, 20.0),
        ("missing", -2.0, -2.0, False, 3.0),
        ("missing", -1.0, -1.0, True, None),
        ("expired", -30.0, -30.0, False, 4.0),
        ("ambiguous", -2.0, -2.0, False, 5.0),
        ("ambiguous", -2.0, -1.0, False, 50.0),
        ("different", -2.0, -2.0, False, 6.0),
    ]
    event = [now + dt.timedelta(hours=record[1]) for record in records]
    api = [now + dt.timedelta(hours=record[2]) for record in records]
    folder.mkdir()
    columns = {
        "id": [record[0] for record in records],
        "at": pa.array(event, TIME),
        "api_invocation_time": pa.array(api, TIME),
        "write_time": pa.array(api, TIME),
        "is_deleted": [record[3] for record in records],
        "price": pa.array([record[4] for record in records], pa.float64()),
    }
    pq.write_table(pa.table(columns), folder / "records.parquet")


def test_every_class_has_its_count_and_five_event_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = CaptureConfig(destination=f"file://{tmp_path}/captured", spool_dir=tmp_path / "spool", max_age_seconds=0.2)
    buffer = CaptureBuffer(config)
    events: dict[str, list[str]] = {name: [new_event_id() for _ in range(EVENTS)] for name in CAPTURED}
    for name, ids in events.items():
        for event in ids:
            assert buffer.append([{"item": name, "price": CAPTURED[name]}], [1.0], event_id=event)
    assert buffer.close(60)
    write_store(tmp_path / "store", dt.datetime.now(dt.UTC))
    (tmp_path / "groups.toml").write_text(
        f'[[group]]\nname = "prices"\nsource = "{tmp_path}/store"\nrecord_id = "id"\nevent_time = "at"\n'
        'id = "{item}"\nttl_seconds = 86400\n[group.features]\nprice = "price"\n'
    )
    command = ["skew", "--captured", str(tmp_path / "captured"), "--groups", str(tmp_path / "groups.toml")]
    assert main([*command, "--json"]) == 3
    [price] = json.loads(capsys.readouterr().out)
    assert price["counts"] == dict.fromkeys(CAPTURED, EVENTS)
    assert set(price["examples"]) == set(CAPTURED) - {"equal"}
    for name, examples in price["examples"].items():
        assert len(examples) == 5
        assert set(examples) < set(events[name])
    assert main(command) == 3
    printed = capsys.readouterr().out
    assert all(f"price, {name}: events" in printed for name in price["examples"])

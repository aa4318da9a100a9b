"""Backfill over several objects: one join answers many objects, and each object has its own answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from monitoring.__main__ import main
from monitoring.time_travel import backfill
from tests.monitoring.time_travel.stores import Record, at, write_glue

RECORDS: list[Record] = [("a", 0, 2, False, 1.0), ("a", 3600, 3602, False, 2.0), ("7", 0, 2, False, 3.0)]


def line(seconds: float, item: Any) -> str:
    side = {"observedContentType": "application/json", "encoding": "JSON"}
    captured = {
        "endpointInput": {**side, "mode": "INPUT", "data": json.dumps({"item": item})},
        "endpointOutput": {**side, "mode": "OUTPUT", "data": "[0.5]"},
    }
    metadata = {"eventId": f"event-{seconds:g}", "inferenceTime": f"{at(seconds):%Y-%m-%dT%H:%M:%SZ}"}
    return json.dumps({"captureData": captured, "eventMetadata": metadata, "eventVersion": "0"}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three objects: ids are text in two of them, and numbers in one."""
    for hour, text in (
        (0, line(60, "a") + line(61, "b")),
        (1, line(3661, "a") + line(3601, "a")),
        (2, line(7260, 7)),
    ):
        path = tmp_path / f"logs/flights/AllTraffic/{at(hour * 3600):%Y/%m/%d/%H}/part.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    source = write_glue(tmp_path / "store", RECORDS)
    (tmp_path / "groups.toml").write_text(
        f'[[group]]\nname = "prices"\nsource = "{source}"\nrecord_id = "id"\nid = "{{item}}"\n[group.features]\nprice = "price"\n'
    )
    return tmp_path


def rebuilt(folder: Path, output: str) -> dict[str, float | None]:
    command = ["backfill", "--logs", f"{folder}/logs", "--groups", f"{folder}/groups.toml"]
    assert main([*command, "--output", f"{folder}/{output}", "--endpoint", "flights"]) == 0
    found: dict[str, float | None] = {}
    for path in sorted((folder / output).rglob("*.parquet")):
        table = pq.ParquetFile(path).read()
        found |= dict(zip(table["capture_event_id"].to_pylist(), table["price"].to_pylist(), strict=True))
    return found


@pytest.mark.parametrize("rows", [1, 3, 200_000])
def test_objects_that_are_joined_together_have_their_own_answers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: int
) -> None:
    monkeypatch.setattr(backfill, "JOIN_ROWS", rows)
    expected = {"event-60": 1.0, "event-61": None, "event-3661": 2.0, "event-3601": 1.0, "event-7260": 3.0}
    assert rebuilt(folder, f"out{rows}") == expected
    assert "5 rows in 3 objects" in capsys.readouterr().out


def test_an_object_without_the_column_of_an_id_is_one_line_that_names_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = folder / "groups.toml"
    groups.write_text(groups.read_text().replace("{item}", "{sku}"))
    command = ["backfill", "--logs", f"{folder}/logs", "--groups", str(groups), "--output", f"{folder}/out"]
    assert main([*command, "--endpoint", "flights"]) == 2
    errors = capsys.readouterr().err
    assert "'sku'" in errors
    assert "part.jsonl has" in errors
    assert len(errors.strip().splitlines()) == 1

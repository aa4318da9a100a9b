"""Offline stores as Feature Store writes them: Glue's layout by hour of event time, and the files of an Iceberg table."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
TIME = pa.timestamp("us", tz="UTC")
Record = tuple[str, float, float, bool, float | None]
"""(id, event time, api invocation time, deleted, value), times in seconds since START."""


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def table_of(records: list[Record]) -> pa.Table:
    written = pa.array([at(record[2]) for record in records], TIME)
    return pa.table(
        {
            "id": pa.array([record[0] for record in records], pa.string()),
            "event_time": pa.array([at(record[1]).timestamp() for record in records], pa.float64()),
            "price": pa.array([record[4] for record in records], pa.float64()),
            "api_invocation_time": written,
            "write_time": written,
            "is_deleted": pa.array([record[3] for record in records]),
        }
    )


def write_glue(folder: Path, records: list[Record]) -> Path:
    """Writes `data/year=/month=/day=/hour=/{latest event time}_{16}.parquet`."""
    by_hour: dict[str, list[Record]] = {}
    for record in records:
        by_hour.setdefault(f"{at(record[1]):year=%Y/month=%m/day=%d/hour=%H}", []).append(record)
    for hour, found in by_hour.items():
        target = folder / "data" / hour / f"{max(at(r[1]) for r in found):%Y%m%dT%H%M%SZ}_DCmFIRS1wVRfcEoA.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table_of(found), target)
    return folder / "data"


def write_iceberg(folder: Path, records: list[Record], *, compacted: bool = False) -> Path:
    """Writes `data/{8}/{column}_trunc=yyyy-mm-dd/…parquet`, a file a day, and the table's metadata beside them.

    `compacted` adds what a compaction leaves behind: the same records once more in one file.
    """
    by_day: dict[str, list[Record]] = {}
    for record in records:
        by_day.setdefault(f"{at(record[1]):%Y-%m-%d}", []).append(record)
    for number, (day, found) in enumerate(by_day.items()):
        target = folder / f"data/8GHe{number:04d}/event_time_trunc={day}/00000-{number}-2f1c.parquet"
        target.parent.mkdir(parents=True)
        pq.write_table(table_of(found), target)
    if compacted:
        target = folder / "data/Zp3lQA/event_time_trunc=2026-03-02/00001-9-77aa.parquet"
        target.parent.mkdir(parents=True)
        pq.write_table(table_of(records), target)
    (folder / "metadata").mkdir()
    (folder / "metadata/00001-1f.metadata.json").write_text('{"format-version": 2}')
    (folder / "metadata/snap-1.avro").write_bytes(b"Obj\x01")
    return folder


def delete_by_position(folder: Path, file: Path, places: list[int]) -> None:
    """Writes an Iceberg position delete, as `DELETE` in Athena does."""
    target = folder / "data/Zp3lQA/00000-0-deletes.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    path = f"s3://bucket/store/{file.relative_to(folder)}"
    pq.write_table(pa.table({"file_path": [path] * len(places), "pos": pa.array(places, pa.int64())}), target)

"""Offline stores in Glue's layout and as Iceberg tables give the same answers, with deletions, expiry and equal event times."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from monitoring.errors import MonitoringError
from monitoring.time_travel.groups import OfflineGroup
from monitoring.time_travel.rebuild import OfflineHistory
from tests.monitoring.time_travel.stores import (
    TIME,
    Record,
    at,
    delete_by_position,
    table_of,
    write_glue,
    write_iceberg,
)

DAY = 86_400
RECORDS: list[Record] = [
    ("plain", 0, 2, False, 1.0),
    ("plain", DAY + 100, DAY + 102, False, 2.0),
    ("late", 0, 2, False, 3.0),
    ("late", 3600, 9000, False, 4.0),
    ("deleted", 0, 2, False, 5.0),
    ("deleted", 3600, 3602, True, None),
    ("back", 0, 2, True, None),
    ("back", 3600, 3602, False, 6.0),
    ("tie", 0, 2, False, 7.0),
    ("tie", 0, 60, False, 8.0),
    ("old", -2 * DAY, -2 * DAY + 2, False, 9.0),
]
ASKED = {
    ("plain", 7200.0): ("record", 1.0),
    ("plain", DAY + 200.0): ("record", 2.0),
    ("late", 7200.0): ("record", 3.0),
    ("late", 9001.0): ("record", 4.0),
    ("deleted", 3601.0): ("record", 5.0),
    ("deleted", 7200.0): ("missing", None),
    ("back", 7200.0): ("record", 6.0),
    ("tie", 30.0): ("record", 7.0),
    ("tie", 7200.0): ("ambiguous", 7.0),
    ("old", 7200.0): ("expired", None),
    ("unknown", 7200.0): ("missing", None),
}


def group(source: Path) -> OfflineGroup:
    return OfflineGroup(
        name="prices", source=str(source), id="{item}", features={"price": "price"}, record_id="id", ttl_seconds=DAY
    )


def answers(source: Path) -> dict[tuple[str, float], tuple[str, float | None]]:
    times = pa.array([at(seconds) for _, seconds in ASKED], TIME)
    requests = pa.table({"item": [item for item, _ in ASKED], "time": times})
    [found] = OfflineHistory([group(source)]).answer(requests, "time")
    return dict(zip(ASKED, zip(found.found.to_pylist(), found.features["price"].to_pylist(), strict=True), strict=True))


@pytest.mark.parametrize("layout", ["glue", "iceberg", "iceberg after a compaction"])
def test_every_layout_gives_what_the_endpoint_saw(tmp_path: Path, layout: str) -> None:
    if layout == "glue":
        source = write_glue(tmp_path, RECORDS)
    else:
        source = write_iceberg(tmp_path, RECORDS, compacted="compaction" in layout)
    assert answers(source) == ASKED


def test_a_record_that_iceberg_deleted_by_position_is_not_there(tmp_path: Path) -> None:
    source = write_iceberg(tmp_path, [("plain", 0, 2, False, 1.0), ("plain", 60, 62, False, 2.0)])
    [file] = source.rglob("00000-0-2f1c.parquet")
    delete_by_position(source, file, [1])
    assert answers(source)["plain", 7200.0] == ("record", 1.0)


def test_a_store_of_deletes_alone_is_named(tmp_path: Path) -> None:
    delete_by_position(tmp_path, tmp_path / "data/gone.parquet", [0])
    with pytest.raises(MonitoringError, match="only Iceberg deletes"):
        answers(tmp_path)


def test_event_times_are_read_as_text_seconds_or_timestamps(tmp_path: Path) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    whole = table_of(RECORDS)
    times = pc.multiply(whole["event_time"], 1e6).cast(pa.int64()).cast(TIME)
    forms = {
        "text": pc.strftime(times, format="%Y-%m-%dT%H:%M:%SZ"),
        "milliseconds": pc.strftime(times.cast(pa.timestamp("ms", "UTC")), format="%Y-%m-%dT%H:%M:%SZ"),
        "timestamp": times,
        "seconds": whole["event_time"],
    }
    for name, column in forms.items():
        folder = tmp_path / name
        folder.mkdir()
        place = whole.column_names.index("event_time")
        pq.write_table(whole.set_column(place, "event_time", column), folder / "r.parquet")
        assert answers(folder) == ASKED, name

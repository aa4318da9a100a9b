"""Weather and planes as an online feature store: one SQLite file, a table for each feature group.

    weather   id "JFK|2013-07-01T05" (airport and local hour), event_time, the hour's weather
    planes    id "N14228" (tail number), the plane; no event time, because the register gives none

A table's primary key is the record's id. The file belongs into the artefact's `code/`, where
`FEATURE_STORE_URI=sqlite:store.db` finds it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd

from examples.flights import data

_SQL_TYPES = {"float64": "REAL", "int64": "INTEGER", "string": "TEXT"}


def write_store(path: Path) -> None:
    """Write the store anew to `path`."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        _write_group(connection, "weather", data.weather(), {"event_time": "string"} | data.WEATHER)
        _write_group(connection, "planes", data.planes(), data.PLANE)


def _write_group(connection: sqlite3.Connection, group: str, table: pd.DataFrame, types: dict[str, str]) -> None:
    columns = ", ".join(f"{name} {_SQL_TYPES[kind]}" for name, kind in types.items())
    connection.execute(f"CREATE TABLE {group} (id TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
    records = table[["id", *types]].astype(object)
    rows = records.where(records.notna(), None).itertuples(index=False, name=None)
    marks = ", ".join("?" * (1 + len(types)))
    connection.executemany(f"INSERT INTO {group} VALUES ({marks})", rows)

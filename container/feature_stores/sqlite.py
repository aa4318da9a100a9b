"""A feature store in one SQLite file, for local runs and small, slowly changing features.

A table is a group, its primary key (one column) the record's id, its column `event_time`, if there is one, the event
time: epoch seconds as a number, or ISO 8601 text (UTC where no zone is given). Every other column is a feature. The
file is opened for reading only; a program beside us may write to it.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from container.feature_stores.protocol import Record, StoreError, StoreUnavailable, remaining

EVENT_TIME = "event_time"
INSTRUCTIONS_BETWEEN_CHECKS = 10_000


@dataclass(frozen=True)
class _GroupTable:
    """A group: its key, its features, and whether it has event times."""

    key: str
    features: tuple[str, ...]
    dated: bool


class _Own(threading.local):
    """What each thread has for itself."""

    connection: sqlite3.Connection | None = None
    limit: float = math.inf
    """Seconds that the look-up in hand may take."""
    deadline: float = math.inf
    """When they are over, of `time.monotonic`."""
    lock_wait: int = -1
    """Milliseconds that the connection waits for a lock, as last set."""


class SqliteStore:
    """Looks records up in a SQLite file. May be used by several threads; each has a connection of its own."""

    def __init__(self, path: Path, timeout: float = 0.5) -> None:
        """Open the file.

        Args:
            timeout: seconds that one look-up may take, the reading of its table's columns included.

        Raises:
            StoreError: there is no such file, or it is no SQLite database.
        """
        self._path = path
        self._timeout = timeout
        self._own = _Own()
        self._tables: dict[str, _GroupTable] = {}
        if not path.is_file():
            raise StoreError(f"there is no feature store {path}")
        try:
            self._connection().execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{path} is no SQLite database: {error}") from error

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        """See `FeatureStore.get`."""
        own = self._own
        own.limit = remaining(self._timeout)
        own.deadline = time.monotonic() + own.limit
        table = self._table(group)
        wanted = table.features if features is None else tuple(features)
        unknown = [name for name in wanted if name not in table.features]
        if unknown:
            raise StoreError(f"{group} in {self._path} has no feature {unknown[0]}; it has {', '.join(table.features)}")
        columns = [table.key, EVENT_TIME if table.dated else "NULL", *wanted]
        names = ", ".join(column if column == "NULL" else _quoted(column) for column in columns)
        # One statement whatever the number of ids, so that SQLite has it prepared.
        column = _quoted(table.key)
        statement = f"SELECT {names} FROM {_quoted(group)} WHERE {column} IN (SELECT value FROM json_each(?))"  # noqa: S608
        keys = [str(key) for key in ids]
        found: dict[str, Record] = {}
        for key, moment, *values in self._query(statement, (json.dumps(keys),)):
            found[str(key)] = Record(zip(wanted, values, strict=True), _seconds(moment))
        return [found.get(key) for key in keys]

    def _query(self, statement: str, arguments: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
        own, connection = self._own, self._connection()
        # While it waits for a lock SQLite executes nothing, so the progress handler is not asked.
        wait = math.ceil(1000 * max(0.0, own.deadline - time.monotonic()))
        try:
            if wait != own.lock_wait:
                connection.execute(f"PRAGMA busy_timeout = {wait}")
                own.lock_wait = wait
            return connection.execute(statement, arguments).fetchall()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"{self._path.name} did not answer in {own.limit:.3g} s: {error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        own = self._own
        connection = own.connection
        if connection is None:
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, timeout=self._timeout, isolation_level=None)
            connection.set_progress_handler(lambda: time.monotonic() >= own.deadline, INSTRUCTIONS_BETWEEN_CHECKS)
            own.connection = connection
        return connection

    def _table(self, group: str) -> _GroupTable:
        table = self._tables.get(group)
        if table is None:
            table = self._tables[group] = self._describe(group)
        return table

    def _describe(self, group: str) -> _GroupTable:
        rows = self._query(f"PRAGMA table_info({_quoted(group)})")
        if not rows:
            raise StoreError(f"there is no table {group} in {self._path}")
        names = [row[1] for row in rows]
        keys = [row[1] for row in rows if row[5]]
        if len(keys) != 1:
            raise StoreError(f"{group} in {self._path} needs a primary key of one column, the record's id")
        return _GroupTable(
            keys[0], tuple(name for name in names if name not in (keys[0], EVENT_TIME)), EVENT_TIME in names
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _seconds(moment: object) -> float | None:
    """An event time as epoch seconds; what is neither a number nor ISO 8601 text is no event time."""
    if isinstance(moment, int | float):
        return float(moment)
    if not isinstance(moment, str):
        return None
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()

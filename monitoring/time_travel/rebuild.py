"""What the model saw, rebuilt: the features of each request row from the offline store, as known at the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from monitoring.errors import UsageError
from monitoring.time_travel.as_known import holding, id_of
from monitoring.time_travel.offline_store import read_records
from monitoring.time_travel.timeline import by_event_time, timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.time_travel.groups import OfflineGroup


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """One group's answer for every request row, in the order of the rows.

    `found` holds a `Found` value a row, `event_time` the record's, `features` a column for each feature under its name in the
    store. `training` holds the same features under the documented query's rule (event time alone); None where nobody asked.
    """

    group: OfflineGroup
    found: pa.ChunkedArray
    event_time: pa.ChunkedArray
    features: pa.Table
    training: pa.Table | None = None

    def slice(self, first: int, rows: int) -> Rebuilt:
        """Returns the answer for `rows` request rows from the row `first` on."""
        training = None if self.training is None else self.training.slice(first, rows)
        return Rebuilt(
            self.group,
            self.found.slice(first, rows),
            self.event_time.slice(first, rows),
            self.features.slice(first, rows),
            training,
        )


@dataclass(frozen=True, eq=False)
class _History:
    """The entries of one group under both rules."""

    group: OfflineGroup
    known: pa.Table
    trained: pa.Table | None


class OfflineHistory:
    """The histories of some feature groups, read once and asked many times.

    `connection` is an Ibis backend, DuckDB in memory by default. `with_training` also keeps the documented query's rule.
    Raises MonitoringError where the offline store cannot be read.
    """

    def __init__(self, groups: Sequence[OfflineGroup], connection: Any = None, *, with_training: bool = False) -> None:
        self._backend = connection if connection is not None else ibis.duckdb.connect()
        self._histories = [self._read(group, with_training) for group in groups]

    def request_columns(self, time_column: str) -> list[str]:
        """Returns the columns of the requests that `answer` reads: the time and those of the ids."""
        return list(dict.fromkeys([time_column, *(c for entry in self._histories for c in entry.group.id_columns)]))

    def answer(self, requests: pa.Table, time_column: str) -> list[Rebuilt]:
        """Returns each group's answers for `requests`. Raises UsageError where an id needs a column that is not there."""
        for history in self._histories:
            for column in history.group.id_columns:
                if column not in requests.column_names:
                    raise UsageError(
                        f"the id of group {history.group.name} needs the column {column!r}; the requests have "
                        f"{', '.join(requests.column_names)}"
                    )
        return [self._answer(requests, time_column, history) for history in self._histories]

    def _read(self, group: OfflineGroup, with_training: bool) -> _History:
        records, names = ibis.memtable(read_records(group)), list(group.features)
        known = self._backend.to_pyarrow(timeline(records, names))
        return _History(
            group, known, self._backend.to_pyarrow(by_event_time(records, names)) if with_training else None
        )

    def _answer(self, requests: pa.Table, time_column: str, history: _History) -> Rebuilt:
        group, names = history.group, list(history.group.features)
        wanted = requests.select([time_column, *dict.fromkeys(group.id_columns)])
        rows = ibis.memtable(wanted.append_column("row", pa.array(range(requests.num_rows), pa.int64())))
        asked = rows.select("row", record_id=id_of(rows, group), time=rows[time_column].cast("timestamp('UTC', 6)"))
        known = self._held(asked, history.known, group, names)
        trained = None if history.trained is None else self._held(asked, history.trained, group, names).select(names)
        return Rebuilt(group, known["found"], known["event_time"], known.select(names), trained)

    def _held(self, asked: Any, entries: pa.Table, group: OfflineGroup, names: list[str]) -> pa.Table:
        table: pa.Table = self._backend.to_pyarrow(holding(asked, ibis.memtable(entries), names, group.ttl_seconds))
        return table.sort_by("row")

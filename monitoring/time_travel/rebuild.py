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

    from monitoring.time_travel.groups import Group


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """One group's answer for every request row, in the order of the rows.

    `found` holds a `Found` value a row, `event_time` the record's, `features` a column for each feature under its name in the
    store. `training` holds the same features under the documented query's rule (event time alone).
    """

    group: Group
    found: pa.ChunkedArray
    event_time: pa.ChunkedArray
    features: pa.Table
    training: pa.Table


def rebuild(requests: pa.Table, time_column: str, groups: Sequence[Group], connection: Any = None) -> list[Rebuilt]:
    """Returns each group's answers for `requests`.

    `connection` is an Ibis backend, DuckDB in memory by default. Raises UsageError where a request has no column that an id
    needs, and MonitoringError where the offline store cannot be read.
    """
    for group in groups:
        for column in group.id_columns:
            if column not in requests.column_names:
                raise UsageError(
                    f"the id of group {group.name} needs the column {column!r}; the requests have "
                    f"{', '.join(requests.column_names)}"
                )
    backend = connection if connection is not None else ibis.duckdb.connect()
    return [_rebuild(requests, time_column, group, backend) for group in groups]


def _rebuild(requests: pa.Table, time_column: str, group: Group, backend: Any) -> Rebuilt:
    names = list(group.features)
    records = ibis.memtable(read_records(group))
    wanted = requests.select([time_column, *dict.fromkeys(group.id_columns)])
    rows = ibis.memtable(wanted.append_column("row", pa.array(range(requests.num_rows), pa.int64())))
    asked = rows.select("row", record_id=id_of(rows, group), time=rows[time_column].cast("timestamp('UTC', 6)"))
    known = _answers(backend, holding(asked, timeline(records, names), names, group.ttl_seconds))
    trained = _answers(backend, holding(asked, by_event_time(records, names), names, group.ttl_seconds))
    return Rebuilt(group, known["found"], known["event_time"], known.select(names), trained.select(names))


def _answers(backend: Any, expression: Any) -> pa.Table:
    """Returns the rows of `holding` in the order of the requests."""
    table: pa.Table = backend.to_pyarrow(expression)
    return table.sort_by("row")

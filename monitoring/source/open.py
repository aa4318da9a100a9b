"""Chooses the source for what a user gives: a table, captured data, or files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from monitoring.errors import UsageError
from monitoring.source.captured import is_captured
from monitoring.source.files import FileSource, is_file
from monitoring.source.managed_source import ManagedSource
from monitoring.source.tables import TableSource, is_table
from monitoring.states.layout import Layout, captured_layout

if TYPE_CHECKING:
    from monitoring.source.managed_columns import BaselineColumns
    from monitoring.source.part import RowSource


def open_rows(
    data: Any,
    *,
    endpoint: str | None = None,
    variant: str | None = None,
    id_column: str | None = None,
    time_column: str | None = None,
    unit_column: str = "",
    leave_out: Iterable[str] = (),
    columns: BaselineColumns | None = None,
    preprocess: str | None = None,
    strict: bool = False,
) -> RowSource:
    """Returns the source of `data`: a path, a URI, a pandas or Polars DataFrame, or an Arrow table.

    A directory or prefix with captured objects or ledgers is captured data unless a column is named; anything else is read as
    Parquet and CSV. `id_column` names the request of a row, `time_column` its time; the names of captured data are the
    defaults. `leave_out` names columns that are not monitored: a label. `columns` are those of the baseline and `preprocess` a
    script: what the managed service captured needs them. With `strict` a file that lacks `id_column` or `time_column`, or the time
    that a window needs, is named and not counted. Raises UsageError where `data` is none of these.
    """
    layout = layout_of(id_column, time_column, unit_column, leave_out)
    if is_table(data):
        return TableSource(data, layout)
    if not isinstance(data, str) and not hasattr(data, "__fspath__"):
        raise UsageError(
            f"{type(data).__name__} is not data: give a path, an S3 URI, a pandas or Polars DataFrame, or an Arrow table"
        )
    uri = str(data)
    if id_column is None and time_column is None and not is_file(uri) and is_captured(uri):
        return ManagedSource(uri, endpoint, variant, unit_column, columns, preprocess)
    return FileSource(uri, layout, strict=strict)


def layout_of(
    id_column: str | None, time_column: str | None, unit_column: str = "", leave_out: Iterable[str] = ()
) -> Layout:
    """Returns the layout of captured data with these columns in place of its own."""
    layout = captured_layout(unit_column)
    ignored = (*layout.ignored, *leave_out)
    if id_column is not None:
        ignored = (*ignored, layout.event_id)
    if time_column is not None:
        ignored = (*ignored, layout.time)
    return replace(layout, event_id=id_column or layout.event_id, time=time_column or layout.time, ignored=ignored)

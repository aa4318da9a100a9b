"""Which columns come from which feature group of the online store.

The captured data names the groups, not their columns. A record that a group lacks makes all of the group's features null.
So a column of a group has at least as many missing values as the group has missing records, and a column that is never
missing cannot come from it. Where several groups fit, the one with most missing records explains most. A group that misses
no record in the window cannot be recognised this way: its columns stay without a group unless `ColumnResult.group` or their
name (`{group}_…`, `{group}.…`) says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.result import ColumnResult, StoreHealth


def assign_groups(columns: Sequence[ColumnResult], stores: Sequence[StoreHealth]) -> Mapping[str, str]:
    """Returns the feature group of each column by the column's name; columns without one are left out."""
    found = {}
    for column in columns:
        group = column.group or _by_name(column, stores) or _by_missing(column, stores)
        if group:
            found[column.name] = group
    return found


def _by_name(column: ColumnResult, stores: Sequence[StoreHealth]) -> str:
    name = column.name.lower()
    fitting = [s.group for s in stores if name.startswith((f"{s.group.lower()}_", f"{s.group.lower()}."))]
    return max(fitting, key=len, default="")


def _by_missing(column: ColumnResult, stores: Sequence[StoreHealth]) -> str:
    if column.is_prediction or column.window is None:
        return ""
    fitting = []
    for store in stores:
        one_id = store.missing_ids == store.events_with_missing
        missing = store.events_with_missing if column.request_level else store.missing_ids
        if column.request_level and not one_id:
            continue  # Several missing ids in one event: the lookups were made for items.
        if 0 < missing <= column.window.missing:
            fitting.append((missing, store.group))
    return max(fitting, default=(0, ""))[1]

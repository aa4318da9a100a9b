"""Requests joined with a timeline: for each request row, the entry that held at its time.

The join counts positions instead of comparing times pair by pair: requests and entries are sorted together by id and time,
and the largest position seen so far is the entry that holds. An entry that begins at the very time of a request holds for it.
"""

from __future__ import annotations

import string
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibis.expr.types import Table

    from monitoring.time_travel.groups import OfflineGroup


class LookupResult(StrEnum):
    """What a look-up found, as known at the request."""

    RECORD = "record"
    AMBIGUOUS = "ambiguous"
    MISSING = "missing"
    EXPIRED = "expired"


def id_of(requests: Table, group: OfflineGroup) -> Any:
    """Returns the expression of a request row's record id. A whole number is written without a fraction."""
    parts = []
    for text, field, _spec, _conversion in string.Formatter().parse(group.id):
        if text:
            parts.append(ibis.literal(text))
        if field:
            column = requests[field]
            if column.type().is_floating():
                column = (column == column.round()).ifelse(column.cast("int64").cast("string"), column.cast("string"))
            parts.append(column.cast("string"))
    expression = parts[0]
    for part in parts[1:]:
        expression = expression.concat(part)
    return expression


def holding(requests: Table, entries: Table, features: Sequence[str], ttl_seconds: float | None) -> Table:
    """Returns a row for each request: `row`, `found` (a `LookupResult`), `event_time`, and the features, null where none was found.

    `requests` has `row` int64, `record_id` string and `time` timestamp; `entries` is a timeline. A request without an id
    finds nothing.
    """
    marks = (
        requests.select("record_id", at=_.time, order=ibis.literal(1), position=ibis.null("int64"), row=_.row)
        .union(entries.select("record_id", at=_.known_from, order=ibis.literal(0), position=_.position, row=ibis.null("int64")))
    )  # fmt: skip
    so_far = ibis.window(group_by="record_id", order_by=["at", "order", "position"], preceding=None, following=0)
    positions = (
        marks.mutate(holds=_.position.max().over(so_far))
        .filter(_.row.notnull())
        .select("row", at="at", request_id="record_id", holds="holds")
    )
    ambiguous = entries.ambiguous if "ambiguous" in entries.columns else ibis.literal(False)
    known = entries.mutate(ambiguous=ambiguous).select(
        "position", "event_time", "deleted", "ambiguous", *features, entry_id="record_id"
    )
    joined = positions.left_join(known, [positions.request_id == known.entry_id, positions.holds == known.position])
    expired = ibis.literal(False)
    if ttl_seconds is not None:
        age = joined.at.epoch_seconds() - joined.event_time.epoch_seconds()
        expired = (age > ttl_seconds).fill_null(False)
    absent = joined.event_time.isnull() | joined.deleted
    found = ibis.cases(
        (absent, ibis.literal(LookupResult.MISSING.value)),
        (expired, ibis.literal(LookupResult.EXPIRED.value)),
        (joined.ambiguous, ibis.literal(LookupResult.AMBIGUOUS.value)),
        else_=ibis.literal(LookupResult.RECORD.value),
    )
    usable = ~(absent | expired)
    return joined.select(
        "row",
        "event_time",
        found=found,
        **{name: usable.ifelse(joined[name], ibis.null(joined[name].type())) for name in features},
    )

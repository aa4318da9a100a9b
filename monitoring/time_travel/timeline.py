"""Which record the online store held for an id, and from when: the timeline of a feature group.

Rules, by the words of PutRecord: a record reaches the online store if its event time is *greater* than that of the record
there; else it goes to the offline store only. A delete marker counts like a record. Records are taken in the order of
`api_invocation_time`, then `write_time`.

Of two records with equal event times the first stays. The documented query for the offline store takes the last. So from the
moment at which the second arrives, with other values, the answer is *ambiguous*, until a newer event time comes.

Expressions are Ibis, so DuckDB and Spark run the same rules. `serial` is a number of the record in its files: it makes every
order total, so that an expression that an engine evaluates twice gives the same positions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
from ibis import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibis.expr.types import Table


def timeline(records: Table, features: Sequence[str]) -> Table:
    """Returns the entries of the timeline from records (`offline_store.read_records`).

    Columns: `record_id`; `known_from`, the time from which the entry holds; `position`, which grows with it within an id;
    `event_time`, `deleted` and the features of the record held; `ambiguous`.
    """
    ordered = ibis.window(group_by="record_id", order_by=["api_time", "write_time", "event_time", "serial"])
    before = ibis.window(
        group_by="record_id", order_by=["api_time", "write_time", "event_time", "serial"], preceding=(None, 1)
    )
    until_now = ibis.window(group_by="record_id", order_by="position", preceding=None, following=0)
    sequence = (
        records.mutate(position=ibis.row_number().over(ordered), newest=_.event_time.max().over(before))
        .mutate(accepted=_.newest.isnull() | (_.event_time > _.newest))
        .mutate(held=_.accepted.ifelse(_.position, ibis.null("int64")).max().over(until_now))
        .filter(_.accepted | (_.event_time == _.newest))
    )
    held = sequence.filter(_.accepted).select(
        "record_id",
        "position",
        "event_time",
        "deleted",
        *features,
    )
    renamed = {name: f"{name}_of_tie" for name in ("deleted", *features)}
    tie = sequence.select(
        "record_id", "position", "held", known_from=_.api_time, **{new: sequence[old] for old, new in renamed.items()}
    )
    held = held.rename(held_id="record_id", held_position="position")
    joined = tie.join(held, [tie.record_id == held.held_id, tie.held == held.held_position])
    differs = ibis.literal(False)
    for name, of_tie in renamed.items():
        differs = differs | ~joined[name].identical_to(joined[of_tie])
    within = ibis.window(group_by=["record_id", "held"], order_by="position", preceding=None, following=0)
    entries = joined.mutate(differs=differs).mutate(ambiguous=_.differs.max().over(within))
    return entries.filter((_.position == _.held) | _.differs).select(
        "record_id", "known_from", "position", "event_time", "deleted", "ambiguous", *features
    )


def by_event_time(records: Table, features: Sequence[str]) -> Table:
    """Returns the same columns under the documented query's rule: the greatest event time, whenever it arrived.

    Of equal event times the latest `api_invocation_time`, then `write_time`, wins. `known_from` is the event time; the
    entry's `arrived` is when the record reached the store.
    """
    ordered = ibis.window(group_by="record_id", order_by=["event_time", "api_time", "write_time", "serial"])
    return records.mutate(position=ibis.row_number().over(ordered)).select(
        "record_id", "position", "event_time", "deleted", *features, known_from=_.event_time, arrived=_.api_time
    )

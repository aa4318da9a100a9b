"""As known at the request: held against a replay of PutRecord, one call after the other."""

from __future__ import annotations

import datetime as dt

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.time_travel.as_known import holding
from monitoring.time_travel.timeline import by_event_time, timeline

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TIME = pa.timestamp("us", tz="UTC")


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def records_of(rows: list[tuple[str, float, float, bool, object]]) -> pa.Table:
    """Records as (id, event time, api time, deleted, value), in the order in which they were written."""
    return pa.table(
        {
            "record_id": pa.array([row[0] for row in rows], pa.string()),
            "event_time": pa.array([at(row[1]) for row in rows], TIME),
            "api_time": pa.array([at(row[2]) for row in rows], TIME),
            "write_time": pa.array([at(row[2]) for row in rows], TIME),
            "deleted": pa.array([row[3] for row in rows], pa.bool_()),
            "v": pa.array([row[4] for row in rows], pa.int64()),
            "serial": pa.array(range(len(rows)), pa.int64()),
        }
    )


def asked(rows: list[tuple[str, float]]) -> pa.Table:
    return pa.table(
        {
            "row": pa.array(range(len(rows)), pa.int64()),
            "record_id": pa.array([row[0] for row in rows], pa.string()),
            "time": pa.array([at(row[1]) for row in rows], TIME),
        }
    )


def answers(records, requests, ttl=None, rule=timeline):
    expression = holding(ibis.memtable(requests), rule(ibis.memtable(records), ["v"]), ["v"], ttl)
    table = ibis.duckdb.connect().to_pyarrow(expression).sort_by("row")
    return list(zip(table["found"].to_pylist(), table["v"].to_pylist(), strict=True))


def test_a_late_record_an_equal_time_and_a_deletion_are_seen_as_the_endpoint_saw_them():
    records = records_of(
        [
            ("old", 10, 10, False, 1), ("old", 8, 12, False, 2),
            ("tie", 10, 10, False, 3), ("tie", 10, 11, False, 4),
            ("gone", 10, 10, False, 5), ("gone", 11, 11, True, None),
        ]
    )  # fmt: skip
    requests = asked([("old", 13), ("tie", 13), ("gone", 13), ("tie", 10.5), ("never", 13), ("old", 9)])
    assert answers(records, requests) == [
        ("record", 1), ("ambiguous", 3), ("missing", None), ("record", 3), ("missing", None), ("missing", None),
    ]  # fmt: skip


def test_a_record_that_arrived_after_the_request_is_found_only_by_event_time():
    records = records_of([("a", 1, 1, False, 1), ("a", 5, 60, False, 2)])
    requests = asked([("a", 10)])
    assert answers(records, requests) == [("record", 1)]
    assert answers(records, requests, rule=by_event_time) == [("record", 2)]


def test_a_record_older_than_its_time_to_live_is_expired():
    records = records_of([("a", 0, 0, False, 1)])
    assert answers(records, asked([("a", 10), ("a", 11)]), ttl=10) == [("record", 1), ("expired", None)]


def test_an_equal_copy_is_not_ambiguous():
    records = records_of([("a", 1, 1, False, 7), ("a", 1, 2, False, 7)])
    assert answers(records, asked([("a", 9)])) == [("record", 7)]


def replay(rows, name, time):
    """The online store as PutRecord describes it, one call after the other."""
    held, ambiguous = None, False
    for _, (record, event, api, deleted, value) in sorted(
        enumerate(rows), key=lambda r: (r[1][2], r[1][2], r[1][1], r[0])
    ):
        if record != name or api > time:
            continue
        if held is None or event > held[0]:
            held, ambiguous = (event, deleted, value), False
        elif event == held[0] and (deleted, value) != held[1:]:
            ambiguous = True
    if held is None or held[1]:
        return ("missing", None)
    return ("ambiguous" if ambiguous else "record", held[2])


RECORDS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 6), st.booleans(), st.integers(0, 2)),
    max_size=12,
)
REQUESTS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7)), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(RECORDS, REQUESTS)
def test_the_join_gives_what_a_replay_of_the_writes_gives(rows, requests):
    given_rows = [(name, event, api, deleted, None if deleted else value) for name, event, api, deleted, value in rows]
    assert answers(records_of(given_rows), asked(requests)) == [
        replay(given_rows, name, time) for name, time in requests
    ]


@pytest.mark.parametrize("rule", [timeline, by_event_time])
def test_a_store_without_records_finds_nothing(rule):
    assert answers(records_of([]), asked([("a", 1)]), rule=rule) == [("missing", None)]

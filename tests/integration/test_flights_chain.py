"""The main path on real flights: protobuf over HTTP, an SQLite store, three hundred requests, and what lies in S3 then.

One run for the module: an endpoint with two workers answers 300 requests of 1 to 200 flights over four connections,
gets SIGTERM while more requests come, and ends. `predict_fn` has written down what it was given; everything that was
answered is then held against the objects in S3.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from examples.flights import data, schema
from examples.flights.build import Artefact
from tests.container.endpoint import wait_for
from tests.integration.captured import CapturedObject, Row, rows_by_event
from tests.integration.conversation import Answer, Request, converse
from tests.integration.flights_requests import UNKNOWN_HOUR, flights_requests, sizes
from tests.integration.models import record_flights, recording
from tests.integration.serving import NAME, PREFIX, Chain, chain, settings_of
from tests.s3_server import S3Server

COUNT = 300
TEXT = {"capture_endpoint_name", "capture_variant_name", "capture_model_name", "capture_model_version"}


@dataclass(frozen=True)
class Run:
    """All that the run left behind."""

    chain: Chain
    answers: list[Answer]
    objects: list[CapturedObject]
    events: dict[str, list[Row]]
    exit_code: int
    processes: dict[int, str]
    artefact_before: dict[str, tuple[int, int]]

    def rows_of(self, answer: Answer) -> list[Row]:
        assert answer.event_id is not None
        return self.events[answer.event_id]

    def given(self, answer: Answer) -> list[Row]:
        """What `predict_fn` was given, row by row."""
        return recording(self.chain.recordings, answer.request.key)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, flights: Artefact) -> Iterator[Run]:
    base = tmp_path_factory.mktemp("chain")
    code = record_flights(flights, base)
    _date_planes(code / "store.db")
    before = files(base / "model")
    # Several batches while requests are answered, the last one at the end.
    with chain(base, s3_server, settings_of(flights) | {"CAPTURE_MAX_RECORDS": "80"}) as started:
        answers = converse(started.port, flights_requests(sizes(COUNT)))
        late, exit_code = _ask_until_it_is_gone(started)
        objects = started.objects()
        processes = started.endpoint.processes()
        yield Run(started, [*answers, *late], objects, rows_by_event(objects), exit_code, processes, before)


def _ask_until_it_is_gone(started: Chain) -> tuple[list[Answer], int]:
    """Requests that come while the endpoint is told to stop: what was answered, and the exit code."""
    answered = threading.Event()

    def more() -> Iterator[Request]:
        for number, request in enumerate(flights_requests([1 + number % 20 for number in range(2000)])):
            if number == 20:
                answered.set()
            yield Request(f"late-{number}", request.body, request.content_type, request.accept, f"late-{number}")

    answers: list[Answer] = []
    callers = threading.Thread(target=lambda: answers.extend(converse(started.port, more(), until_gone=True)))
    callers.start()
    assert answered.wait(60)
    exit_code = started.stop()
    callers.join()
    return [answer for answer in answers if answer.status == 200], exit_code


def _date_planes(store: Path) -> None:
    """Gives planes event times, as numbers and as text, and leaves some without: a request asks for many of them."""
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("ALTER TABLE planes ADD COLUMN event_time")
        ids = [key for (key,) in connection.execute("SELECT id FROM planes ORDER BY id")]
        for number, key in enumerate(ids):
            moment = 1_356_998_400 + 3600.5 * number
            text = dt.datetime.fromtimestamp(moment, dt.UTC).isoformat()
            value = (moment, text, None)[number % 3]
            connection.execute("UPDATE planes SET event_time = ? WHERE id = ?", (value, key))


def files(directory: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything below a directory."""
    found = ((path, path.stat()) for path in directory.rglob("*"))
    return {path.relative_to(directory).as_posix(): (stat.st_size, stat.st_mtime_ns) for path, stat in found}


def test_three_hundred_requests_of_one_to_two_hundred_items_are_answered_and_more_while_it_stops(run: Run):
    main = [answer for answer in run.answers if answer.request.key.startswith("flights-")]
    items = [len(run.given(answer)) for answer in main]

    assert (len(main), {answer.status for answer in main}) == (COUNT, {200})
    assert (min(items), max(items)) == (1, 200)
    assert len(run.answers) > COUNT


def test_every_item_that_was_answered_is_in_s3_exactly_once(run: Run):
    answered = Counter((answer.event_id, item) for answer in run.answers for item in range(len(predictions(answer))))
    captured = Counter(
        (row["capture_event_id"], row["capture_item_index"]) for found in run.objects for row in found.rows
    )

    assert captured == answered
    assert set(captured.values()) == {1}
    assert len(run.objects) > 1


def test_every_feature_equals_what_predict_fn_was_given_in_value_and_in_type(run: Run):
    for answer in run.answers:
        captured = [{name: row[name] for name in data.FEATURES} for row in run.rows_of(answer)]
        given = run.given(answer)

        assert captured == given
        assert [list(map(type, row.values())) for row in captured] == [
            [type(row[name]) for name in data.FEATURES] for row in given
        ]


def test_columns_have_the_types_of_the_training_set(run: Run):
    trained = {field.name: field.type for field in data.arrow_schema() if field.name != "late"}
    outputs = {"prediction_risk": pa.float32(), "prediction_rank": pa.int64()}
    freshness = {
        "capture_age_weather": pa.float64(),
        "capture_missing_weather": pa.int32(),
        "capture_age_planes": pa.float64(),
        "capture_missing_planes": pa.int32(),
    }
    fixed = {
        "capture_event_id": pa.string(),
        "capture_inference_id": pa.string(),
        "capture_event_time": pa.timestamp("us", "UTC"),
        "capture_item_index": pa.int32(),
        "capture_item_count": pa.int32(),
        "capture_custom_attributes": pa.string(),
        "capture_sampling_percentage": pa.float64(),
        "capture_rescued_data": pa.string(),
    }
    for found in run.objects:
        types = found.types
        text = {types.pop(name) for name in TEXT}
        assert text <= {pa.string(), pa.dictionary(pa.int32(), pa.string())}
        assert types == trained | outputs | freshness | fixed


def test_nothing_of_typed_traffic_needs_to_be_rescued(run: Run):
    assert {row["capture_rescued_data"] for rows in run.events.values() for row in rows} == {None}


def test_predictions_are_those_that_the_caller_got(run: Run):
    for answer in run.answers:
        captured = [(row["prediction_risk"], row["prediction_rank"]) for row in run.rows_of(answer)]
        assert captured == predictions(answer)


def test_age_and_missing_of_each_group_agree_with_the_store(run: Run):
    with closing(sqlite3.connect(run.chain.base / "model" / "code" / "store.db")) as connection:
        stored = {
            group: dict(connection.execute(f"SELECT id, event_time FROM {group}")) for group in ("weather", "planes")
        }
    ages: dict[str, set[bool]] = {"weather": set(), "planes": set()}
    for answer in run.answers:
        message: Any = schema.DeparturesRequest.FromString(answer.request.body)
        asked = {
            "weather": [f"{message.airport}|{message.hour}"],
            "planes": [flight.tailnum for flight in message.flights],
        }
        rows = run.rows_of(answer)
        time = rows[0]["capture_event_time"].timestamp()
        for group, ids in asked.items():
            missing = sum(key not in stored[group] for key in ids)
            times = [seconds(stored[group][key]) for key in ids if stored[group].get(key) is not None]
            age = None if not times else pytest.approx(time - min(times), abs=1e-3)
            assert {row[f"capture_missing_{group}"] for row in rows} == {missing}
            for row in rows:
                assert row[f"capture_age_{group}"] == age
            ages[group].add(age is None)

    assert ages == {"weather": {False, True}, "planes": {False, True}}, "the traffic must have shown both"


def seconds(moment: str | float) -> float:
    if isinstance(moment, str):
        return dt.datetime.fromisoformat(moment).astimezone(dt.UTC).timestamp()
    return moment


def test_an_entity_that_the_store_does_not_have_is_null_features(run: Run):
    strange = [answer for answer in run.answers if UNKNOWN_HOUR.encode() in answer.request.body]
    rows = [row for answer in strange for row in run.rows_of(answer)]

    assert rows
    assert {row[name] for row in rows for name in data.WEATHER} == {None}
    assert {row["capture_missing_weather"] for row in rows} == {1}


def test_what_stands_beside_the_features_says_who_asked_whom_and_when(run: Run):
    for answer in run.answers:
        rows = run.rows_of(answer)
        [time] = {row["capture_event_time"] for row in rows}
        request = answer.request

        assert {row["capture_inference_id"] for row in rows} == {request.inference_id}
        assert {row["capture_custom_attributes"] for row in rows} == {request.attributes}
        assert [row["capture_item_index"] for row in rows] == list(range(len(rows)))
        assert {row["capture_item_count"] for row in rows} == {len(rows)}
        # An id holds its time in milliseconds.
        assert answer.sent // 1000 * 1000 <= microseconds(time) <= answer.received
        assert (uuid.UUID(answer.event_id).int >> 80) == microseconds(time) // 1000
    said = {name: {row[name] for rows in run.events.values() for row in rows} for name in TEXT}
    assert said == {
        "capture_endpoint_name": {NAME},
        "capture_variant_name": {"AllTraffic"},
        "capture_model_name": {"flights-delay"},
        "capture_model_version": {None},
    }
    assert {row["capture_sampling_percentage"] for rows in run.events.values() for row in rows} == {100.0}


def microseconds(time: dt.datetime) -> int:
    return (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def test_an_object_lies_in_the_hour_of_its_events_and_says_what_a_reader_needs(run: Run):
    for found in run.objects:
        [hour] = {f"{row['capture_event_time']:%Y/%m/%d/%H}" for row in found.rows}
        folder, _, name = found.key.rpartition("/")
        request_level = {name for name in found.types if name.startswith(("capture_age_", "capture_missing_"))}

        assert folder == f"{PREFIX}/{NAME}/AllTraffic/{hour}"
        assert uuid.UUID(name.removesuffix(".parquet")).version == 7
        assert set(found.listed("capture.request_columns")) == {*data.REQUEST_FEATURES, *request_level}
        assert found.listed("capture.prediction_columns") == ["prediction_risk", "prediction_rank"]
        assert found.metadata.metadata[b"capture.dataset_version"] == b"1"
        columns = [found.metadata.row_group(0).column(number) for number in range(found.metadata.num_columns)]
        assert {column.compression for column in columns} == {"ZSTD"}
        assert all("RLE_DICTIONARY" in column.encodings for column in columns if column.path_in_schema in TEXT)


def inspect(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "capture", "inspect", run.chain.uri, *arguments, "--json"]
    return subprocess.run(
        command, env={**run.chain.endpoint.env, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )


def test_the_event_id_of_a_response_finds_its_rows(run: Run):
    for answer in (max(run.answers, key=lambda answer: len(run.rows_of(answer))), run.answers[-1]):
        rows = run.rows_of(answer)
        found = inspect(run, "--event", str(answer.event_id))

        assert (found.returncode, found.stderr) == (0, "")
        shown = json.loads(found.stdout)["rows"]
        assert [row["capture_item_index"] for row in shown] == list(range(len(rows)))
        for row, wanted in zip(shown, rows, strict=True):
            assert all(row.get(name) == wanted[name] for name in (*data.FEATURES, "prediction_risk", "prediction_rank"))


def test_an_event_id_of_nobody_is_said_in_one_line(run: Run):
    found = inspect(run, "--event", "0190b7a2-0000-7000-8000-000000000000")

    assert (found.returncode, found.stdout) == (1, "")
    assert len(found.stderr.splitlines()) == 1


def test_the_summary_counts_every_event_and_proves_the_window_complete(run: Run):
    summary = json.loads(inspect(run).stdout)

    assert summary["events"] == len(run.answers)
    assert summary["rows"] == sum(map(len, run.events.values()))
    assert summary["objects"] == len(run.objects)
    assert (summary["complete"], summary["gaps"]) == (True, [])
    levels = {column["name"]: column["level"] for column in summary["columns"]}
    assert {levels[name] for name in data.REQUEST_FEATURES} == {"request"}
    assert {levels[name] for name in data.ITEM_FEATURES} == {"item"}


def test_the_stop_is_orderly_and_leaves_no_process(run: Run):
    assert run.exit_code == 0
    assert run.processes == {}


def test_the_stop_leaves_no_file(run: Run):
    assert list(run.chain.endpoint.temporary.iterdir()) == []
    assert files(run.chain.base / "model") == run.artefact_before
    assert not run.chain.spool.exists() or files(run.chain.spool) == {}


def test_the_last_line_of_the_shipper_says_that_nothing_was_left(run: Run):
    [line] = [line["message"] for line in run.chain.endpoint.logs() if "shipper ends" in str(line.get("message"))]

    assert f"shipped {len(run.answers)} records" in line
    assert "0 not shipped, 0 lost" in line


def predictions(answer: Answer) -> list[tuple[float, int]]:
    response: Any = schema.DeparturesResponse.FromString(answer.body)
    return [(each.risk, each.rank) for each in response.predictions]


def test_without_a_destination_nothing_is_written_and_the_answers_are_the_same(
    run: Run, tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, flights: Artefact
):
    base = tmp_path_factory.mktemp("off")
    record_flights(flights, base)
    before = files(base / "model")
    asked = {answer.request.key: answer for answer in run.answers[:: COUNT // 25]}
    with chain(base, s3_server, settings_of(flights) | {"CAPTURE_DESTINATION": ""}) as silent:
        answers = converse(silent.port, [answer.request for answer in asked.values()])
        metrics = silent.endpoint.get("/metrics").body.decode()
        assert silent.stop() == 0

        for answer in answers:
            captured = asked[answer.request.key]
            assert (answer.status, answer.content_type, answer.body) == (200, captured.content_type, captured.body)
            assert answer.attributes is None
        assert len(answers) == len(asked)
        assert s3_server.keys(silent.bucket) == []
        assert not silent.spool.exists()
        assert files(base / "model") == before
        assert list(silent.endpoint.temporary.iterdir()) == []
        assert not any(line.startswith("capture_") for line in metrics.splitlines())
        assert wait_for(lambda: not silent.endpoint.processes())

"""Models whose features come from the request itself: by a `features_fn` that asks no store, and without one.

Each model answers a few requests and is stopped; what `predict_fn` was given is then held against what lies in S3.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from examples.flights import schema
from tests.integration.captured import CapturedObject, Row, rows_by_event
from tests.integration.conversation import Answer, Request, converse, json_request
from tests.integration.models import OWN_FEATURES, PLAIN, recording, write_model
from tests.integration.serving import chain
from tests.s3_server import S3Server

FIXED = 11
"""Columns that stand before the features in every object."""


@dataclass(frozen=True)
class Run:
    """What one model answered, and what lies in S3."""

    recordings: Path
    answers: dict[str, Answer]
    objects: list[CapturedObject]

    def rows(self, key: str) -> list[Row]:
        """The captured rows of a request."""
        answer = self.answers[key]
        assert answer.event_id is not None
        return rows_by_event(self.objects)[answer.event_id]

    def given(self, key: str) -> list[Row]:
        return recording(self.recordings, key)

    def types(self, names: set[str]) -> dict[str, pa.DataType]:
        """Types of these columns, which are the same in every object that has them."""
        found = {(name, found.types[name]) for found in self.objects for name in names if name in found.types}
        assert len(found) == len(names)
        return dict(found)


def run_of(base: Path, server: S3Server, code: str, requests: list[Request]) -> Iterator[Run]:
    folder = write_model(base, code)
    (folder / "flights.desc").write_bytes(schema.descriptor_set())
    settings = {"PROTOBUF_DESCRIPTOR_SET": "flights.desc", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with chain(base, server, settings) as started:
        answers = converse(started.port, requests, connections=1)
        assert [answer.body for answer in answers if answer.status != 200] == []
        assert started.stop() == 0
        yield Run(started.recordings, {answer.request.key: answer for answer in answers}, started.objects())


CUSTOMERS = [
    {"age": 41, "income": 52_000.5, "member": True, "name": "zoë", "visits": [3, 4.5, 1, 2]},
    {"age": 7, "income": 1, "member": False, "name": "a\u0000\U0001f6eb", "visits": []},
    {"age": 90, "income": 1e300, "member": True, "name": "", "visits": [0.1]},
]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Run]:
    requests = [
        json_request(f"customer-{number}", customer, inference_id=f"id-{number}")
        for number, customer in enumerate(CUSTOMERS)
    ]
    yield from run_of(tmp_path_factory.mktemp("own"), s3_server, OWN_FEATURES, requests)


FORM = {
    "rooms": 3,
    "area": 71.25,
    "balcony": False,
    "street": 'Śródmiejska "7"',
    "agent": None,
    "distances": [120, 0.5],
    "owner": {"kind": "person", "since": [2001, None]},
}
FLIGHT = {"carrier": "B6", "flight": 715, "dest": "SJU", "distance": 1598, "minute": 0, "sched_arr_minute": 240}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Run]:
    message: Any = schema.DeparturesRequest(flights=[FLIGHT]).flights[0]
    requests = [
        json_request("form", FORM, inference_id="form-1", attributes="page=2"),
        json_request("forms", {"instances": [{"floor": 1}, {"floor": 2}, {"floor": 2.5}]}),
        Request("table", b"1,2.5\n3,4\n", "text/csv", "text/csv"),
        Request("named", b"height,colour\n1.5,red\n2,\n", "text/csv;header=present", "application/json"),
        Request("flight", message.SerializeToString(), "application/x-protobuf;messageType=flights.Flight"),
    ]
    yield from run_of(tmp_path_factory.mktemp("plain"), s3_server, PLAIN, requests)


def test_a_single_row_whose_features_were_made_of_the_request_is_captured_as_predict_fn_was_given_it(own: Run):
    for key in own.answers:
        [row], [given] = own.rows(key), own.given(key)

        assert {name: row[name] for name in given} == given
        assert (row["capture_item_index"], row["capture_item_count"]) == (0, 1)
        assert row["capture_rescued_data"] is None
    assert sum(len(found.rows) for found in own.objects) == len(CUSTOMERS)


def test_numpy_values_keep_their_types_and_pythons_numbers_are_doubles(own: Run):
    wanted = {
        "age": pa.int64(),
        "log_income": pa.float32(),
        "visits": pa.float64(),
        "longest_visit": pa.float64(),
        "recent_visits": pa.list_(pa.float64()),
        "member": pa.bool_(),
        "name": pa.string(),
    }
    assert own.types(set(wanted)) == wanted


def test_named_outputs_are_captured_as_they_were_answered(own: Run):
    for key, answer in own.answers.items():
        [row] = own.rows(key)
        assert answer.json == {"score": row["prediction_score"], "group": row["prediction_group"]}
    assert own.types({"prediction_score", "prediction_group"}) == {
        "prediction_score": pa.float64(),
        "prediction_group": pa.string(),
    }


def test_a_model_that_looks_nothing_up_has_no_age_and_no_missing(own: Run, plain: Run):
    names = {name for run in (own, plain) for found in run.objects for name in found.types}
    assert not {name for name in names if name.startswith(("capture_age_", "capture_missing_"))}


def test_without_features_fn_the_decoded_request_is_what_is_captured(plain: Run):
    [row], [given] = plain.rows("form"), plain.given("form")

    assert given == FORM
    assert {name: row[name] for name in FORM if name not in ("owner", "agent")} == {
        name: value for name, value in FORM.items() if name not in ("owner", "agent")
    }
    assert json.loads(row["owner"]) == FORM["owner"]
    assert "agent" not in row, "a column without any value is left out"
    assert [row["prediction"]] == [0.5] == plain.answers["form"].json
    assert (row["capture_inference_id"], row["capture_custom_attributes"]) == ("form-1", "page=2")
    assert row["capture_rescued_data"] is None


def test_untyped_json_has_doubles_booleans_strings_lists_and_nesting_as_text(plain: Run):
    wanted = {
        "rooms": pa.float64(),
        "area": pa.float64(),
        "balcony": pa.bool_(),
        "street": pa.string(),
        "distances": pa.list_(pa.float64()),
        "owner": pa.string(),
        "prediction": pa.float64(),
    }
    assert plain.types(set(wanted)) == wanted
    [found] = plain.objects
    assert found.listed("capture.json_columns") == ["owner"]


def test_instances_are_a_row_each(plain: Run):
    rows = plain.rows("forms")

    assert [row["floor"] for row in rows] == [1.0, 2.0, 2.5] == [row["floor"] for row in plain.given("forms")]
    assert [row["prediction"] for row in rows] == [0.5, 1.5, 2.5] == plain.answers["forms"].json["predictions"]
    assert [row["capture_item_index"] for row in rows] == [0, 1, 2]


def test_csv_without_a_header_is_captured_under_numbered_names(plain: Run):
    rows = plain.rows("table")

    assert [(row["feature_0"], row["feature_1"]) for row in rows] == [(1.0, 2.5), (3.0, 4.0)]
    assert [float(line) for line in plain.answers["table"].body.split()] == [row["prediction"] for row in rows]


def test_csv_with_a_header_is_captured_under_its_names(plain: Run):
    rows = plain.rows("named")

    assert [row["height"] for row in rows] == [1.5, 2.0]
    assert rows[0]["colour"] == "red"


def test_a_protobuf_message_keeps_the_types_of_its_schema(plain: Run):
    [row] = plain.rows("flight")

    assert {name: row[name] for name in FLIGHT} == FLIGHT
    text = dict.fromkeys(("carrier", "dest"), pa.string())
    numbers = dict.fromkeys(("flight", "distance", "minute", "sched_arr_minute"), pa.int32())
    assert plain.types(set(FLIGHT)) == text | numbers


def test_a_feature_stands_in_the_rows_of_those_who_have_it_alone(plain: Run):
    [found] = plain.objects
    for row in found.rows:
        assert (row["rooms"] is None) == (row["capture_event_id"] != plain.answers["form"].event_id)
        assert (row["feature_0"] is None) == (row["capture_event_id"] != plain.answers["table"].event_id)

"""Records whose columns and types differ: one object with one schema, and every value found again.

Two workers answer all of it, the count of records triggers the flush, and one object must hold it. Among the requests
are some whose `predict_fn` changes its input in place, and one of a top-k model, which answers fewer predictions than
there are rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.container.endpoint import wait_for
from tests.integration.captured import CapturedObject, Row, found_again, rescued, rows_by_event
from tests.integration.conversation import Answer, Request, converse, json_request
from tests.integration.models import PLAIN, recording, write_model
from tests.integration.serving import chain
from tests.s3_server import S3Server

EXACT = 2**53
LONG_NAME = "x" * 256
RECORDS: list[dict[str, Any]] = [
    {"amount": 1, "code": "A1", "count": 1, "flag": True, "large": 5},
    {"amount": 1.5, "code": "A2", "count": 2, "flag": False, "optional": "here", "large": EXACT},
    {"amount": 2, "code": 7, "count": 3, "flag": True, "large": EXACT + 1},
    {"amount": "a lot", "code": "A4", "count": 4, "flag": "yes", "large": -EXACT - 1},
    {"amount": None, "code": True, "count": "many", "flag": 1, "optional": None},
    {"amount": False, "code": 0.25, "count": 6, "flag": False, "scores": [1, 2.5, None]},
    {"amount": 7, "code": "", "count": 7, "flag": None, "scores": ["high", "low"]},
    {"amount": 8, "code": "A8", "count": 8, "scores": [], "place": {"city": "Łódź", "at": [51.77, 19.46]}},
    {"amount": 9.75, "code": {"letter": "A"}, "count": 9, "Count": 10, "scores": [3], "place": "nowhere"},
    {
        "code": "A10",
        "prediction": "mine",
        "capture_event_id": "mine too",
        LONG_NAME: 1,
        "": 2,
        "place": {"city": "Gdynia"},
    },
    {"amount": 11, "large": 2**63 + 1, "nothing": None},
]
"""What callers send, one row each; by the majority in them `amount`, `count` and `large` are numbers, `code` is text."""

NO_COLUMN = {"nothing", "Count", LONG_NAME, ""}
"""Without a value; like another name but for case; too long; empty."""


@dataclass(frozen=True)
class Run:
    """What was answered, and the objects in S3."""

    recordings: Path
    answers: dict[str, Answer]
    objects: list[CapturedObject]
    mismatches: float

    def rows(self, key: str) -> list[Row]:
        event = self.answers[key].event_id
        assert event is not None
        return rows_by_event(self.objects)[event]

    def given(self, key: str) -> list[Row]:
        return recording(self.recordings, key)

    @property
    def object(self) -> CapturedObject:
        [only] = self.objects
        return only


NESTED = {"kept": 1, "kept_list": [1, 2], "kept_tree": {"a": {"b": [True]}}}
INSTANCES = [{"kept": 2, "kept_text": "x"}, {"kept": 3, "kept_text": "y"}]
CANDIDATES = [{"candidate": number, "price": 10.5 * number} for number in range(5)]


def requests() -> list[Request]:
    mixed = [json_request(f"mixed-{number}", record) for number, record in enumerate(RECORDS)]
    return [
        *mixed,
        json_request("spoiled-row", NESTED, act="spoil"),
        json_request("spoiled-rows", INSTANCES, act="spoil"),
        Request("spoiled-array", b"1.5,2\n3,4\n", "text/csv", act="spoil"),
        json_request("top-2", CANDIDATES, act="top-2"),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Run:
    """Where the clock struck the hour in between there are two objects by right, and it is done once more."""
    made = _run(tmp_path_factory.mktemp("mixed"), s3_server)
    if len({answer.sent // 3_600_000_000 for answer in made.answers.values()}) > 1:
        made = _run(tmp_path_factory.mktemp("mixed"), s3_server)
    return made


def _run(base: Path, server: S3Server) -> Run:
    write_model(base, PLAIN)
    settings = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2", "CAPTURE_MAX_RECORDS": str(len(requests()))}
    with chain(base, server, settings) as started:
        answers = converse(started.port, requests(), connections=2)
        assert [answer.body for answer in answers if answer.status != 200] == []
        mismatches = wait_for(lambda: sum(started.endpoint.metric("capture_row_mismatches_total").values()))
        assert started.stop() == 0
        return Run(started.recordings, {each.request.key: each for each in answers}, started.objects(), mismatches)


def test_all_records_are_in_one_object_whose_columns_are_the_union_of_theirs(run: Run):
    sent = {name for record in RECORDS for name in record} | {*NESTED, *INSTANCES[0], *CANDIDATES[0]}
    renamed = {"prediction": "feature_prediction", "capture_event_id": "feature_capture_event_id"}
    columns = [renamed.get(name, name) for name in sent - NO_COLUMN] + ["feature_0", "feature_1", "prediction"]

    found = {name for name in run.object.types if not name.startswith("capture_")}
    assert found == set(columns)


def test_a_column_has_one_type_by_what_most_of_its_values_are(run: Run):
    wanted = {
        "amount": pa.float64(),
        "code": pa.string(),
        "count": pa.float64(),
        "flag": pa.bool_(),
        "large": pa.float64(),
        "optional": pa.string(),
        "scores": pa.list_(pa.float64()),
        "place": pa.string(),
        "feature_prediction": pa.string(),
        "feature_capture_event_id": pa.string(),
    }
    assert {name: run.object.types[name] for name in wanted} == wanted


def test_every_value_is_found_again_in_its_column_or_rescued_by_its_features_name(run: Run):
    for number, record in enumerate(RECORDS):
        [row], given = run.rows(f"mixed-{number}"), run.given(f"mixed-{number}")
        assert given == [record]
        for name, value in record.items():
            if name in ("prediction", "capture_event_id"):
                found: Any = row[f"feature_{name}"]
            else:
                found = found_again(row, name)
            if name == "place" and isinstance(value, dict):
                found = json.loads(found)
            assert found == value, name
            assert isinstance(found, bool) == isinstance(value, bool), name


def test_what_does_not_fit_is_null_in_its_column_and_nothing_else_is_rescued(run: Run):
    misfits: dict[int, set[str]] = {
        2: {"code", "large"},
        3: {"amount", "flag", "large"},
        4: {"code", "count", "flag"},
        5: {"amount", "code"},
        6: {"scores"},
        8: {"code", "Count", "place"},
        9: {LONG_NAME, ""},
        10: {"large"},
    }
    for number in range(len(RECORDS)):
        [row] = run.rows(f"mixed-{number}")
        expected = misfits.get(number, set())
        assert set(rescued(row)) == expected, number
        assert {row.get(name) for name in expected} <= {None}, number


def test_a_row_without_a_column_of_others_is_null_there(run: Run):
    [first] = run.rows("mixed-0")

    assert [first[name] for name in ("optional", "scores", "place", "candidate", "kept")] == [None] * 5


@pytest.mark.parametrize("key", ["spoiled-row", "spoiled-rows", "spoiled-array"])
def test_a_predict_fn_that_changes_its_input_in_place_changes_nothing_that_is_captured(run: Run, key: str):
    captured, given = run.rows(key), run.given(key)

    assert len(captured) == len(given)
    assert "spoiled" not in run.object.types
    for row, values in zip(captured, given, strict=True):
        found = {name: row[name] for name in row if name.startswith("kept") and row[name] is not None}
        if "kept_tree" in found:
            found["kept_tree"] = json.loads(found["kept_tree"])
        if key == "spoiled-array":
            found = {"": [row["feature_0"], row["feature_1"]]}
        assert found == values
        assert row["capture_rescued_data"] is None


def test_a_top_k_model_is_answered_as_before(run: Run):
    assert run.answers["top-2"].json == [0.75, 0.25]


def test_a_top_k_models_features_are_captured_and_its_predictions_stand_in_the_first_row(run: Run):
    first, *others = run.rows("top-2")

    assert [(row["candidate"], row["price"]) for row in (first, *others)] == [
        (candidate["candidate"], candidate["price"]) for candidate in CANDIDATES
    ]
    assert {row["prediction"] for row in (first, *others)} == {None}
    assert rescued(first) == {"prediction": [0.75, 0.25]}
    assert {row["capture_rescued_data"] for row in others} == {None}
    assert {row["capture_item_count"] for row in (first, *others)} == {len(CANDIDATES)}


def test_the_top_k_event_is_counted_as_a_row_mismatch(run: Run):
    assert run.mismatches == 1


def test_every_other_row_has_its_prediction(run: Run):
    for key, answer in run.answers.items():
        if key != "top-2":
            body = answer.json if answer.content_type == "application/json" else None
            assert [row["prediction"] for row in run.rows(key)] == body

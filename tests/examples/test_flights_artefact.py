"""The artefact is what SageMaker expects, equal for equal inputs, and its user code knows nothing of capture."""

import re
import sqlite3
import subprocess
import sys
import tarfile
import tomllib
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from examples.flights import data, schema, traffic
from examples.flights.build import build_artefact
from examples.flights.replay import ACCEPT
from serialization import Codecs, DecodeError, ProtobufSchema


class Store:
    """The artefact's store read with plain SQL, independent of the container's."""

    def __init__(self, path):
        self.path = path

    def get(self, group, ids, features=None):
        with closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [connection.execute(f"SELECT * FROM {group} WHERE id = ?", [key]).fetchone() for key in ids]
        return [None if row is None else {name: row[name] for name in features or row.keys()} for row in rows]


@pytest.fixture
def store(artefact):
    return Store(artefact.code_dir / "store.db")


def test_the_archive_is_in_sagemakers_layout_and_holds_what_is_served(artefact, tmp_path):
    with tarfile.open(artefact.archive) as tar:
        tar.extractall(tmp_path)  # noqa: S202  our own archive; `filter` came with Python 3.11.4
    packed = files(tmp_path)

    assert set(packed) == {
        "model.npz",
        "code/inference.py",
        "code/trees.py",
        "code/flights.desc",
        "code/store.db",
        "code/capture.toml",
    }
    assert packed == files(artefact.model_dir)


def files(directory):
    paths = [path for path in directory.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


def test_equal_inputs_give_an_equal_archive(artefact, tmp_path):
    again = build_artefact(tmp_path, training_rows=5000, trees=20)

    assert again.archive.read_bytes() == artefact.archive.read_bytes()


def test_the_users_code_has_no_line_about_capture(artefact):
    code = (artefact.code_dir / "inference.py").read_text() + (artefact.code_dir / "trees.py").read_text()
    lines = [line for line in code.splitlines() if re.search("captur|spool|buffer|append", line, re.IGNORECASE)]

    assert lines == ["from capture import Features"]


def test_serving_needs_neither_scikit_learn_nor_pandas_nor_pickled_models(artefact):
    check = """
import sys
sys.path.insert(0, sys.argv[1])
import inference
inference.model_fn(sys.argv[2])
print([name for name in ("sklearn", "pandas", "joblib", "pyarrow", "boto3") if name in sys.modules])
"""
    command = [sys.executable, "-c", check, artefact.code_dir, artefact.model_dir]
    result = subprocess.run(command, capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"


def test_capture_types_are_the_training_sets(artefact):
    types = tomllib.loads((artefact.code_dir / "capture.toml").read_text())["types"]
    trained = pq.read_schema(artefact.training_set)

    features = {name: kind for name, kind in types.items() if not name.startswith("prediction_")}
    assert {name: pa.type_for_alias(kind) for name, kind in features.items()} == {
        name: trained.field(name).type for name in trained.names if name != "late"
    }


def test_capture_types_of_predictions_hold_what_the_response_holds(artefact):
    types = tomllib.loads((artefact.code_dir / "capture.toml").read_text())["types"]

    assert {name: kind for name, kind in types.items() if name.startswith("prediction_")} == {
        "prediction_risk": "float32",
        "prediction_rank": "int64",
    }


def test_the_descriptor_set_names_both_messages(artefact):
    assert (artefact.code_dir / artefact.environment["PROTOBUF_DESCRIPTOR_SET"]).read_bytes() == schema.descriptor_set()
    assert artefact.environment["PROTOBUF_REQUEST"] == schema.DeparturesRequest.DESCRIPTOR.full_name
    assert artefact.environment["PROTOBUF_RESPONSE"] == schema.DeparturesResponse.DESCRIPTOR.full_name


def test_the_store_knows_the_weather_of_nearly_all_hours_and_most_planes(store):
    requests = traffic.july_requests()
    weather = store.get("weather", [request.inference_id for request in requests])
    tails = [flight["tailnum"] for request in requests for flight in request.flights if "tailnum" in flight]
    planes = store.get("planes", tails[::20])

    assert sum(record is not None for record in weather) / len(weather) > 0.98
    assert sum(record is not None for record in planes) / len(planes) > 0.80
    assert all(re.fullmatch(r"2013-\d\d-\d\dT\d\d:00:00Z", record["event_time"]) for record in weather if record)


def test_the_model_is_served_the_very_features_that_it_was_trained_on(user_code, store):
    for request in traffic.held_out_requests()[::40]:
        features = user_code.inference.features_fn(request.payload, store)
        flights = data.flights()
        chosen = (flights["origin"] + "|" + flights["hour_key"]) == request.inference_id
        rows = data.featured(flights[chosen])[list(data.FEATURES)]
        trained = rows.astype(object).where(rows.notna(), None)

        assert [features.request | item for item in features.items] == trained.to_dict("records")
        assert list(features.request) == list(data.REQUEST_FEATURES)
        assert all(list(item) == list(data.ITEM_FEATURES) for item in features.items)


def test_every_flight_gets_a_risk_and_a_rank(user_code, store, artefact):
    model = user_code.inference.model_fn(str(artefact.model_dir))
    for request in traffic.july_requests(60)[::6]:
        features = user_code.inference.features_fn(request.payload, store)
        predictions = user_code.inference.predict_fn(features, model)

        assert sorted(prediction["rank"] for prediction in predictions) == list(range(1, len(request.flights) + 1))
        by_rank = sorted(predictions, key=lambda prediction: prediction["rank"])
        risks = [prediction["risk"] for prediction in by_rank]
        assert risks == sorted(risks, reverse=True)
        assert all(0.0 < risk < 1.0 for risk in risks)
        assert risks == [np.float32(risk) for risk in risks]


@pytest.mark.parametrize("request_", [{}, [], {"airport": "JFK", "flights": [], "hour": "five"}])
def test_a_request_that_lacks_something_is_the_callers_error(user_code, store, request_):
    with pytest.raises(DecodeError, match="an hour such as 2013-07-01T05"):
        user_code.inference.features_fn(request_, store)


def test_the_endpoints_codecs_read_requests_and_write_responses_by_the_artefacts_schema(user_code, store, artefact):
    path = artefact.code_dir / artefact.environment["PROTOBUF_DESCRIPTOR_SET"]
    codecs = Codecs(protobuf=ProtobufSchema.load(path, artefact.request_message, artefact.response_message))
    [request] = traffic.july_requests(1)
    decoded = codecs.decode(request.body, traffic.CONTENT_TYPE)
    features = user_code.inference.features_fn(decoded, store)
    predictions = user_code.inference.predict_fn(features, user_code.inference.model_fn(artefact.model_dir))
    body, _ = codecs.encode(predictions, ACCEPT)

    assert decoded == request.payload
    answered = schema.DeparturesResponse.FromString(body).predictions
    assert [{"risk": each.risk, "rank": each.rank} for each in answered] == predictions


def test_a_flight_whose_hour_and_plane_nobody_knows_is_ranked_all_the_same(user_code, store, artefact):
    flight = {"carrier": "B6", "flight": 1, "dest": "BOS", "distance": 187, "minute": 0, "sched_arr_minute": 60}
    request = {"airport": "JFK", "hour": "2031-01-01T05", "flights": [flight, flight | {"tailnum": "N0"}]}
    features = user_code.inference.features_fn(request, store)

    assert features.request["temp"] is None
    assert [item["seats"] for item in features.items] == [None, None]
    assert len(user_code.inference.predict_fn(features, user_code.inference.model_fn(artefact.model_dir))) == 2

"""Users' modules of other shapes, served for real: an online store, every function, a legacy transform_fn."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pyarrow.dataset
import pytest

from tests.container.endpoint import running, wait_for

LOOKS_UP = """
def model_fn(model_dir):
    return None

def features_fn(request, feature_store):
    planes = feature_store.get("planes", request["ids"], ["seats"])
    return [{"seats": plane and plane["seats"]} for plane in planes]

def predict_fn(features, model):
    return [row["seats"] or 0 for row in features]
"""

TRANSFORMS = """
def model_fn(model_dir):
    return "model"

def transform_fn(model, body, content_type, accept):
    return f"{model} {body} {content_type}", "text/plain"
"""


def with_planes(path: Path, event_time: float) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE planes (tailnum TEXT PRIMARY KEY, seats INTEGER, event_time REAL)")
        connection.execute("INSERT INTO planes VALUES ('N1', 180, ?), ('N2', 7, ?)", (event_time, event_time + 100))
    connection.close()


def rows(directory: Path) -> list[dict[str, object]]:
    files = [str(path) for path in (directory / "captured").rglob("*.parquet")]
    return pyarrow.dataset.dataset(files).to_table().to_pylist() if files else []


def test_look_ups_are_seen_in_the_metrics_and_in_the_captured_rows(tmp_path: Path):
    with_planes(tmp_path / "model" / "code" / "planes.db", time.time() - 1000)
    env = {
        "FEATURE_STORE_URI": "sqlite:planes.db",
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
    }
    with running(tmp_path, LOOKS_UP, env) as endpoint:
        assert endpoint.invoke({"ids": ["N2", "N1", "N9"]}).json == [7, 180, 0]
        assert endpoint.metric("feature_store_lookups_total") == {
            'feature_store_lookups_total{group="planes",outcome="found"}': 2,
            'feature_store_lookups_total{group="planes",outcome="missing"}': 1,
        }
        age = endpoint.metric("feature_store_record_age_seconds_sum")
        assert 990 < age['feature_store_record_age_seconds_sum{group="planes"}'] < 1100
        assert endpoint.terminate() == 0
    captured = sorted(rows(tmp_path), key=lambda row: str(row["capture_item_index"]))
    assert [(row["seats"], row["prediction"]) for row in captured] == [(7, 7), (180, 180), (None, 0)]
    assert {row["capture_missing_planes"] for row in captured} == {1}
    (oldest,) = {row["capture_age_planes"] for row in captured}
    assert isinstance(oldest, float)
    assert 990 < oldest < 1100


@pytest.mark.parametrize(("on_failure", "status"), [("null", 200), ("503", 503)])
def test_a_locked_store_follows_the_setting_within_its_time(tmp_path: Path, on_failure: str, status: int):
    database = tmp_path / "model" / "code" / "planes.db"
    with_planes(database, 0.0)
    env = {
        "FEATURE_STORE_URI": f"sqlite://{database}",
        "FEATURE_STORE_ON_FAILURE": on_failure,
        "FEATURE_STORE_TIMEOUT_SECONDS": "0.1",
    }
    with running(tmp_path, LOOKS_UP, env) as endpoint:
        assert endpoint.invoke({"ids": ["N1"]}).json == [180]
        writer = sqlite3.connect(database, isolation_level=None)
        writer.execute("BEGIN EXCLUSIVE")
        answer = endpoint.invoke({"ids": ["N1"]})
        writer.execute("ROLLBACK")
        writer.close()
        assert answer.status == status
        if status == 503:
            assert answer.json["type"] == "StoreUnavailable"
        assert endpoint.metric('feature_store_lookups_total{group="planes",outcome="failed"}')
        assert endpoint.invoke({"ids": ["N1"]}).json == [180]


def test_a_legacy_transform_fn_is_served_and_the_log_says_once_why_it_is_not_captured(tmp_path: Path):
    env = {
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }
    with running(tmp_path, TRANSFORMS, env) as endpoint:
        for _ in range(3):
            answer = endpoint.request("POST", "/invocations", "a,b", {"Content-Type": "text/csv"})
            assert (answer.status, answer.body, answer.event_id) == (200, b"model a,b text/csv", None)
            assert answer.headers["content-type"] == "text/plain"
        wait_for(lambda: endpoint.log_with(level="WARNING", message="transform_fn"))
        assert endpoint.terminate() == 0
        warned = [
            line for line in endpoint.logs() if line.get("level") == "WARNING" and "transform_fn" in line["message"]
        ]
        assert len(warned) == 1
        assert "predict_fn" in warned[0]["message"]
    assert not rows(tmp_path)


@pytest.mark.parametrize(
    ("ours", "imported"),
    [("def features_fn(request, store): return request\n", b"[]"), ("", b"['numpy']")],
    ids=["ours", "the toolkit's"],
)
def test_a_worker_imports_nothing_that_its_model_does_not_use(tmp_path: Path, ours: str, imported: bytes):
    """A module of the toolkit is given NumPy arrays, so its worker imports NumPy before the first request, and nothing else."""
    heavy = ("asyncio", "boto3", "google.protobuf", "numpy", "pandas", "prometheus_client", "pyarrow", "scipy")
    code = (
        "import sys\n"
        "def model_fn(d): return None\n"
        f"{ours}"
        f"def predict_fn(features, model): return [len([name for name in {heavy} if name in sys.modules])]\n"
        f"def output_fn(p, accept): return repr([name for name in {heavy} if name in sys.modules])\n"
    )
    env = {"CAPTURE_DESTINATION": f"file://{tmp_path}/captured", "CAPTURE_SPOOL_DIR": str(tmp_path / "spool")}
    with running(tmp_path, code, env) as endpoint:
        for _ in range(4):
            assert endpoint.invoke({"a": 1.5, "b": "x"}).body == imported


def test_a_malformed_protobuf_is_the_caller_s_error_and_unknown_fields_are_seen_in_the_metrics(tmp_path: Path):
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
    from google.protobuf.message_factory import GetMessages

    file = FileDescriptorProto(name="trip.proto", package="trips", syntax="proto3")
    for name in ("Request", "Answer"):
        message = DescriptorProto(name=name)
        message.field.add(name="value", number=1, type=1, label=1)
        file.message_type.append(message)
    classes = GetMessages([file])
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "model" / "code" / "trip.pb").write_bytes(FileDescriptorSet(file=[file]).SerializeToString())
    code = "def model_fn(d): return None\ndef predict_fn(features, model): return {'value': 2 * features['value']}\n"
    env = {
        "PROTOBUF_DESCRIPTOR_SET": "trip.pb",
        "PROTOBUF_REQUEST": "trips.Request",
        "PROTOBUF_RESPONSE": "trips.Answer",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/x-protobuf",
    }
    with running(tmp_path, code, env) as endpoint:
        sent = classes["trips.Request"](value=1.25).SerializeToString()
        headers = {"Content-Type": "application/x-protobuf"}
        answer = endpoint.request("POST", "/invocations", sent, headers)
        assert answer.status == 200, answer.body
        assert str(classes["trips.Answer"].FromString(answer.body)) == "value: 2.5\n"
        unknown = "endpoint_protobuf_unknown_fields_total"
        assert endpoint.metric(unknown) == {unknown: 0}
        for fields in (b"\x78\x01\x78\x02", b"\x78\x03"):  # the number 15, which the message does not have
            assert endpoint.request("POST", "/invocations", sent + fields, headers).status == 200
        assert endpoint.metric(unknown) == {unknown: 3}
        wrong = endpoint.request("POST", "/invocations", b"\xff\xff\xff", headers)
        assert (wrong.status, wrong.json["type"]) == (400, "DecodeError")
        assert endpoint.request("POST", "/invocations", sent, headers).status == 200

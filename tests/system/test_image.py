"""The image, built and run as SageMaker would: ready, a protobuf request, SIGTERM, and the rows are where they belong."""

import re
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from examples.flights import schema
from examples.flights.build import Artefact
from examples.flights.traffic import CONTENT_TYPE, july_requests
from tests.system.conftest import DOCKERFILE
from tests.system.endpoint import READY_WITHIN, started
from tests.system.engine import Engine, Mount


def settings(flights: Artefact) -> dict[str, str]:
    """The artefact's own, with its place in the image instead of its place here."""
    return {name: value for name, value in flights.environment.items() if name != "SAGEMAKER_BASE_DIR"} | {
        "CAPTURE_DESTINATION": "file:///opt/ml/captured",
        "CAPTURE_SPOOL_DIR": "/opt/ml/spool",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }


def mounts(flights: Artefact, tmp_path: Path) -> list[Mount]:
    for name in ("captured", "spool"):
        (tmp_path / name).mkdir()
    return [
        Mount(flights.model_dir, "/opt/ml/model", read_only=True),
        Mount(tmp_path / "captured", "/opt/ml/captured"),
        Mount(tmp_path / "spool", "/opt/ml/spool"),
    ]


def test_the_image_answers_captures_and_stops_without_loss(
    engine: Engine, image: str, flights: Artefact, tmp_path: Path
) -> None:
    [request] = july_requests(1)
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Accept": "application/x-protobuf",
        "X-Amzn-SageMaker-Inference-Id": request.inference_id,
    }
    with started(engine, image, DOCKERFILE, mounts(flights, tmp_path), settings(flights)) as endpoint:
        endpoint.wait_until_ready()
        answer = endpoint.request("POST", "/invocations", request.body, headers)
        assert answer.status == 200, answer.body
        assert endpoint.stop() == 0, endpoint.output()
        assert endpoint.processes() == []

    response: Any = schema.DeparturesResponse.FromString(answer.body)
    predictions = response.predictions
    [event_id] = re.findall(r"event-id=([0-9a-f-]{36})", answer.headers["x-amzn-sagemaker-custom-attributes"])
    captured = ds.dataset(sorted((tmp_path / "captured").rglob("*.parquet"))).to_table()
    rows = captured.sort_by("capture_item_index").to_pylist()
    assert [row["capture_item_index"] for row in rows] == list(range(len(request.flights)))
    assert {(row["capture_event_id"], row["capture_inference_id"]) for row in rows} == {
        (event_id, request.inference_id)
    }
    assert [row["carrier"] for row in rows] == [flight["carrier"] for flight in request.flights]
    assert [row["prediction_risk"] for row in rows] == [prediction.risk for prediction in predictions]


def test_a_wrong_setting_ends_the_container_with_a_line_that_names_it(
    engine: Engine, image: str, flights: Artefact, tmp_path: Path
) -> None:
    wrong = settings(flights) | {"CAPTURE_MAX_AGE_SECONDS": "soon"}
    with started(engine, image, DOCKERFILE, mounts(flights, tmp_path), wrong) as endpoint:
        assert endpoint.process.wait(READY_WITHIN) != 0
        assert "CAPTURE_MAX_AGE_SECONDS" in endpoint.output()
        assert "soon" in endpoint.output()
        assert "Traceback" not in endpoint.output()


def test_the_image_holds_no_compiler_no_cache_and_nothing_of_the_monitoring_job(engine: Engine, image: str) -> None:
    look = """
import importlib.util, pathlib, shutil
print([name for name in ("cc", "gcc", "make") if shutil.which(name)])
print([name for name in ("duckdb", "ibis", "sklearn", "pandas", "pytest") if importlib.util.find_spec(name)])
print([str(path) for path in pathlib.Path("/root").glob(".cache/*")])
"""
    assert engine.output(image, "python", "-c", look).splitlines() == ["[]", "[]", "[]"]

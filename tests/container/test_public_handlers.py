"""Ten handlers in the form of public samples, served unchanged by one multi-model endpoint."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset
import pytest

from tests.container.endpoint import Endpoint, wait_for, write_artefact

HANDLERS = Path(__file__).parent / "public_handlers"
JSON, CSV, NPY, LINES = "application/json", "text/csv", "application/x-npy", "application/jsonlines"


def npy(values: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(values))
    return file.getvalue()


REQUESTS: dict[str, tuple[str, str, bytes, bytes, str, int]] = {
    # content type, accept, body, answer, its content type, captured rows
    "sklearn_house_prices": (JSON, JSON, b'{"Input": [6, 65]}', b'{"Output": 535.0}', JSON, 1),
    "sklearn_neighbours": (JSON, JSON, b"[0.2, 0.1]", b"[[0, 1]]", JSON, 1),
    "xgboost_contributions": (CSV, CSV, b"1,2\n3,4\n", b"8.0,2.0,6.0\n18.0,6.0,12.0", CSV, 0),
    "toolkit_codecs": (JSON, JSON, b"[[1, 2], [3, 4]]", b"[30, 70]", JSON, 2),
    "pytorch_digits": (JSON, JSON, b'{"inputs": [[[1, 2], [3, 4]]]}', b"[[10.0, 4.0]]", JSON, 0),
    "pytorch_bandit": (NPY, JSON, npy([[3.0, 1.0], [1.0, 3.0]]), b"[0, 1]", JSON, 2),
    "huggingface_sentiment": (
        JSON,
        JSON,
        b'{"inputs": ["I love it"]}',
        b'[{"label": "POSITIVE", "score": 0.99}]',
        JSON,
        1,
    ),
    "autogluon_batch": (CSV, JSON, b"1,2\n3,4\n", b"[7,19]", JSON, 0),
    "jsonlines_records": (
        LINES,
        LINES,
        b'{"features": [1, 2]}\n{"features": [3, 4]}',
        b'{"score": 1.5}\n{"score": 3.5}',
        LINES,
        2,
    ),
    "plain_text_sentiment": ("text/plain", JSON, b"good film", b'["positive"]', JSON, 1),
}


SEEN: dict[str, list[dict[str, object]]] = {
    "sklearn_house_prices": [{"rooms": 6, "age": 65, "prediction": 535.0}],
    "sklearn_neighbours": [{"feature_0": 0.2, "feature_1": 0.1, "prediction_0": 0, "prediction_1": 1}],
    "toolkit_codecs": [
        {"feature_0": 1, "feature_1": 2, "prediction": 30},
        {"feature_0": 3, "feature_1": 4, "prediction": 70},
    ],
    "pytorch_bandit": [
        {"feature_0": 3.0, "feature_1": 1.0, "prediction": 0},
        {"feature_0": 1.0, "feature_1": 3.0, "prediction": 1},
    ],
    "huggingface_sentiment": [{"inputs": "I love it", "prediction_label": "POSITIVE", "prediction_score": 0.99}],
    "jsonlines_records": [
        {"feature_0": 1, "feature_1": 2, "prediction": 1.5},
        {"feature_0": 3, "feature_1": 4, "prediction": 3.5},
    ],
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A multi-model endpoint that has loaded all ten."""
    directory = tmp_path_factory.mktemp("samples")
    env = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "CAPTURE_DESTINATION": f"file://{directory}/captured",
        "CAPTURE_SPOOL_DIR": str(directory / "spool"),
        "CAPTURE_MAX_AGE_SECONDS": "0.5",
    }
    endpoint = Endpoint(directory, env)

    def load(name: str) -> None:
        model = write_artefact(directory / "models" / name / "model", (HANDLERS / f"{name}.py").read_text())
        answer = post(name, model)
        assert answer.status == 200, answer.body

    def post(name: str, model: Path) -> Any:
        body = json.dumps({"model_name": name, "url": str(model)})
        return endpoint.request("POST", "/models", body, {"Content-Type": JSON})

    try:
        endpoint.start().wait_until_ready()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(load, REQUESTS))
        yield endpoint
    finally:
        endpoint.remove()


def captured(samples: Endpoint, event_id: str) -> list[dict[str, Any]]:
    folder = samples.directory / "captured"
    files = [str(path) for path in folder.rglob("*.parquet")]
    tables = (pyarrow.dataset.dataset(file).to_table().to_pylist() for file in files)
    return [row for table in tables for row in table if row["capture_event_id"] == event_id]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_public_sample_is_served_unchanged_and_its_rows_are_captured(samples: Endpoint, name: str):
    content_type, accept, body, expected, answered, rows = REQUESTS[name]
    headers = {"Content-Type": content_type, "Accept": accept}
    answer = samples.request("POST", f"/models/{name}/invoke", body, headers)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == answered
    if answered == JSON:
        assert answer.json == json.loads(expected)
    else:
        assert answer.body.strip() == expected
    if not rows:
        assert answer.event_id is None
        return
    event_id = answer.event_id
    assert event_id
    found = wait_for(lambda: captured(samples, event_id))
    assert len(found) == rows
    if name in SEEN:
        cells = [{key: row.get(key) for key in seen} for row, seen in zip(found, SEEN[name], strict=True)]
        assert cells == SEEN[name]

"""The flights model in a FastAPI server of one's own. What `CaptureBuffer` takes is the ten lines that name it.

    python -m examples.flights train
    FLIGHTS_MODEL=out/train/model CAPTURE_DESTINATION=s3://bucket/captured CAPTURE_ENDPOINT_NAME=flights \\
        uvicorn examples.fastapi.app:app --workers 2

Each worker has a buffer, all workers of a machine share one spool directory, and one shipper, which the first starts,
serves it. On SIGTERM uvicorn answers the requests in flight and ends the lifespan, where `close` waits until what this
worker captured is shipped.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Response

from capture import CaptureBuffer, CaptureConfig, new_event_id
from container.feature_stores.sqlite import SqliteStore
from serialization import DecodeError

MODEL = Path(os.environ.get("FLIGHTS_MODEL", "out/train/model")).absolute()
sys.path.insert(0, str(MODEL / "code"))
inference = importlib.import_module("inference")
model = inference.model_fn(MODEL)
store = SqliteStore(MODEL / "code" / "store.db")
buffer = CaptureBuffer(CaptureConfig.from_env(toml=MODEL / "code" / "capture.toml"))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    buffer.close(timeout=20.0)


app = FastAPI(title="Departures at risk", lifespan=lifespan)


@app.post("/invocations")
def invocations(request: dict[str, Any], response: Response) -> list[dict[str, Any]]:
    """A risk and a rank for each flight of the request; `X-Event-Id` names the captured event."""
    event_id = new_event_id()
    try:
        features = inference.features_fn(request, store)
    except DecodeError as error:
        raise HTTPException(400, str(error)) from error
    captured = buffer.prepare(features, event_id=event_id)
    predictions: list[dict[str, Any]] = inference.predict_fn(features, model)
    if buffer.append(captured, predictions) and captured.kept:
        response.headers["X-Event-Id"] = event_id
    return predictions

"""The users' modules that the chain serves, and the recorder by which each of them tells what `predict_fn` was given.

Every served module records first and acts afterwards. What it is to do then, the caller says in the header
`X-Test-Act`: nothing, `raise`, `spoil` (change the features in place) or `top-2` (answer two predictions only).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from examples.flights.build import Artefact

ACT = "X-Test-Act"
KEY = "X-Test-Key"
"""The header by which a caller names a request; its recording has this name."""
RECORDINGS = "TEST_RECORDINGS"
"""The variable that names the directory of the recordings."""

SECRET = "the password is swordfish"
"""What a `predict_fn` raises that is told to: nobody but the log may hear it."""

RECORDER = '''
"""Writes down what predict_fn was given, in types that JSON keeps: a file for each request."""

import json
import os
from pathlib import Path


def header(context, name):
    sent = {key.lower(): value for key, value in context.get_all_request_header(0).items()}
    return sent.get(name.lower(), "")


def record(features, context):
    if hasattr(features, "request"):
        given = {"request": features.request, "items": features.items}
    else:
        given = {"request": {}, "items": [features] if isinstance(features, dict) else features}
    text = json.dumps(given, default=lambda value: value.tolist())
    Path(os.environ["TEST_RECORDINGS"], header(context, "X-Test-Key")).write_text(text)


def act(features, context):
    wanted = header(context, "X-Test-Act")
    if wanted == "raise":
        raise ValueError("the password is swordfish")
    if wanted == "spoil":
        spoil(features)
    return wanted


def spoil(features):
    """Changes everything that can be changed, at every depth."""
    if hasattr(features, "request"):
        spoil(features.request)
        spoil(features.items)
    elif isinstance(features, dict):
        for value in features.values():
            spoil(value)
        features.clear()
        features["spoiled"] = True
    elif isinstance(features, list):
        for value in features:
            spoil(value)
        features.append("spoiled")
    elif hasattr(features, "dtype"):
        features[:] = -1
'''

FLIGHTS = '''
"""The flights model as it is, with a predict_fn that records."""

import flights
from flights import features_fn, model_fn
from recorder import act, record


def predict_fn(features, model, context):
    record(features, context)
    act(features, context)
    return flights.predict_fn(features, model)
'''

PLAIN = '''
"""A model that takes what was decoded: it has no features_fn."""

from recorder import act, record


def model_fn(model_dir):
    return None


def predict_fn(features, model, context):
    record(features, context)
    count = rows_of(features)
    if act(features, context) == "top-2":
        return [0.75, 0.25]
    return [0.5 + row for row in range(count)]


def rows_of(features):
    """A mapping is one row, or columns; everything else is rows."""
    if not isinstance(features, dict):
        return len(features)
    lengths = {len(value) if hasattr(value, "tolist") or isinstance(value, list) else None for value in features.values()}
    return 1 if None in lengths else max(lengths)
'''

OWN_FEATURES = '''
"""A model whose features come from the request itself, with NumPy's types as feature code has them."""

import numpy as np
from recorder import act, record


def model_fn(model_dir):
    return None


def features_fn(request, feature_store):
    visits = request["visits"]
    return {
        "age": np.int64(request["age"]),
        "log_income": np.float32(np.log(request["income"])),
        "visits": len(visits),
        "longest_visit": max(visits, default=None),
        "recent_visits": [float(visit) for visit in visits[-3:]],
        "member": bool(request["member"]),
        "name": request["name"].title(),
    }


def predict_fn(features, model, context):
    record(features, context)
    act(features, context)
    return {"score": float(features["age"]) / 100, "group": "a" if features["member"] else "b"}
'''


def write_model(base: Path, code: str) -> Path:
    """An unpacked model of this code under `base`, which becomes SAGEMAKER_BASE_DIR; its `code/`."""
    folder = base / "model" / "code"
    folder.mkdir(parents=True)
    (folder / "inference.py").write_text(code)
    (folder / "recorder.py").write_text(RECORDER)
    return folder


def record_flights(artefact: Artefact, base: Path) -> Path:
    """A copy of the flights artefact under `base` whose `predict_fn` records; its `code/`."""
    shutil.copytree(artefact.model_dir, base / "model", ignore=shutil.ignore_patterns("__pycache__"))
    folder = base / "model" / "code"
    (folder / "inference.py").rename(folder / "flights.py")
    (folder / "inference.py").write_text(FLIGHTS)
    (folder / "recorder.py").write_text(RECORDER)
    return folder


def recording(directory: Path, key: str) -> list[dict[str, Any]]:
    """What `predict_fn` was given for a request, a dict for each row, request-level values in each."""
    given = json.loads((directory / key).read_text())
    return [given["request"] | (row if isinstance(row, dict) else {"": row}) for row in given["items"]]

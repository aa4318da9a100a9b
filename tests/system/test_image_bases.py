"""The image on other bases and for other users: a base with Python packages of its own, without a fitting Python, not as root."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.system.conftest import DOCKERFILE, ROOT
from tests.system.endpoint import started
from tests.system.engine import Engine, Mount

MODEL = """
import os
{imports}

def model_fn(model_dir):
    return {model}

def predict_fn(features, model):
    return [[model * row["x"], os.getuid()] for row in features]
"""
STAND_IN = """
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE}
RUN """
PACKAGES = """python3 -c 'import sysconfig, pathlib; place = pathlib.Path(sysconfig.get_path("purelib")); \\
    place.mkdir(parents=True, exist_ok=True); (place / "standin_torch.py").write_text("WEIGHT = 7\\n"); \\
    (place / "msgspec.py").write_text("raise ImportError(1)\\n")'"""
"""A package that only the base has, and one of a release that would not do."""
OLD_PYTHON = r"""rm -f /usr/local/bin/python3 && printf '#!/bin/sh\n[ "$1" = -c ] && exit 1\necho Python 3.10.1\n' > /usr/bin/p && \
    chmod +x /usr/bin/p && mkdir -p /usr/local/bin && mv /usr/bin/p /usr/local/bin/python3"""
NO_PYTHON = "rm -f /usr/local/bin/python3 /usr/bin/python3"


def stand_in(engine: Engine, directory: Path, tag: str, command: str) -> str:
    """Builds a base image on which one command ran."""
    context = directory / "base"
    context.mkdir()
    (context / "Dockerfile").write_text(STAND_IN + command + "\n")
    engine.build(tag, context)
    return tag


def serve_one(engine: Engine, image: str, directory: Path, code: str, user: str | None = None) -> list[float]:
    """Serves a model, sends one request, stops; returns the answer, which is what was captured."""
    (directory / "model/code").mkdir(parents=True)
    (directory / "model/code/inference.py").write_text(code)
    (directory / "captured").mkdir()
    if user is not None:
        os.chown(directory / "captured", *map(int, user.split(":")))
    for parent in (directory, *directory.parents[:2]):  # pytest's directories are for their owner alone
        parent.chmod(0o755)
    mounts = [Mount(directory / "model", "/opt/ml/model", True), Mount(directory / "captured", "/captured")]
    environment = {"CAPTURE_DESTINATION": "file:///captured", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with started(engine, image, DOCKERFILE, mounts, environment, user) as endpoint:
        endpoint.wait_until_ready()
        answer = endpoint.request("POST", "/invocations", b'[{"x": 2}]', {"Content-Type": "application/json"})
        assert answer.status == 200, answer.body
        assert endpoint.stop() == 0, endpoint.output()
    [[first, second]] = json.loads(answer.body)
    [path] = (directory / "captured").rglob("*.parquet")
    [row] = pq.ParquetFile(path).read(["prediction_0", "prediction_1"]).to_pylist()
    assert row == {"prediction_0": first, "prediction_1": second}
    return [first, second]


def test_an_endpoint_sees_the_packages_of_its_base_below_its_own(engine: Engine, tmp_path: Path) -> None:
    base = stand_in(engine, tmp_path, "localhost/base-with-packages:test-system", PACKAGES)
    tag = "localhost/endpoint-capture:test-base"
    engine.build(tag, ROOT, BASE_IMAGE=base, SYSTEM_PACKAGES="true")
    code = MODEL.format(imports="import standin_torch", model="standin_torch.WEIGHT")
    assert serve_one(engine, tag, tmp_path, code) == [14, 0]


def test_the_image_serves_and_captures_as_a_user_who_is_not_root(engine: Engine, image: str, tmp_path: Path) -> None:
    assert serve_one(engine, image, tmp_path, MODEL.format(imports="", model="3"), user="1000:1000") == [6, 1000]


@pytest.mark.parametrize(
    ("command", "words"), [(NO_PYTHON, "has no python3"), (OLD_PYTHON, "has Python 3.10.1")], ids=["none", "old"]
)
def test_a_base_without_a_fitting_python_is_named_at_the_build(
    engine: Engine, tmp_path: Path, command: str, words: str
) -> None:
    base = stand_in(engine, tmp_path, "localhost/base-without-python:test-system", command)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        engine.build("localhost/endpoint-capture:test-none", ROOT, target="build", BASE_IMAGE=base)
    said = "".join(refused.value.__notes__)
    assert words in said
    assert "name one with Python 3.11, 3.12 or 3.13" in said

"""The mistakes of the tutorial, each made in its model: what the table says is what a person sees."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.container.endpoint import Endpoint
from tests.integration.document_session import ROOT, blocks_of

TUTORIAL = ROOT / "docs/tutorial.md"
TABLE = re.findall(r"^\| (.+) \| (.+) \|$", TUTORIAL.read_text().partition("## 4.")[2], re.MULTILINE)[2:]
FILES = {block.file: block.text for block in blocks_of(TUTORIAL) if block.file is not None}
ROW = '"""Returns one prediction for each row."""\n    '
ORDERS = {"raining": True, "orders": [{"restaurant": "r3", "distance_km": 2.5}]}


def code(old: str, new: str) -> Callable[[Endpoint], None]:
    """A mistake in `inference.py`."""

    def make(endpoint: Endpoint) -> None:
        path = endpoint.directory / "model/code/inference.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return make


def setting(**variables: str) -> Callable[[Endpoint], None]:
    def make(endpoint: Endpoint) -> None:
        endpoint.env = {**endpoint.env, **variables}

    return make


def wrong_type(endpoint: Endpoint) -> None:
    path = endpoint.directory / "model/code/capture.toml"
    path.write_text(path.read_text().replace('distance_km = "double"', 'distance_km = "integer"'))


def misplaced(endpoint: Endpoint) -> None:
    (endpoint.directory / "model/code/capture.toml").rename(endpoint.directory / "model/capture.toml")


MISTAKES: dict[str, tuple[Callable[[Endpoint], None], object]] = {
    "a syntax error": (code("def predict_fn(", "def predict_fn(("), ORDERS),
    "`feature_fn` instead": (code("def features_fn(", "def feature_fn("), ORDERS),
    "`predict_fn` without": (code(ROW + "return [", ROW + "["), ORDERS),
    "an exception in": (code(ROW, ROW + "raise ValueError(7)\n    "), ORDERS),
    "`FEATURE_STORE_URI` not": (setting(FEATURE_STORE_URI=""), ORDERS),
    "a group that": (code('get("restaurants"', 'get("restaurant"'), ORDERS),
    "`distance_km = ": (wrong_type, ORDERS),
    "`CAPTURE_DESTINATON": (setting(CAPTURE_DESTINATON="s3://bucket"), ORDERS),
    "`capture.toml` beside": (misplaced, ORDERS),
    "a request that is not JSON": (lambda endpoint: None, None),
}  # fmt: skip
"""Beginning of a row of the table → what is done, and the request."""


def served(directory: Path) -> Endpoint:
    """The tutorial's model, not started."""
    for name, text in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (directory / "model/weights.json").write_text('{"base": 5, "prep_minutes": 1, "distance_km": 4, "raining": 6}')
    with sqlite3.connect(directory / "model/code/restaurants.db") as store:
        store.execute("CREATE TABLE restaurants (id TEXT PRIMARY KEY, prep_minutes REAL)")
        store.execute("INSERT INTO restaurants VALUES ('r3', 12)")
    env = {
        "CAPTURE_DESTINATION": f"file://{directory}/captured",
        "FEATURE_STORE_URI": "sqlite:restaurants.db",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }
    return Endpoint(directory, env)


def test_the_table_has_the_ten_mistakes() -> None:
    assert len(TABLE) == len(MISTAKES) == 10


@pytest.mark.long
@pytest.mark.parametrize("row", TABLE, ids=lambda row: re.sub(r"\W+", "_", row[0])[:30])
def test_a_mistake_of_the_tutorial_is_seen_as_its_table_says(tmp_path: Path, row: tuple[str, str]) -> None:
    [(make, request)] = [mistake for begin, mistake in MISTAKES.items() if row[0].startswith(begin)]
    endpoint = served(tmp_path)
    try:
        make(endpoint)
        endpoint.start()
        answer = ""
        if "does not start" in row[1] or "endpoint ends" in row[1]:
            assert endpoint.wait() == 1
        else:
            endpoint.wait_until_ready()
            headers = {"Content-Type": "application/json"}
            got = endpoint.invoke(request) if request else endpoint.request("POST", "/invocations", b"{no", headers)
            answer = got.body.decode()
            status = re.match(r"(4|5)\d\d", row[1])
            assert got.status == int(status[0]) if status else got.status in (200, 500)
        seen = f"{answer}\n{endpoint.stderr}\n{endpoint.output.read_text()}".replace('\\"', '"')
        for phrase in re.findall(r"`([^`]+)`", row[1]):
            assert re.search(re.escape(phrase).replace("…", ".*"), seen), f"{phrase}\n{seen}"
        assert "Traceback" not in answer + endpoint.stderr
    finally:
        endpoint.remove()

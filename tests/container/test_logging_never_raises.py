"""Logging raises nothing into its caller, and an error's answer can always be written, whatever text is in them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.logs import json_lines
from container.logs.safe_logging import described
from container.worker.errors import ErrorResponse, problem_of

ROOT = Path(__file__).resolve().parents[2]
SURROGATE = "\ud83d"


class Failing:
    """An object without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class FailingError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class FailingMapping(dict[str, object]):
    def __len__(self) -> int:
        raise RuntimeError("no length")

    def keys(self) -> Any:
        raise RuntimeError("no keys")


ANYTHING = st.recursive(
    st.one_of(
        st.text(st.characters(exclude_categories=())),
        st.just(SURROGATE),
        st.integers(),
        st.floats(),
        st.none(),
        st.binary(),
        st.builds(Failing),
        st.builds(FailingError),
        st.builds(FailingMapping),
        st.just(logging),
    ),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.one_of(st.text(), st.integers()), inner) | st.tuples(inner, inner)
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[json_lines.JsonHandler, Path]]:
    path = tmp_path_factory.mktemp("log") / "lines"
    with path.open("wb") as file:
        yield json_lines.JsonHandler("worker", file.fileno()), path


@given(message=ANYTHING, args=st.lists(ANYTHING, max_size=2), fields=ANYTHING, level=ANYTHING, created=ANYTHING)
def test_any_record_is_written_as_one_json_line(
    log: Any, message: Any, args: Any, fields: Any, level: Any, created: Any
):
    handler, path = log
    record = logging.LogRecord("user", logging.INFO, "file", 1, message, None, None)
    record.args = tuple(args)
    record.fields, record.levelname, record.created = fields, level, created
    before = path.stat().st_size
    handler.emit(record)
    written = path.read_bytes()[before:]
    assert written.count(b"\n") == 1
    assert isinstance(json.loads(written), dict)


@given(ANYTHING)
def test_any_object_has_a_text_that_can_be_encoded(value: object):
    described(value).encode()


@given(ANYTHING, ANYTHING)
def test_any_error_has_an_answer_that_is_json(kind: Any, message: Any):
    assert json.loads(ErrorResponse(500, kind, message).body("id"))["event_id"] == "id"


@pytest.mark.parametrize("error", [FailingError(), ValueError(SURROGATE), ValueError(Failing())])
def test_any_exception_becomes_an_answer(error: Exception):
    assert json.loads(problem_of(error, "predict").body("id"))["type"] == "HandlerError"


def test_fields_with_a_name_of_ours_do_not_replace_ours():
    record = logging.LogRecord("user", logging.INFO, "file", 1, "hello", None, None)
    record.fields = {"source": "supervisor", "level": "CRITICAL", "own": 1}
    (line,) = _lines(record)
    assert (line["source"], line["level"], line["own"]) == ("worker", "INFO", 1)
    assert line["field_source"] == "supervisor"


def _lines(record: logging.LogRecord) -> list[dict[str, Any]]:
    import tempfile

    with tempfile.TemporaryFile() as file:
        json_lines.JsonHandler("worker", file.fileno()).emit(record)
        file.seek(0)
        return [json.loads(line) for line in file]


IN_A_WORKER = """
import logging, warnings
from container.logs.safe_logging import make_logging_safe
from tests.container.test_logging_never_raises import Failing, FailingMapping, SURROGATE

make_logging_safe()
logging.basicConfig(format="%(message)s", level=logging.INFO)
log = logging.getLogger("user")
log.info("reserved", extra={"message": 1, "name": 2, "args": 3})
log.info("not a mapping", extra=5)
log.info("keys that are no text", extra={1: 2, None: 3})
log.info("text as fields", extra={"fields": "abc"})
log.info("%s", FailingMapping(a=1))
log.info(SURROGATE)
warnings.warn(SURROGATE)
log.info("the end")
"""


def test_logging_raises_nothing_in_a_process_that_made_them_safe():
    ended = subprocess.run([sys.executable, "-c", IN_A_WORKER], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for text in ("reserved", "not a mapping", "keys that are no text", "text as fields", "the end"):
        assert text in ended.stderr.splitlines()

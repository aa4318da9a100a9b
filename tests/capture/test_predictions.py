"""Predictions in every shape: the unnamed output is `""`, k unnamed ones `"0"` … `"k-1"`, one row for each item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.capture.spools import Scribe, buffer, column, counts


@pytest.fixture
def scribe(tmp_path: Path) -> Iterator[Scribe]:
    with buffer(tmp_path) as opened:
        yield Scribe(opened, tmp_path / "spool")


def names(block: Any) -> tuple[str, ...]:
    return tuple(block.batch.schema.names) if hasattr(block, "batch") else block.names


TWO = [
    ([0.25, 0.5], {"": [0.25, 0.5]}),
    ((0.25, 0.5), {"": [0.25, 0.5]}),
    (["cat", None], {"": ["cat", None]}),
    ([np.float64(0.25), np.float32(0.5)], {"": [0.25, 0.5]}),
    (np.array([0.25, 0.5]), {"": [0.25, 0.5]}),
    (np.array([1, 0], "i1"), {"": [1, 0]}),
    (np.array([True, False]), {"": [True, False]}),
    (np.array(["cat", "dog"]), {"": ["cat", "dog"]}),
    (np.array(["cat", None], dtype=object), {"": ["cat", None]}),
    (np.array([[0.25], [0.5]]), {"0": [0.25, 0.5]}),
    (np.array([[0.25, 0.75], [0.5, 0.5]]), {"0": [0.25, 0.5], "1": [0.75, 0.5]}),
    (np.asfortranarray([[0.25, 0.75], [0.5, 0.5]]), {"0": [0.25, 0.5], "1": [0.75, 0.5]}),
    (np.array([["cat", 1], ["dog", 2]], dtype=object), {"0": ["cat", "dog"], "1": [1, 2]}),
    ([[0.25, 0.75], [0.5, 0.5]], {"0": [0.25, 0.5], "1": [0.75, 0.5]}),
    ([(0.25, "a"), (0.5, "b")], {"0": [0.25, 0.5], "1": ["a", "b"]}),
    ([np.array([0.25, 0.75]), np.array([0.5, 0.5])], {"0": [0.25, 0.5], "1": [0.75, 0.5]}),
    ([[0.25], [0.5, 0.75]], {"": [[0.25], [0.5, 0.75]]}),
    (pd.Series([0.25, 0.5]), {"": [0.25, 0.5]}),
    (pd.Series(["cat", None]), {"": ["cat", None]}),
    (pd.Series([1, None], dtype="Int64"), {"": [1, None]}),
    (pd.Series(["cat", "cat"], dtype="category"), {"": ["cat", "cat"]}),
    ({"score": [0.25, 0.5], "class": ["a", "b"]}, {"score": [0.25, 0.5], "class": ["a", "b"]}),
    ({"score": np.array([0.25, 0.5])}, {"score": [0.25, 0.5]}),
    ([{"score": 0.25, "class": "a"}, {"score": 0.5, "class": "b"}], {"score": [0.25, 0.5], "class": ["a", "b"]}),
    ([{"score": 0.25}, {"class": "b"}], {"score": [0.25, None], "class": [None, "b"]}),
    (pd.DataFrame({"score": [0.25, 0.5]}), {"score": [0.25, 0.5]}),
    (pd.DataFrame({"score": [0.25, 0.5], "class": ["a", None]}), {"score": [0.25, 0.5], "class": ["a", None]}),
    (pa.table({"score": [0.25, 0.5], "class": ["a", None]}), {"score": [0.25, 0.5], "class": ["a", None]}),
]
ONE = [
    (0.25, {"": [0.25]}),
    (1, {"": [1]}),
    ("cat", {"": ["cat"]}),
    (None, {"": [None]}),
    (np.float64(0.25), {"": [0.25]}),
    (np.float32(0.5), {"": [0.5]}),
    (np.array(0.25), {"": [0.25]}),
    ([0.25], {"": [0.25]}),
    (np.array([0.25]), {"": [0.25]}),
    ([[0.25, 0.75]], {"0": [0.25], "1": [0.75]}),
    (np.array([[0.25, 0.75]]), {"0": [0.25], "1": [0.75]}),
    ({"score": 0.25, "class": "a"}, {"score": [0.25], "class": ["a"]}),
    ({"score": [0.25], "class": np.array(["a"])}, {"score": [0.25], "class": ["a"]}),
    ({"probabilities": [0.25, 0.75]}, {"probabilities": [[0.25, 0.75]]}),
    ({"probabilities": [0.25, 0.75], "class": "b"}, {"probabilities": [[0.25, 0.75]], "class": ["b"]}),
    ({"score": 0.25, "neighbours": ["x"]}, {"score": [0.25], "neighbours": [["x"]]}),
    ([{"score": 0.25}], {"score": [0.25]}),
    (pd.Series([0.25]), {"": [0.25]}),
    (pd.DataFrame({"score": [0.25]}), {"score": [0.25]}),
]


@pytest.mark.parametrize(("predictions", "outputs"), TWO)
def test_predictions_of_two_items(
    scribe: Scribe, tmp_path: Path, predictions: Any, outputs: dict[str, list[Any]]
) -> None:
    event = scribe.write([{"seats": 1}, {"seats": 2}], predictions)
    assert len(event.predictions) == 2
    if hasattr(event.predictions, "names") or hasattr(event.predictions, "batch"):
        assert names(event.predictions) == tuple(outputs)
    assert {name: column(event.predictions, name) for name in outputs} == outputs
    assert counts(tmp_path / "spool")["row_mismatches"] == 0


@pytest.mark.parametrize(("predictions", "outputs"), ONE)
@pytest.mark.parametrize("features", [{"seats": 1}, np.zeros((1, 2)), pd.DataFrame({"seats": [1]})], ids=type)
def test_predictions_of_one_item(
    scribe: Scribe, tmp_path: Path, features: Any, predictions: Any, outputs: dict[str, list[Any]]
) -> None:
    event = scribe.write(features, predictions)
    assert names(event.predictions) == tuple(outputs)
    assert {name: column(event.predictions, name) for name in outputs} == outputs
    assert counts(tmp_path / "spool")["row_mismatches"] == 0


def test_a_prediction_keeps_its_type_whatever_the_count_of_items(scribe: Scribe) -> None:
    for rows in (1, 2, 3):
        event = scribe.write(np.zeros((rows, 2)), {"score": np.full(rows, 0.25, "f4")})
        assert [value.dtype for value in column(event.predictions, "score")] == [np.float32] * rows


@pytest.mark.parametrize(
    ("predictions", "rows"), [([1, 2], 2), (np.zeros((5, 2)), 5), (0.5, 1), ({"top": [1, 2]}, 2), ([], 0)]
)
def test_a_count_that_differs_from_the_rows_is_captured_and_counted(
    scribe: Scribe, tmp_path: Path, predictions: Any, rows: int
) -> None:
    event = scribe.write(np.zeros((3, 2)), predictions)
    assert (len(event.items), len(event.predictions)) == (3, rows)
    assert counts(tmp_path / "spool")["row_mismatches"] == 1


@pytest.mark.parametrize("predictions", [object(), [object(), 1], {"score": object()}, np.array([object()])])
def test_predictions_that_no_record_can_hold_are_refused(scribe: Scribe, predictions: Any) -> None:
    assert scribe.refused({"seats": 1}, predictions) == {"unencodable": 1}

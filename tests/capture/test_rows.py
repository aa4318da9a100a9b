"""The same shape gives the same rows, whatever its types: from `append` to the object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capture import new_event_id
from capture.encoding import encode_objects
from capture.reading.captured_object import CapturedObject
from tests.capture.spools import buffer, events, header


def captured(home: Path, *calls: tuple[Any, Any], prepared: bool = False, **settings: Any) -> list[dict[str, Any]]:
    """The rows of an object, without the dataset's own columns that are not of interest here."""
    with buffer(home, **settings) as opened:
        for features, predictions in calls:
            given = opened.prepare(features, event_id=new_event_id()) if prepared else features
            assert opened.append(given, predictions)
    found = sorted(events(home / "spool"), key=lambda event: event.event_id)
    table = pa.concat_tables(
        [CapturedObject(_key(made.key), made.body).table() for made in encode_objects(header(**settings), "b", found)]
    )
    own = [name for name in table.column_names if not name.startswith("capture_") or name == "capture_rescued_data"]
    return list(table.select(own).to_pylist())


def _key(text: str) -> Any:
    from capture.dataset import parse_object_key

    return parse_object_key(text)


TABLES: dict[str, Callable[[int], Any]] = {
    "frame of one dtype": lambda n: pd.DataFrame({"a": [1.0] * n, "b": [2.0] * n}),
    "frame of two dtypes": lambda n: pd.DataFrame({"a": [1.0] * n, "b": ["x"] * n}),
    "structured array": lambda n: np.array([(1.0, "x")] * n, dtype=[("a", "f8"), ("b", "U1")]),
    "Arrow": lambda n: pa.table({"a": [1.0] * n, "b": ["x"] * n}),
    "mappings": lambda n: [{"a": 1.0, "b": "x"}] * n,
    "matrix": lambda n: np.ones((n, 2)),
}


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("shape", TABLES)
@pytest.mark.parametrize("predictions", [[0.5], 0.5, None], ids=str)
def test_a_table_of_n_rows_is_n_rows_whatever_the_count_of_predictions(
    tmp_path: Path, shape: str, rows: int, predictions: Any, prepared: bool
) -> None:
    found = captured(tmp_path, (TABLES[shape](rows), predictions), prepared=prepared)
    assert len(found) == rows
    assert not any(isinstance(row.get("a"), list) for row in found)
    if rows > 1 and predictions is not None:
        assert found[0]["capture_rescued_data"] == '{"prediction":[0.5]}'
    if predictions is None:
        assert [(row.get("prediction"), row["capture_rescued_data"]) for row in found] == [(None, None)] * rows


@pytest.mark.parametrize("prepared", [False, True])
def test_a_list_feature_stays_a_list_whatever_its_length(tmp_path: Path, prepared: bool) -> None:
    calls = [({"vector": [float(n)] * n}, 0.5) for n in (3, 1, 2)]
    found = captured(tmp_path, *calls, prepared=prepared)
    assert [row["vector"] for row in found] == [[3.0] * 3, [1.0], [2.0] * 2]
    assert [row["capture_rescued_data"] for row in found] == [None] * 3


@pytest.mark.parametrize(
    ("features", "predictions", "rows"),
    [
        ({"a": [1.0, 2.0]}, [0.5, 0.6], [{"a": 1.0, "prediction": 0.5}, {"a": 2.0, "prediction": 0.6}]),
        ({"a": [1.0]}, [0.5], [{"a": 1.0, "prediction": 0.5}]),
        ({"a": [1.0]}, np.array([0.5]), [{"a": 1.0, "prediction": 0.5}]),
        ({"a": [1.0]}, 0.5, [{"a": [1.0], "prediction": 0.5}]),
        ({"a": [1.0, 2.0]}, 0.5, [{"a": [1.0, 2.0], "prediction": 0.5}]),
        ({"a": [1.0, 2.0]}, [0.5], [{"a": [1.0, 2.0], "prediction": 0.5}]),
        ({"a": np.array([1.0, 2.0]), "b": ["x", "y"]}, 0.5, [{"a": [1.0, 2.0], "b": '["x","y"]', "prediction": 0.5}]),
        ({"a": [1.0]}, {"score": 0.5}, [{"a": [1.0], "prediction_score": 0.5}]),
        ({"a": [1.0]}, {"score": [0.5]}, [{"a": 1.0, "prediction_score": 0.5}]),
    ],
    ids=str,
)
def test_a_mapping_of_lists_is_the_rows_that_its_predictions_are(
    tmp_path: Path, features: Any, predictions: Any, rows: list[dict[str, Any]]
) -> None:
    found = captured(tmp_path, (features, predictions))
    assert [{name: value for name, value in row.items() if value is not None} for row in found] == rows


class Outputs(NamedTuple):
    label: Any
    score: Any


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_a_tuple_of_columns_is_an_output_each(tmp_path: Path, rows: int) -> None:
    labels, scores = np.arange(rows), np.arange(rows * 3.0).reshape(rows, 3)
    for number, given in enumerate(((labels, scores), (labels.tolist(), scores.tolist()), Outputs(labels, scores))):
        found = captured(tmp_path / str(number), (np.zeros((rows, 2)), given))
        first, second = ("prediction_label", "prediction_score") if number == 2 else ("prediction_0", "prediction_1")
        assert [row[first] for row in found] == labels.tolist()
        assert [row[second] for row in found] == scores.tolist()


def test_a_list_of_rows_is_rows_whatever_their_count(tmp_path: Path) -> None:
    found = captured(tmp_path, (np.zeros((2, 2)), [[0.25, 0.75], [0.5, 0.5]]))
    assert [(row["prediction_0"], row["prediction_1"]) for row in found] == [(0.25, 0.75), (0.5, 0.5)]

"""JSON Lines lose no column and no digit that Parquet keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capture.encoding import encode_objects
from tests.capture.spools import buffer, events, header


def lines(home: Path, features: Any, predictions: Any = 0.5, **more: Any) -> list[dict[str, Any]]:
    """Input and output of each line, flat."""
    with buffer(home, format="jsonl") as opened:
        assert opened.append(features, predictions, **more)
    (made,) = encode_objects(header(format="jsonl"), "b", events(home / "spool"))
    found = []
    for line in made.body.splitlines():
        captured = json.loads(line)["captureData"]
        found.append(json.loads(captured["endpointInput"]["data"]) | json.loads(captured["endpointOutput"]["data"]))
    return found


TWICE = {
    "frame": lambda: pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]),
    "frame of two dtypes": lambda: pd.DataFrame([[1.0, "x", 2.0]], columns=["a", "b", "a"]),
    "Arrow": lambda: pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"]),
    "names": lambda: np.array([[1.0, 2.0]]),
    "keys of two types": lambda: [{1: 1.0, "1": 2.0}],
}


@pytest.mark.parametrize("shape", TWICE)
def test_of_two_columns_of_a_name_both_are_there(tmp_path: Path, shape: str) -> None:
    (row,) = lines(tmp_path, TWICE[shape](), [0.5], feature_names=["a", "a"])
    name = "1" if shape == "keys of two types" else "a"
    assert (row[name], row[f"{name}.1"]) == (1.0, 2.0)


@pytest.mark.parametrize("ragged", [False, True])
def test_a_feature_that_is_renamed_gives_way_to_one_that_is_called_so(tmp_path: Path, ragged: bool) -> None:
    row = {"prediction": 1, "feature_prediction": 2}
    found = lines(tmp_path, [row, {**row, "more": 1}] if ragged else [row, row], [0.5, 0.6])
    assert [(one["prediction"], one["feature_prediction"], one["feature_feature_prediction"]) for one in found] == [
        (0.5, 2, 1),
        (0.6, 2, 1),
    ]


FINE = "2026-03-01T09:00:00.123456789"
FAR = "12345-01-01T00:00:00"
TIMES = {
    "nanoseconds": (lambda: {"t": np.array([FINE], "M8[ns]")}, FINE),
    "nanoseconds in a frame": (lambda: pd.DataFrame({"t": np.array([FINE], "M8[ns]"), "x": ["a"]}), FINE),
    "Arrow nanoseconds": (lambda: pa.table({"t": pa.array(np.array([FINE], "M8[ns]"))}), FINE),
    "Arrow nanoseconds with a zone": (
        lambda: pa.table({"t": pa.array(np.array([FINE], "M8[ns]")).cast(pa.timestamp("ns", "UTC"))}),
        f"{FINE}Z",
    ),
    "a scalar": (lambda: [{"t": np.datetime64(FINE, "ns")}], FINE),
    "a far year": (lambda: {"t": np.array([FAR], "M8[s]")}, FAR),
    "a far day": (lambda: {"t": np.array(["12345-01-01"], "M8[D]")}, "12345-01-01"),
    "a far year in Arrow": (lambda: pa.table({"t": pa.array(np.array([FAR], "M8[s]"))}), FAR),
    "months": (lambda: {"t": np.array([5], "m8[M]")}, "5 months"),
    "whole microseconds": (lambda: {"t": np.array(["2026-03-01T09:00:00.5"], "M8[ns]")}, "2026-03-01T09:00:00.500000"),
    "none": (lambda: {"t": np.array(["NaT"], "M8[ns]")}, None),
}


@pytest.mark.parametrize("kind", TIMES)
def test_a_time_keeps_all_its_digits(tmp_path: Path, kind: str) -> None:
    make, text = TIMES[kind]
    assert lines(tmp_path, make(), [0.5])[0]["t"] == text

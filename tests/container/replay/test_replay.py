"""A replay through the same artefact gives the same bits, whatever shape the model was given; another model is compared."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capture import CaptureBuffer, CaptureConfig, Features

ROOT = Path(__file__).resolve().parents[3]
MODEL = """
import numpy as np
FACTOR = {factor}

def model_fn(model_dir):
    return FACTOR

def predict_fn(features, factor):
{body}
"""
OF_FEATURES = "    return [{'score': features.request['base'] * factor + (row['x'] or 0.0)} for row in features.items]"
OF_ROWS = "    rows = features if isinstance(features, list) else [features]\n    return [{'score': row['x'] * factor} for row in rows]"
OF_ARRAY = "    return (np.asarray(features) * factor).sum(axis=1)"


def artefact(folder, body, factor=1.1):
    code = folder / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(MODEL.format(body=body, factor=factor))
    return folder


def captured(tmp_path, appended, **settings):
    config = CaptureConfig(
        destination=f"file://{tmp_path}/captured", spool_dir=tmp_path / "spool", max_age_seconds=0.2, **settings
    )
    buffer = CaptureBuffer(config)
    for features, predictions in appended:
        assert buffer.append(features, predictions)
    assert buffer.close(60)
    return tmp_path / "captured"


def replay(*arguments):
    command = [sys.executable, "-m", "container", "replay", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


def compared(*arguments):
    result = replay(*arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


OF_ONE = "    return {'score': features['x'] * factor}"
OF_LISTS = "    return [{'score': row['x'] * len(features) * factor} for row in features]"
OF_FRAME = "    return (features['x'] * factor + features['y']).to_numpy()"
OF_MATRIX = "    return (features[:, 0] * factor + features[:, 1] / 3).reshape(-1, 1)"
EVENTS: dict[str, tuple[str, str, list[Any]]] = {
    "features": (OF_FEATURES, "auto", [Features({"base": 0.1}, [{"x": 0.3}, {"x": None}]), Features({"base": 7.0}, [{"x": 1.0}])]),
    "rows": (OF_ROWS, "auto", [[{"x": 0.1}, {"x": 0.2}], [{"x": 3.0}, {"x": -1.0}, {"x": 0.7}]]),
    "one row": (OF_ROWS, "row", [{"x": 0.1}, {"x": 2.0}]),
    "array": (OF_ARRAY, "array", [np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([[1.0, 2.0]])]),
    "a mapping, found": (OF_ONE, "auto", [{"x": 0.1}, {"x": 2.0}]),
    "lists of one row, found": (OF_LISTS, "auto", [[{"x": 0.1}], [{"x": 2.0}], [{"x": 0.7}, {"x": 0.9}]]),
    "a mapping or a list, found": (OF_ROWS, "auto", [{"x": 0.1}, [{"x": 0.2}, {"x": 0.3}], {"x": 2.0}]),
    "a frame, found": (OF_FRAME, "auto", [pd.DataFrame({"x": [0.1], "y": [0.2]}), pd.DataFrame({"x": [0.3, 1.7], "y": [0.7, 0.1]})]),
    "an array, found": (OF_MATRIX, "auto", [np.array([[0.1, 0.2]]), np.array([[1.0, 2.0], [0.7, 0.3]])]),
}  # fmt: skip


@pytest.mark.parametrize("name", EVENTS)
def test_the_same_artefact_gives_the_same_bits(tmp_path, name):
    body, shape, events = EVENTS[name]
    model = artefact(tmp_path / "model", body)
    space: dict = {}
    exec((model / "code" / "inference.py").read_text(), space)  # noqa: S102
    uri = captured(tmp_path, [(event, space["predict_fn"](event, 1.1)) for event in events])
    result = replay("--captured", uri, "--model", model, "--shape", shape, "--expect-identical")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "bit for bit" in result.stdout


def test_another_model_is_compared_by_value_and_by_rank(tmp_path):
    rows = [{"x": 0.3}, {"x": 0.2}, {"x": 0.1}]
    uri = captured(tmp_path, [(rows, [{"score": row["x"]} for row in rows])] * 2)
    model = artefact(tmp_path / "model", OF_ROWS, factor=-1.0)
    found = compared("--captured", uri, "--model", model)["comparison"]
    [score] = found["columns"]
    assert (score["equal"], score["rows"]) == (0, 6)
    assert score["largest"] == pytest.approx(0.6)
    ranks = found["ranks"]
    assert (ranks["changed_events"], ranks["moved_items"], ranks["first_changed"], ranks["largest_move"]) == (
        2,
        4,
        2,
        2,
    )
    assert len(ranks["examples"]) == 2
    assert replay("--captured", uri, "--model", model, "--expect-identical").returncode == 3


def test_an_event_on_which_the_model_fails_is_counted_and_the_rest_goes_on(tmp_path):
    uri = captured(tmp_path, [([{"x": 1.0}], [1.0]), ([{"x": None}], [0.0])])
    found = compared("--captured", uri, "--model", artefact(tmp_path / "model", OF_ROWS))
    assert (found["counts"]["events"], found["counts"]["failed_events"]) == (1, 1)
    assert "TypeError" in found["counts"]["failures"][0]
    assert found["comparison"]["only_captured"] == 1


def test_a_model_that_fails_on_all_events_is_an_error_that_names_the_shapes(tmp_path):
    data = captured(tmp_path, [({"x": 1.0}, {"score": 1.1})])
    neither = "    return [{'score': row['y'] * factor} for row in features]"
    result = replay("--captured", data, "--model", artefact(tmp_path / "model", neither))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "--shape rows, row, frame or array" in result.stderr


def test_a_model_that_takes_lists_gets_a_list_for_an_event_of_one_item(tmp_path):
    data = captured(tmp_path, [([{"x": 1.0}], [1.1]), ([{"x": 3.0}], [3.3])])
    only_lists = "    assert isinstance(features, list)\n    return [row['x'] * factor for row in features]"
    found = compared("--captured", data, "--model", artefact(tmp_path / "model", only_lists))
    assert (found["counts"]["events"], found["counts"]["failed_events"]) == (2, 0)


def test_a_rescued_cell_is_given_to_the_model_as_it_was(tmp_path):
    body = "    return [{'score': float(len(str(features['x'])))}]"
    uri = captured(
        tmp_path, [({"x": 1.5}, {"score": 3.0}), ({"x": 2.5}, {"score": 3.0}), ({"x": "wide"}, {"score": 4.0})]
    )
    result = replay("--captured", uri, "--model", artefact(tmp_path / "model", body), "--expect-identical")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_hashed_feature_cannot_be_replayed(tmp_path):
    uri = captured(tmp_path, [({"x": 1.5}, 1.0)], hash=("x",), hash_key="a key of sixteen bytes")
    result = replay("--captured", uri, "--model", artefact(tmp_path / "model", OF_ROWS))
    assert result.returncode == 1
    assert "x was captured as a hash" in result.stderr


def test_an_archive_cannot_write_outside_its_directory(tmp_path):
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("../escaped")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    uri = captured(tmp_path, [({"x": 1.5}, 1.0)])
    result = replay("--captured", uri, "--model", archive)
    assert result.returncode == 1
    assert "cannot be unpacked" in result.stderr or "can be unpacked" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_window_without_events_is_an_error_that_names_it(tmp_path):
    uri = captured(tmp_path, [({"x": 1.5}, 1.0)])
    result = replay("--captured", uri, "--model", artefact(tmp_path / "model", OF_ROWS), "--end", "2001-01-01")
    assert result.returncode == 1
    assert "no event in this window" in result.stderr

"""Settings are resolved once by the supervisor: what is accepted is shipped, and what cannot be honoured is refused by name."""

from __future__ import annotations

import dataclasses

import pyarrow.dataset
import pytest

from capture import CaptureConfig
from capture.handover import hand_over
from container.shared.artefact import Artefact, ArtefactError
from container.shared.run_directory import RunDirectory
from container.shared.settings import Settings
from container.worker.service import capture_settings
from tests.container.endpoint import running, write_artefact

MODEL = "def model_fn(d): return 1\ndef predict_fn(f, m): return [1.0]\n"
KEY = "a key of sixteen bytes"


@pytest.fixture
def place(tmp_path):
    directory = RunDirectory(tmp_path)
    return directory, Artefact(write_artefact(tmp_path / "model", MODEL))


def own_settings(artefact, text):
    (artefact.code / "capture.toml").write_text(text)


def test_a_model_of_many_cannot_turn_capture_on_by_itself(place, tmp_path, monkeypatch):
    directory, artefact = place
    monkeypatch.delenv("CAPTURE_DESTINATION", raising=False)
    own_settings(artefact, f'destination = "file://{tmp_path}/captured"\n')
    many = dataclasses.replace(Settings.from_env({}), multi_model=True)
    with pytest.raises(ArtefactError, match="model beta names a destination"):
        capture_settings(many, directory, artefact, "beta")


def test_a_model_of_many_writes_to_the_spool_that_is_shipped(place, tmp_path):
    directory, artefact = place
    hand_over(
        CaptureConfig(destination=f"file://{tmp_path}/captured", spool_dir=tmp_path / "shipped"),
        directory.capture_settings,
    )
    own_settings(
        artefact, f'destination = "file://{tmp_path}/captured"\nspool_dir = "{tmp_path}/never"\nmodel_name = "beta"\n'
    )
    many = dataclasses.replace(Settings.from_env({}), multi_model=True)
    found = capture_settings(many, directory, artefact, "beta")
    assert (found.spool_dir, found.model_name) == (tmp_path / "shipped", "beta")


def test_features_hashed_with_a_key_in_the_artefact_are_shipped(tmp_path):
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "model" / "code" / "capture.toml").write_text(f'hash_key = "{KEY}"\n')
    environment = {
        "CAPTURE_DESTINATION": f"file://{tmp_path}/captured",
        "CAPTURE_SPOOL_DIR": str(tmp_path / "spool"),
        "CAPTURE_HASH": "user",
    }
    with running(tmp_path, "def model_fn(d): return 1\ndef predict_fn(f, m): return 1.0\n", environment) as endpoint:
        assert endpoint.invoke({"user": "ann", "x": 1.5}).status == 200
        assert endpoint.terminate() == 0
    [row] = pyarrow.dataset.dataset(sorted((tmp_path / "captured").rglob("*.parquet"))).to_table().to_pylist()
    assert row["x"] == 1.5
    assert row["user"] != "ann"
    assert len(row["user"]) >= 32

"""Feast with its SQLite store. Needs the extra `feast`; skipped where it is not installed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("feast")

import pandas as pd
from feast import (  # type: ignore[import-not-found, unused-ignore]
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    ValueType,
)
from feast.types import Int64, String  # type: ignore[import-not-found, unused-ignore]

from container.feature_stores.feast import FeastStore
from container.feature_stores.protocol import StoreError, StoreUnavailable

pytestmark = pytest.mark.filterwarnings("default")
MOMENT = pd.Timestamp("2013-07-01T05:00:00Z")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("feast")
    (root / "feature_store.yaml").write_text(
        f"project: flights\nprovider: local\nregistry: {root}/registry.db\n"
        f"online_store:\n  type: sqlite\n  path: {root}/online.db\nentity_key_serialization_version: 3\n"
    )
    frame = pd.DataFrame(
        {"tailnum": ["N1", "N2"], "number": [1, 2], "seats": [180, None], "maker": ["BOEING", "AIRBUS"]}
    ).assign(event_timestamp=[MOMENT, MOMENT + pd.Timedelta(hours=1)])
    frame.to_parquet(root / "planes.parquet")
    store = FeatureStore(repo_path=str(root))
    source = FileSource(path=str(root / "planes.parquet"), timestamp_field="event_timestamp")
    schema = [Field(name="seats", dtype=Int64), Field(name="maker", dtype=String)]
    for name, key, kind in (("planes", "tailnum", ValueType.STRING), ("numbered", "number", ValueType.INT64)):
        entity = Entity(name=key, join_keys=[key], value_type=kind)
        view = FeatureView(name=name, entities=[entity], ttl=timedelta(days=9999), schema=schema, source=source)
        store.apply([entity, view])
        store.write_to_online_store(name, frame)
    return root


@pytest.fixture
def store(repository: Path) -> FeastStore:
    return FeastStore.open(repository, timeout=30)


def test_there_is_one_answer_for_each_id_in_order(store: FeastStore):
    records = store.get("planes", ["N2", "absent", "N1", "N2"])
    assert [record and record["maker"] for record in records] == ["AIRBUS", None, "BOEING", "AIRBUS"]


def test_a_record_has_its_event_time_and_nulls(store: FeastStore):
    (record,) = store.get("planes", ["N2"], ["seats", "maker"])
    assert record == {"seats": None, "maker": "AIRBUS"}
    assert record is not None
    assert record.event_time == MOMENT.timestamp() + 3600


def test_numeric_join_keys_are_found_by_their_text(store: FeastStore):
    assert store.get("numbered", ["1"], ["seats"]) == [{"seats": 180}]


def test_what_can_never_be_found_is_named(store: FeastStore):
    with pytest.raises(StoreError, match="absent"):
        store.get("absent", ["N1"])
    with pytest.raises(StoreError, match="wings"):
        store.get("planes", ["N1"], ["wings"])


def test_a_repository_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(StoreError, match="nowhere"):
        FeastStore.open(tmp_path / "nowhere", 1)


def test_a_look_up_that_takes_too_long_is_given_up(repository: Path):
    store = FeastStore.open(repository, timeout=0.00001)
    with pytest.raises(StoreUnavailable):
        store.get("planes", ["N1"])

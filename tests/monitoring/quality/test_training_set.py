"""A training set is pinned: final windows only, digests, a split by time, weights where sampling differs."""

import datetime as dt
import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from capture import dataset
from monitoring.__main__ import main
from monitoring.quality.training_set import read_manifest
from monitoring.storage import open_storage
from tests.monitoring.quality.captured import NOON, Event, label_line, write_captured, write_labels

LATER = NOON + dt.timedelta(days=3)


@pytest.fixture(params=["directory", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "directory":
        return str(tmp_path)
    return f"s3://{request.getfixturevalue('s3_bucket')}/data"


def quality(uri: str, now: dt.datetime = LATER + dt.timedelta(hours=1)) -> int:
    return main(
        [
            "quality", "--captured", f"{uri}/c", "--ground-truth", f"{uri}/g", "--problem", "regression",
            "--prediction", "prediction", "--start", "2026-03-02T12:00Z", "--end", "2026-03-02T14:00Z",
            "--now", now.isoformat(), "--manifest", f"{uri}/set/manifest.json",
        ]
    )  # fmt: skip


def given(uri: str, events: int = 20) -> list[Event]:
    made = [
        Event(
            [1.0, 2.0],
            {"x": [float(n), n + 0.5], "place": ["a", "b"]},
            time=NOON + dt.timedelta(minutes=6 * n),
            number=n,
            sampling=100.0 if n % 2 else 50.0,
        )
        for n in range(events)
    ]
    write_captured(f"{uri}/c", made)
    write_labels(f"{uri}/g", [label_line(entry.id, [n, None if n == 3 else n * 10]) for n, entry in enumerate(made)])
    return made


def read(uri: str) -> list[dict[str, Any]]:
    rows = pq.read_table(io.BytesIO(open_storage(f"{uri}/set").get("train.parquet").body)).to_pylist()
    return sorted(rows, key=lambda row: (row[dataset.EVENT_TIME], row[dataset.ITEM_INDEX]))


def test_a_manifest_becomes_one_table_of_rows_with_labels_weights_and_a_split_by_time(uri: str) -> None:
    events = given(uri)
    assert quality(uri) == 4  # nothing to compare with, and a manifest all the same
    assert main(["training-set", f"{uri}/set/manifest.json", "--output", f"{uri}/set/train.parquet"]) == 0
    rows = read(uri)
    assert len(rows) == 39  # one item has no label
    assert [row["label"] for row in rows[:6]] == [0, 0, 1, 10, 2, 20]
    assert [row["x"] for row in rows[:2]] == [0.0, 0.5]
    assert {row["weight"] for row in rows} == {1.0, 2.0}
    test_times = {row[dataset.EVENT_TIME] for row in rows if row["split"] == "test"}
    train_times = {row[dataset.EVENT_TIME] for row in rows if row["split"] == "train"}
    assert max(train_times) < min(test_times)
    assert len(test_times) == 4
    manifest = read_manifest(f"{uri}/set/manifest.json")
    assert (manifest.rows, manifest.weighted, len(manifest.objects)) == (39, True, 2)
    assert manifest.endpoint == "flights"
    assert events[0].time == manifest.start


def test_an_object_that_differs_from_its_digest_is_set_aside_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = str(tmp_path)
    given(uri)
    quality(uri)
    changed = sorted((tmp_path / "c").rglob("*.parquet"))[0]
    table = pq.read_table(changed)
    pq.write_table(table.slice(0, 5), changed)
    capsys.readouterr()
    assert main(["training-set", f"{uri}/set/manifest.json", "--output", f"{uri}/set/train.parquet"]) == 0
    assert "differs from its digest" in capsys.readouterr().err
    assert {row[dataset.EVENT_TIME].hour for row in read(uri)} == {13}


def test_labels_that_differ_from_their_digest_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = str(tmp_path)
    given(uri)
    quality(uri)
    with (tmp_path / "set/manifest.labels.parquet").open("ab") as file:
        file.write(b"more")
    assert main(["training-set", f"{uri}/set/manifest.json", "--output", f"{uri}/set/train.parquet"]) == 1
    assert "differs from the digest" in capsys.readouterr().err


def test_a_window_that_is_not_final_makes_no_training_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = str(tmp_path)
    events = given(uri)
    write_labels(f"{uri}/g", [label_line(events[0].id, [5, 6])], NOON + dt.timedelta(hours=3))
    assert quality(uri, NOON + dt.timedelta(hours=4)) == 2
    assert "the window is provisional" in capsys.readouterr().err
    assert not (tmp_path / "set/manifest.json").exists()


def test_a_correction_after_the_manifest_does_not_change_the_training_set(tmp_path: Path) -> None:
    uri = str(tmp_path)
    events = given(uri)
    quality(uri)
    write_labels(f"{uri}/g", [label_line(events[0].id, [77, 77])], LATER + dt.timedelta(hours=2))
    main(["training-set", f"{uri}/set/manifest.json", "--output", f"{uri}/set/train.parquet"])
    assert 77 not in {row["label"] for row in read(uri)}


def test_a_file_that_is_not_a_manifest_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.json").write_text('{"rows": 1}')
    assert main(["training-set", f"{tmp_path}/m.json", "--output", f"{tmp_path}/t.parquet"]) == 1
    assert "is not a manifest of a training set" in capsys.readouterr().err

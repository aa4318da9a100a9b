"""Parquet files that every reader takes, small and cheap to look into."""

import datetime as dt
import io
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture.encoding import EncodedObject
from capture.record import Matrix, Rows
from tests.capture.samples import encode, event, metadata, rows, table, values


def column_chunks(made: EncodedObject) -> dict[str, Any]:
    """Parquet's own counters of each column of the first row group."""
    group = pq.ParquetFile(io.BytesIO(made.body)).metadata.row_group(0)
    chunks = [group.column(position) for position in range(group.num_columns)]
    return {chunk.path_in_schema: chunk for chunk in chunks}


@pytest.fixture(scope="module")
def made() -> EncodedObject:
    draw = np.random.default_rng(3)
    texts = ["LGA", "JFK", "EWR"]
    many = [
        event(
            Rows(("x", "f", "n", "carrier", "flag", "l"), [
                (draw.random(), np.float32(draw.random()), np.int64(i), texts[i % 3], i % 2 == 0, [1.0, 2.0]) for i in range(20)
            ]),
            request={"city": texts[number % 3], "wind": 2.5},
            number=number,
        )
        for number in range(30)
    ]  # fmt: skip
    return encode(*many)


def test_all_is_zstd_in_one_row_group_with_statistics(made: EncodedObject) -> None:
    file = pq.ParquetFile(io.BytesIO(made.body))
    assert file.metadata.num_row_groups == 1
    assert {chunk.compression for chunk in column_chunks(made).values()} == {"ZSTD"}
    assert all(chunk.is_stats_set for chunk in column_chunks(made).values())
    times = column_chunks(made)["capture_event_time"].statistics
    assert times.min.isoformat() == "2026-01-01T12:00:00+00:00"


def test_text_and_what_comes_back_stand_in_dictionaries_and_all_else_is_plain(made: EncodedObject) -> None:
    chunks = column_chunks(made)
    for name in ("carrier", "city", "capture_event_id", "capture_model_name", "capture_endpoint_name", "n"):
        assert "RLE_DICTIONARY" in chunks[name].encodings, name
    for name in ("x", "f", "wind", "prediction", "l.list.element", "flag", "capture_event_time"):
        assert set(chunks[name].encodings) <= {"PLAIN", "RLE"}, name


@pytest.fixture(scope="module")
def repeating() -> EncodedObject:
    """Numbers and times of small sets, by item and by request, with nulls, extremes and zeros of both signs."""
    draw = np.random.default_rng(9)
    whole = [2**63 - 1, -(2**63), 0, 733]
    real = [-0.0, 0.0, 0.1, float("inf"), 5e-324]
    days = [dt.date(1969, 12, 31), dt.date(2013, 7, 1)]
    many = [
        event(
            Rows(("whole", "small", "large", "real", "single", "day", "score"), [
                (
                    None if item == 3 else np.int64(whole[(number + item) % 4]),
                    np.int8((number + item) % 5 - 2),
                    np.uint64(2**64 - 1 - (number * item) % 3),
                    real[(number * item) % 5],
                    np.float32((number + item) % 7 / 3),
                    days[(number + item) % 2],
                    draw.random(),
                ) for item in range(20)
            ]),
            request={
                "humid": float(number % 7) / 3,
                "spell": dt.datetime(2013, 7, 1 + number % 5, 12, 30, 0, 1, dt.UTC),
                "asked": float(number) / 3,
            },
            number=number,
        )
        for number in range(60)
    ]  # fmt: skip
    return encode(*many)


def test_numbers_and_times_that_come_back_stand_in_dictionaries(repeating: EncodedObject) -> None:
    chunks = column_chunks(repeating)
    for name in ("whole", "small", "large", "real", "single", "day", "humid", "spell", "capture_item_index"):
        assert "RLE_DICTIONARY" in chunks[name].encodings, name


def test_what_changes_to_new_values_only_is_plain(repeating: EncodedObject) -> None:
    """Be it with each row or with each event: a dictionary would cost bytes and time."""
    chunks = column_chunks(repeating)
    for name in ("score", "asked", "capture_event_time"):
        assert set(chunks[name].encodings) <= {"PLAIN", "RLE"}, name


@pytest.mark.parametrize("period", [2, 16, 19, 20, 200])
def test_values_that_come_back_in_any_rhythm_are_seen(period: int) -> None:
    values_ = np.arange(20_000) % period
    made = encode(event(Matrix(("slot",), values_.astype(np.int32).reshape(-1, 1))))
    assert "RLE_DICTIONARY" in column_chunks(made)["slot"].encodings
    assert values(made, "slot") == values_.tolist()


def test_an_object_of_few_rows_has_no_dictionaries_of_numbers() -> None:
    made = encode(*[event({"n": np.int64(number % 3)}, number=number) for number in range(500)])
    assert set(column_chunks(made)["n"].encodings) <= {"PLAIN", "RLE"}


def test_every_reader_finds_the_same_in_dictionaries(repeating: EncodedObject, tmp_path: Any) -> None:
    path = tmp_path / "captured.parquet"
    path.write_bytes(repeating.body)
    found = table(repeating)
    assert found["whole"].to_pylist()[:4] == [2**63 - 1, -(2**63), 0, None]
    assert found["large"].to_pylist()[21:23] == [2**64 - 2, 2**64 - 3]
    real = found["real"].to_pylist()
    assert real[20:25] == [-0.0, 0.0, 0.1, float("inf"), 5e-324]
    assert np.signbit(real[20:22]).tolist() == [True, False]
    assert found["spell"].to_pylist()[0] == dt.datetime(2013, 7, 1, 12, 30, 0, 1, dt.UTC)
    names = [name for name in found.schema.names if name not in ("spell", "capture_event_time")]
    rows_ = found.select(names).to_pylist()
    polars = pl.read_parquet(path)
    assert polars.select(names).to_dicts() == rows_
    assert polars["spell"].to_list() == found["spell"].to_pylist()
    with duckdb.connect() as connection:
        listed = ", ".join(f'"{name}"' for name in names)
        assert connection.sql(f"SELECT {listed} FROM '{path}'").to_arrow_table().to_pylist() == rows_
        spells = connection.sql(f"SELECT epoch_us(spell) FROM '{path}'").fetchall()
    assert [spell for (spell,) in spells] == found["spell"].cast(pa.int64()).to_pylist()
    frame = pd.read_parquet(path)
    assert frame["spell"].tolist() == [pd.Timestamp(spell) for spell in found["spell"].to_pylist()]
    for name in ("small", "large", "real", "single", "day", "humid", "score"):
        assert frame[name].tolist() == found[name].to_pylist(), name


def test_the_metadata_names_what_a_reader_must_know(made: EncodedObject) -> None:
    assert metadata(made) == {
        "capture.dataset_version": "1",
        "capture.writer_version": "0.1.0",
        "capture.request_columns": ["city", "wind"],
        "capture.prediction_columns": ["prediction"],
        "capture.json_columns": [],
        "capture.hashed_columns": [],
        "capture.renamed_features": {},
        "capture.events": "30",
    }
    nested = encode(event({"tags": ["a"], "x": 1}))
    assert metadata(nested)["capture.json_columns"] == ["tags"]


def test_a_long_text_of_a_request_is_stored_once_and_not_once_a_row() -> None:
    draw = np.random.default_rng(5)
    many, texts = [], list[str]()
    for number in range(10):
        texts.append(text := draw.integers(33, 126, 300_000, dtype=np.uint8).tobytes().decode())
        items = Matrix(("x",), draw.random((500, 1)))
        many.append(event(items, request={"prompt": text, "odd": number if number % 2 else text[:1000]}, number=number))
    made = encode(*many)
    assert len(made.body) < 4_000_000
    found = values(made, "prompt")
    assert len(found) == 5000
    assert (found[499], found[500]) == (texts[0], texts[1])
    assert str(table(made).schema.field("prompt").type) == "string"


def test_a_batch_beyond_all_measure_has_several_row_groups() -> None:
    names = tuple(f"f{number}" for number in range(400))
    many = [event(Matrix(names, np.zeros((10_000, 400), np.int8)), number=number) for number in range(5)]
    file = pq.ParquetFile(io.BytesIO(encode(*many).body))
    assert file.metadata.num_rows == 50_000
    assert file.metadata.num_row_groups == 2


def test_duckdb_pandas_polars_and_pyarrow_read_the_same(made: EncodedObject, tmp_path: Any) -> None:
    path = tmp_path / "captured.parquet"
    path.write_bytes(made.body)
    expected = table(made)
    plain = [name for name in expected.schema.names if name != "capture_event_time"]
    rows_ = expected.select(plain).to_pylist()
    assert pl.read_parquet(path).select(plain).to_dicts() == rows_
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT * EXCLUDE capture_event_time FROM '{path}'").to_arrow_table()
        assert found.to_pylist() == rows_
        types = dict(connection.sql(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{path}')").fetchall())
    assert types["capture_event_time"] == "TIMESTAMP WITH TIME ZONE"
    assert types["l"] == "DOUBLE[]"
    frame = pd.read_parquet(path)
    assert frame["capture_event_time"].iloc[0] == pd.Timestamp(expected["capture_event_time"][0].as_py())
    assert frame["carrier"].tolist() == expected["carrier"].to_pylist()
    assert frame["x"].tolist() == expected["x"].to_pylist()
    assert frame["flag"].dtype == np.dtype(bool)


def test_objects_of_one_endpoint_are_one_arrow_dataset(tmp_path: Any) -> None:
    import pyarrow.dataset as ds

    items: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"a": 1.5, "c": True}]
    for number, item in enumerate(items):
        made = encode(event(rows(item), number=number), batch=f"batch-{number}")
        path = tmp_path / made.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.body)
    whole = ds.dataset(tmp_path, format="parquet").to_table()
    assert whole["a"].to_pylist() == [1.0, 1.5]
    assert pa.types.is_timestamp(whole.schema.field("capture_event_time").type)

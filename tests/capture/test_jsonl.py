"""JSON Lines as the managed service writes them, and read back as the table that Parquet would have held."""

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture import dataset
from capture.encoding import EncodedObject, EncodingError
from capture.reading.captured_object import CapturedObject
from capture.reading.jsonl_reader import LineError, count_lines
from capture.record import ArrowBlock, Columns, Event, Matrix, Ragged, Rows
from tests.capture.samples import encode, event, predictions, rows, table


def lines(made: EncodedObject) -> list[dict[str, Any]]:
    """Every line of an object, parsed by the strict standard: no NaN, no infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in made.body.decode().splitlines()]


def inputs(made: EncodedObject) -> list[Any]:
    return [json.loads(line["captureData"]["endpointInput"]["data"]) for line in lines(made)]


def outputs(made: EncodedObject) -> list[Any]:
    return [json.loads(line["captureData"]["endpointOutput"]["data"]) for line in lines(made)]


def read(made: EncodedObject) -> CapturedObject:
    key = dataset.parse_object_key(made.key)
    assert key is not None
    return CapturedObject(key, made.body)


def test_a_line_is_the_managed_services() -> None:
    made = encode(
        event({"distance": 733, "carrier": "UA"}, inference_id="call-9", custom_attributes="trace=7"), format="jsonl"
    )
    (line,) = lines(made)
    assert made.key.endswith(".jsonl")
    assert {name: line[name] for name in line if name != "capture"} == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "application/json",
                "mode": "INPUT",
                "data": '{"distance":733,"carrier":"UA"}',
                "encoding": "JSON",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": '{"prediction":0.5}',
                "encoding": "JSON",
            },
        },
        "eventMetadata": {
            "eventId": "event-1",
            "customAttributes": ["trace=7"],
            "inferenceId": "call-9",
            "inferenceTime": "2026-01-01T12:00:01Z",
        },
        "eventVersion": "0",
    }


def test_what_is_unknown_is_left_out_of_the_metadata() -> None:
    (line,) = lines(encode(event({"a": 1}), format="jsonl"))
    assert set(line["eventMetadata"]) == {"eventId", "inferenceTime"}


def test_each_item_is_a_line_and_ids_carry_its_number_where_there_are_several() -> None:
    made = encode(event(rows({"a": 1}, {"a": 2}), inference_id="call"), event({"a": 3}, number=2), format="jsonl")
    found = [line["eventMetadata"] for line in lines(made)]
    assert [entry["eventId"] for entry in found] == ["event-1#0", "event-1#1", "event-2"]
    assert [entry.get("inferenceId") for entry in found] == ["call#0", "call#1", None]
    assert (made.rows, made.events, count_lines(made.body)) == (3, 2, 3)


def test_request_level_values_stand_in_every_line() -> None:
    made = encode(event(rows({"a": 1}, {"a": 2, }), request={"city": "Ro\"me\\", "a": 9}), format="jsonl")  # fmt: skip
    assert inputs(made) == [{"city": 'Ro"me\\', "a": 1}, {"city": 'Ro"me\\', "a": 2}]


def test_data_is_flat_and_knows_no_nan() -> None:
    value = {"n": float("nan"), "i": float("inf"), "l": [1, 2.5], "d": {"k": ["v"]}, "b": b"\x00", "x": np.float32(0.5),
             "t": dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC), "arr": np.array([1, 2]), "big": 2**64, "none": None}  # fmt: skip
    (found,) = inputs(encode(event(value), format="jsonl"))
    assert found == {
        "n": None, "i": None, "l": "[1,2.5]", "d": '{"k":["v"]}', "b": "AA==", "x": 0.5, "t": "2026-03-01T09:00:00Z",
        "arr": "[1,2]", "big": 2**64, "none": None,
    }  # fmt: skip


def test_every_block_is_written() -> None:
    arrow = pa.record_batch({"a": pa.array([7, None], pa.int8()), "b": pa.array(["v", "w"])})
    made = encode(
        event(Ragged([{"a": 1}, {"b": "y"}])),
        event(Columns(("a", "b"), [np.array([3.0, 4.0]), ["z", None]], 2)),
        event(Matrix(("a",), np.array([[5], [6]], order="F"))),
        event(ArrowBlock(arrow), Matrix(("0", "1"), np.array([[0.5, 1], [0.25, 2]]))),
        event(Rows((), [()]), request={"only": "the request"}),
        event(Columns(("t",), [np.array(["2026-03-01", "NaT"], "M8[ns]")], 2)),
        format="jsonl",
    )
    assert inputs(made) == [
        {"a": 1}, {"b": "y"}, {"a": 3.0, "b": "z"}, {"a": 4.0, "b": None}, {"a": 5}, {"a": 6}, {"a": 7, "b": "v"},
        {"a": None, "b": "w"}, {"only": "the request"}, {"t": "2026-03-01T00:00:00"}, {"t": None},
    ]  # fmt: skip
    assert outputs(made)[6:8] == [
        {"prediction_0": 0.5, "prediction_1": 1.0},
        {"prediction_0": 0.25, "prediction_1": 2.0},
    ]


def test_names_are_the_datasets() -> None:
    made = encode(event({"prediction": 1, "capture_event_id": 2}, rows({"risk": 0.5})), format="jsonl")
    assert inputs(made) == [{"feature_prediction": 1, "feature_capture_event_id": 2}]
    assert outputs(made) == [{"prediction_risk": 0.5}]
    assert made.counts.renamed == ("prediction", "capture_event_id")


def test_predictions_without_rows_are_kept_and_counted() -> None:
    made = encode(event(rows({"a": 1}, {"a": 2}), predictions(7)), format="jsonl")
    first, second = lines(made)
    assert first["capture"]["rescued_data"] == '{"prediction":[7]}'
    assert "endpointOutput" not in first["captureData"]
    assert "rescued_data" not in second["capture"]
    assert made.counts.row_mismatches == 1
    assert read(made).table()["capture_rescued_data"].to_pylist() == ['{"prediction":[7]}', None]


def test_a_request_that_would_fill_all_memory_is_refused_and_not_written() -> None:
    huge = event(Matrix(("a",), np.zeros((3000, 1))), request={"prompt": "x" * 100_000})
    with pytest.raises(EncodingError, match="3000 lines would each repeat 1000"):
        encode(huge, format="jsonl")
    assert encode(huge).rows == 3000


def test_polars_reads_the_lines(tmp_path: Any) -> None:
    made = encode(*[event(rows({"a": n}, {"a": n}), number=n) for n in range(50)], format="jsonl")
    path = tmp_path / "captured.jsonl"
    path.write_bytes(made.body)
    frame = pl.read_ndjson(path)
    assert frame.height == 100
    assert frame["eventMetadata"].struct.field("eventId").to_list()[:2] == ["event-0#0", "event-0#1"]


def test_pandas_reads_the_lines_as_awswrangler_does(tmp_path: Any) -> None:
    """`awswrangler.s3.read_json(lines=True)` hands its files to pandas' `read_json`."""
    made = encode(
        *[event(rows({"a": n}, {"a": -n}), inference_id=f"i{n}", number=n) for n in range(20)], format="jsonl"
    )
    path = tmp_path / "captured.jsonl"
    path.write_bytes(made.body)
    frame = pd.json_normalize([dict(row) for _, row in pd.read_json(path, lines=True).iterrows()])
    assert len(frame) == 40
    assert frame["eventMetadata.inferenceId"].tolist()[2:4] == ["i1#0", "i1#1"]
    assert set(frame["captureData.endpointInput.mode"]) == {"INPUT"}
    found = pd.DataFrame(frame["captureData.endpointInput.data"].map(json.loads).tolist())
    assert found["a"].tolist() == [value for n in range(20) for value in (n, -n)]


def test_lines_are_read_back_with_all_that_they_say() -> None:
    made = encode(
        event(
            rows({"a": 1, "b": None}, {"a": 2, "b": "x"}),
            request={"city": "Rome"},
            inference_id="call#1",
            custom_attributes="trace=7",
            ages={"weather": 2.5, "plane": None},
            missing={"plane": 3},
            model_name="other",
        ),
        event({"a": 3}, number=2),
        format="jsonl",
        model_version="12",
        sampling_percentage=10.0,
    )
    back = read(made)
    first, second, third = back.table().to_pylist()
    assert {name: first[name] for name in first if name.startswith("capture_")} == {
        "capture_event_id": "event-1",
        "capture_inference_id": "call#1",
        "capture_event_time": dt.datetime(2026, 1, 1, 12, 0, 1, tzinfo=dt.UTC),
        "capture_item_index": 0,
        "capture_item_count": 2,
        "capture_custom_attributes": "trace=7",
        "capture_endpoint_name": "flights",
        "capture_variant_name": "AllTraffic",
        "capture_model_name": "other",
        "capture_model_version": "12",
        "capture_sampling_percentage": 10.0,
        "capture_age_weather": 2.5,
        "capture_age_plane": None,
        "capture_missing_plane": 3,
        "capture_rescued_data": None,
    }
    assert [second[name] for name in ("a", "b", "city", "capture_item_index")] == [2.0, "x", "Rome", 1]
    assert (third["capture_event_id"], third["city"], third["capture_model_name"]) == ("event-2", None, "ranker")
    assert back.request_columns == ("city", "capture_age_plane", "capture_age_weather", "capture_missing_plane")
    assert back.prediction_columns == ("prediction",)


json_values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)  # fmt: skip
json_names = st.sampled_from(["a", "b", "ü", "prediction", 'quo"te\\', "d"])
items = st.lists(st.dictionaries(json_names, json_values, min_size=1, max_size=4), min_size=1, max_size=3)


@st.composite
def json_events(draw: st.DrawFn) -> list[Event]:
    made = []
    for number in range(draw(st.integers(1, 4))):
        given_items = draw(items)
        scores = draw(st.lists(st.floats(0, 1), min_size=len(given_items), max_size=len(given_items)))
        request = draw(st.none() | st.dictionaries(st.sampled_from(["r", "s"]), json_values, min_size=1))
        made.append(event(Ragged(given_items), predictions(*scores), request, number=number))
    return made


@settings(max_examples=100)
@given(json_events())
def test_what_json_can_say_comes_back_as_from_parquet(given_events: list[Event]) -> None:
    from_lines = read(encode(*given_events, format="jsonl"))
    from_parquet = table(encode(*given_events)).replace_schema_metadata()
    found = from_lines.table()
    assert set(found.schema.names) == set(from_parquet.schema.names)
    for name in found.schema.names:
        assert found[name].to_pylist() == from_parquet[name].to_pylist(), name


@pytest.mark.parametrize("body", [b"{}\n", b"not json\n", b'{"captureData":{"endpointInput":{"data":"x"}}}\n'])
def test_a_line_that_is_not_ours_is_named(body: bytes) -> None:
    key = dataset.ObjectKey("flights", "AllTraffic", 0, "b", "jsonl")
    with pytest.raises(LineError, match=r"line 1 of flights/AllTraffic/1970/01/01/00/b.jsonl is not one of ours"):
        CapturedObject(key, body)

"""Objects follow from their batch and from nothing else (DESIGN section 5)."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from capture.encoding import EncodingError, encode_objects
from capture.errors import CaptureError
from capture.record import Block, Columns, Event, Matrix, Ragged
from capture.sinks import SinkError
from tests.capture.samples import HOUR, NOON, encode, event, header, rows, table, values

ROOT = Path(__file__).resolve().parents[2]


def mixed_events() -> list[Event]:
    """Events of every block, with everything that could depend on an order or a chance."""
    draw = np.random.default_rng(7)
    made = []
    for number in range(60):
        blocks: list[Block] = [
            rows({"a": number, "b": f"text {number % 7}", "n": {"k": [number]}}),
            Ragged([{f"key-{number}": number, "a": "seven"}, {"b": None}]),
            Columns(("a", "b"), [draw.random(3), ["x", None, "y"]], 3),
            Matrix(("m", "a"), draw.random((4, 2))),
        ]
        made.append(
            event(
                blocks[number % 4], request={"city": f"c{number % 5}"}, number=number, time=NOON + number * HOUR // 20
            )
        )
    return made


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_the_same_batch_gives_the_same_bytes_in_any_process(form: str) -> None:
    code = (
        "import hashlib, sys\n"
        "from capture.encoding import encode_objects\n"
        "from tests.capture.samples import header\n"
        "from tests.capture.test_encoding import mixed_events\n"
        f"objects = encode_objects(header(format={form!r}), 'b', mixed_events())\n"
        "print([(made.key, hashlib.sha256(made.body).hexdigest()) for made in objects])\n"
    )
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
        outputs.add(done.stdout.strip())
    objects = encode_objects(header(format=form), "b", mixed_events())
    assert outputs == {str([(made.key, hashlib.sha256(made.body).hexdigest()) for made in objects])}
    assert len(objects) == 3


def test_each_hour_of_a_batch_is_one_object() -> None:
    times = [NOON + 5 * HOUR, NOON, NOON + HOUR - 1, NOON + HOUR, NOON + 59]
    objects = encode_objects(header(), "batch-7", (event({"a": 1}, time=time) for time in times))
    assert [made.key for made in objects] == [
        f"flights/AllTraffic/2026/01/01/{hour}/batch-7.parquet" for hour in (12, 13, 17)
    ]
    assert [(made.rows, made.events, made.event_times) for made in objects] == [
        (3, 3, (NOON, NOON + HOUR - 1)),
        (1, 1, (NOON + HOUR, NOON + HOUR)),
        (1, 1, (NOON + 5 * HOUR, NOON + 5 * HOUR)),
    ]
    assert {made.content_type for made in objects} == {"application/vnd.apache.parquet"}


def test_the_order_of_events_is_the_order_of_rows() -> None:
    made = encode(*[event({"a": number}, number=number) for number in (3, 1, 2)])
    assert values(made, "capture_event_id") == ["event-3", "event-1", "event-2"]


def test_the_fixed_columns_say_who_spoke_when() -> None:
    made = encode(
        event(rows({"a": 1}, {"a": 2}), inference_id="call-9", custom_attributes="trace=7", model_name="other.tar.gz"),
        event({"a": 3}, number=2),
        model_version="12",
        sampling_percentage=12.5,
    )
    first, _, last = table(made).to_pylist()
    assert {name: first[name] for name in first if name.startswith("capture_") and name != "capture_event_time"} == {
        "capture_event_id": "event-1",
        "capture_inference_id": "call-9",
        "capture_item_index": 0,
        "capture_item_count": 2,
        "capture_custom_attributes": "trace=7",
        "capture_endpoint_name": "flights",
        "capture_variant_name": "AllTraffic",
        "capture_model_name": "other.tar.gz",
        "capture_model_version": "12",
        "capture_sampling_percentage": 12.5,
        "capture_rescued_data": None,
    }
    assert first["capture_event_time"].isoformat() == "2026-01-01T12:00:01+00:00"
    assert (last["capture_inference_id"], last["capture_model_name"]) == (None, "ranker")
    fields = {field.name: str(field.type) for field in table(made).schema}
    assert fields["capture_event_time"] == "timestamp[us, tz=UTC]"
    assert fields["capture_item_index"] == fields["capture_item_count"] == "int32"
    assert fields["capture_model_version"].startswith("dictionary<values=string")


def test_an_event_that_cannot_be_encoded_is_said_and_the_others_can() -> None:
    good, bad = event({"a": 1}), event({"a": object()}, number=2)
    with pytest.raises(EncodingError, match="batch-1 cannot be encoded: TypeError"):
        encode(good, bad)
    assert encode(good).rows == 1


def test_an_error_of_the_events_source_is_not_the_encoders() -> None:
    def broken() -> object:
        yield event({"a": 1})
        raise SinkError("the journal is gone", retryable=True)

    with pytest.raises(CaptureError, match="the journal is gone") as caught:
        encode_objects(header(), "b", broken())  # type: ignore[arg-type]
    assert not isinstance(caught.value, EncodingError)

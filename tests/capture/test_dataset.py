"""The dataset's contract: keys, names and types mean the same to whoever writes and whoever reads."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture import dataset
from capture.dataset import LedgerKey, ObjectKey
from capture.encoding.column_types import named_type
from tests.capture.samples import NOON

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
TIMES = st.integers(0, 4_000_000_000_000_000)


@given(NAMES, NAMES, TIMES, NAMES, st.sampled_from(["parquet", "jsonl"]))
def test_a_key_is_read_as_it_was_written(endpoint: str, variant: str, time: int, batch: str, form: str) -> None:
    key = ObjectKey(endpoint, variant, dataset.hour_of(time), batch, form)
    assert dataset.parse_object_key(str(key)) == key


@given(NAMES, NAMES, TIMES, NAMES)
def test_a_ledgers_key_is_read_as_it_was_written(endpoint: str, variant: str, time: int, spool: str) -> None:
    key = LedgerKey(endpoint, variant, time - time % dataset.DAY, spool)
    assert dataset.parse_ledger_key(str(key)) == key
    assert dataset.parse_object_key(str(key)) is None


def test_the_layout_is_the_managed_services() -> None:
    assert str(ObjectKey("flights", "AllTraffic", NOON, "b", "parquet")) == "flights/AllTraffic/2026/01/01/12/b.parquet"
    assert str(LedgerKey("flights", "AllTraffic", NOON, "s")) == "_ledger/flights/AllTraffic/2026/01/01/s.json"


@pytest.mark.parametrize(
    "key",
    ["", "flights/AllTraffic/2026/01/01/12/b.csv", "flights/2026/01/01/12/b.parquet", "f/v/2026/13/01/12/b.parquet",
     "f/v/2026/01/01/24/b.parquet", "x/f/v/2026/01/01/12/b.parquet", "f/v/2026/01/01/12/.b.parquet.tmp"],
)  # fmt: skip
def test_what_is_no_key_of_ours_is_none(key: str) -> None:
    assert dataset.parse_object_key(key) is None


@pytest.mark.parametrize("name", [*dataset.FIXED_COLUMNS, "capture_rescued_data", "prediction", "prediction_risk",
                                  "capture_age_weather", "capture_missing_planes", "Prediction", "CAPTURE_EVENT_ID"])  # fmt: skip
def test_a_feature_never_takes_a_name_of_the_datasets_own(name: str) -> None:
    assert dataset.feature_column(name) == f"feature_{name}"


@pytest.mark.parametrize(
    "name", ["distance", "predictions", "capture", "capture_rate", "feature_prediction", "Tag-Nr 1"]
)
def test_any_other_feature_keeps_its_name(name: str) -> None:
    assert dataset.feature_column(name) == name


@pytest.mark.parametrize(
    ("arrow", "ours"),
    [
        (pa.bool_(), "bool"),
        (pa.int64(), "int64"),
        (pa.uint8(), "uint8"),
        (pa.float16(), "float"),
        (pa.float32(), "float"),
        (pa.float64(), "double"),
        (pa.string(), "string"),
        (pa.large_string(), "string"),
        (pa.string_view(), "string"),
        (pa.binary(), "string"),
        (pa.date32(), "date32[day]"),
        (pa.date64(), "date32[day]"),
        (pa.time32("s"), "time64[us]"),
        (pa.timestamp("ns"), "timestamp[us]"),
        (pa.timestamp("ms", "Europe/Rome"), "timestamp[us, tz=UTC]"),
        (pa.timestamp("us", "+02:00"), "timestamp[us, tz=UTC]"),
        (pa.duration("s"), "duration[us]"),
        (pa.decimal128(10, 2), "decimal128(10, 2)"),
        (pa.list_(pa.float32()), "list<float>"),
        (pa.large_list(pa.int64()), "list<int64>"),
        (pa.list_(pa.field("item", pa.float64(), nullable=False), 3), "list<double>"),
        (pa.list_(pa.string()), "json"),
        (pa.list_(pa.list_(pa.int8())), "json"),
        (pa.struct({"a": pa.int8()}), "json"),
        (pa.map_(pa.string(), pa.int8()), "json"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
    ],
)
def test_every_name_that_arrow_prints_is_a_type_of_ours(arrow: pa.DataType, ours: str) -> None:
    assert dataset.column_type(str(arrow)) == ours
    assert dataset.column_type(ours) == ours
    assert named_type(ours).arrow is not None


@pytest.mark.parametrize("name", ["", "integer", "int65", "list<>", "list<thing>", "decimal128(40, 2)", "timestamp"])
def test_what_is_no_type_is_none(name: str) -> None:
    assert dataset.column_type(name) is None


@given(TIMES)
def test_times_keep_their_microseconds(time: int) -> None:
    assert dataset.to_microseconds(dataset.to_datetime(time)) == time


def test_a_time_without_a_zone_is_utc() -> None:
    assert dataset.parse_time("2026-01-01T12:00") == dataset.to_datetime(NOON)
    assert dataset.parse_time("2026-01-01T13:00+01:00") == dataset.to_datetime(NOON)

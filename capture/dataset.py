"""The captured dataset, version 1: the names that its writer and every reader share. No input and output happens here.

Keys, below the destination's prefix:

    {endpoint}/{variant}/{yyyy}/{mm}/{dd}/{hh}/{batch}.parquet      or .jsonl
    _ledger/{endpoint}/{variant}/{yyyy}/{mm}/{dd}/{spool}.json

Columns: the `capture_` columns of `FIXED_COLUMNS`, one for each feature, `prediction` or `prediction_{output}`,
`capture_age_{group}` and `capture_missing_{group}`, and last `capture_rescued_data`. A feature whose name is one of
these is captured as `feature_{name}`: `feature_column` says under which name a feature stands.

`docs/dataset.md` is the reference for a person.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

DATASET_VERSION = 1

EVENT_ID = "capture_event_id"
INFERENCE_ID = "capture_inference_id"
EVENT_TIME = "capture_event_time"
ITEM_INDEX = "capture_item_index"
ITEM_COUNT = "capture_item_count"
CUSTOM_ATTRIBUTES = "capture_custom_attributes"
ENDPOINT_NAME = "capture_endpoint_name"
VARIANT_NAME = "capture_variant_name"
MODEL_NAME = "capture_model_name"
MODEL_VERSION = "capture_model_version"
SAMPLING_PERCENTAGE = "capture_sampling_percentage"
RESCUED_DATA = "capture_rescued_data"
AGE_PREFIX = "capture_age_"
MISSING_PREFIX = "capture_missing_"
PREDICTION = "prediction"

FIXED_COLUMNS = (
    EVENT_ID,
    INFERENCE_ID,
    EVENT_TIME,
    ITEM_INDEX,
    ITEM_COUNT,
    CUSTOM_ATTRIBUTES,
    ENDPOINT_NAME,
    VARIANT_NAME,
    MODEL_NAME,
    MODEL_VERSION,
    SAMPLING_PERCENTAGE,
)
"""The columns that every object has, in this order; `RESCUED_DATA` is the twelfth and stands last."""

MAX_NAME_BYTES = 255
"""Bytes of UTF-8 that a column's name may have."""

# Key-value metadata of a Parquet file. Lists are JSON arrays of column names.
METADATA_VERSION = "capture.dataset_version"
METADATA_WRITER = "capture.writer_version"
METADATA_REQUEST = "capture.request_columns"
METADATA_PREDICTIONS = "capture.prediction_columns"
METADATA_JSON = "capture.json_columns"
METADATA_HASHED = "capture.hashed_columns"
METADATA_RENAMED = "capture.renamed_features"
METADATA_EVENTS = "capture.events"

CONTENT_TYPES = {"parquet": "application/vnd.apache.parquet", "jsonl": "application/jsonlines"}
LEDGER_PREFIX = "_ledger"

MICROSECOND = dt.timedelta(microseconds=1)
HOUR = 3_600_000_000
DAY = 24 * HOUR
"""Microseconds of an hour and of a day."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_RESERVED = frozenset((*FIXED_COLUMNS, RESCUED_DATA, PREDICTION))
_RESERVED_PREFIXES = (f"{PREDICTION}_", AGE_PREFIX, MISSING_PREFIX)


def is_reserved(name: str) -> bool:
    """Whether `name`, in any case, is one of the dataset's own, so that a feature cannot have it."""
    lowered = name.lower()
    return lowered in _RESERVED or lowered.startswith(_RESERVED_PREFIXES)


def feature_column(name: str) -> str:
    """The column in which the feature `name` stands: its own name, or `feature_{name}` where that is reserved."""
    return f"feature_{name}" if is_reserved(name) else name


def prediction_column(output: str) -> str:
    """The column of an output: `prediction` for the unnamed one (`""`), else `prediction_{output}`."""
    return f"{PREDICTION}_{output}" if output else PREDICTION


def is_prediction(column: str) -> bool:
    """Whether a column of the dataset holds predictions."""
    return column == PREDICTION or column.startswith(f"{PREDICTION}_")


def to_datetime(microseconds: int) -> dt.datetime:
    """Microseconds since 1970 as a time in UTC."""
    return _EPOCH + microseconds * MICROSECOND


def to_microseconds(time: dt.datetime) -> int:
    """An aware time as microseconds since 1970 UTC."""
    return (time - _EPOCH) // MICROSECOND


def parse_time(text: str) -> dt.datetime:
    """The time in UTC of an ISO 8601 text; without a zone it is UTC. ValueError where `text` is none."""
    time = dt.datetime.fromisoformat(text)
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def hour_of(microseconds: int) -> int:
    """The start of the hour that holds this time, both in microseconds since 1970 UTC."""
    return microseconds - microseconds % HOUR


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """A captured object's place: `hour` is its start in microseconds since 1970 UTC, `format` the key's suffix."""

    endpoint: str
    variant: str
    hour: int
    batch: str
    format: str

    def __str__(self) -> str:
        return f"{hour_prefix(self.endpoint, self.variant, self.hour)}{self.batch}.{self.format}"


@dataclass(frozen=True, slots=True)
class LedgerKey:
    """A ledger's place: `day` is its start in microseconds since 1970 UTC."""

    endpoint: str
    variant: str
    day: int
    spool: str

    def __str__(self) -> str:
        return f"{ledger_prefix(self.endpoint, self.variant, self.day)}{self.spool}.json"


def hour_prefix(endpoint: str, variant: str, hour: int) -> str:
    """What the keys of an hour's objects begin with."""
    return f"{endpoint}/{variant}/{to_datetime(hour):%Y/%m/%d/%H}/"


def ledger_prefix(endpoint: str, variant: str, day: int) -> str:
    """What the keys of a day's ledgers begin with."""
    return f"{LEDGER_PREFIX}/{endpoint}/{variant}/{to_datetime(day):%Y/%m/%d}/"


_NAME = r"([^/]+)"
_DAY = r"(\d{4})/(\d{2})/(\d{2})"
_OBJECT = re.compile(rf"{_NAME}/{_NAME}/{_DAY}/(\d{{2}})/{_NAME}\.(parquet|jsonl)")
_LEDGER = re.compile(rf"{LEDGER_PREFIX}/{_NAME}/{_NAME}/{_DAY}/{_NAME}\.json")


def parse_object_key(key: str) -> ObjectKey | None:
    """The parts of a captured object's key below the destination; None where `key` is none."""
    found = _OBJECT.fullmatch(key)
    if found is None or found[1] == LEDGER_PREFIX:
        return None
    hour = _time(found, 3, 4)
    return None if hour is None else ObjectKey(found[1], found[2], hour, found[7], found[8])


def parse_ledger_key(key: str) -> LedgerKey | None:
    """The parts of a ledger's key below the destination; None where `key` is none."""
    found = _LEDGER.fullmatch(key)
    day = None if found is None else _time(found, 3, 3)
    return None if found is None or day is None else LedgerKey(found[1], found[2], day, found[6])


def _time(found: re.Match[str], first: int, count: int) -> int | None:
    try:
        return to_microseconds(dt.datetime(*map(int, found.groups()[first - 1 : first - 1 + count]), tzinfo=dt.UTC))  # type: ignore[misc,arg-type]
    except ValueError:
        return None


_SAME = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double", "string", "json",
}  # fmt: skip
_ALIASES = {
    "boolean": "bool", "float16": "float", "halffloat": "float", "float32": "float", "float64": "double",
    "str": "string", "utf8": "string", "large_string": "string", "large_utf8": "string", "string_view": "string",
    "binary": "string", "large_binary": "string", "binary_view": "string",
    "date32": "date32[day]", "date32[day]": "date32[day]", "date64": "date32[day]", "date64[ms]": "date32[day]",
}  # fmt: skip
_TIMESTAMP = re.compile(r"timestamp\[(?:s|ms|us|ns)(?:, ?(?:tz=)?([\w/+:-]+))?\]")
_TIME_OF_DAY = re.compile(r"time(?:32|64)\[(?:s|ms|us|ns)\]")
_DURATION = re.compile(r"duration\[(?:s|ms|us|ns)\]")
_DECIMAL = re.compile(r"decimal(?:32|64|128)?\((\d+), ?(\d+)\)")
_DICTIONARY = re.compile(r"dictionary<values=(.+?), indices=.*>")
_LIST = re.compile(r"(?:large_|fixed_size_)?list(?:_view)?<(?:\w+: )?(.+?)(?: not null)?>(?:\[\d+\])?")
_NUMBERS = re.compile(r"u?int(?:8|16|32|64)|float|double")


def column_type(name: str) -> str | None:
    """The dataset's type for an Arrow type's name, as `[types]` gives it; None where `name` is no Arrow type.

    The answer is one of `bool`, `int8` … `uint64`, `float`, `double`, `string`, `date32[day]`, `time64[us]`,
    `timestamp[us]`, `timestamp[us, tz=UTC]`, `duration[us]`, `decimal128(p, s)`, `list<T>` of numbers, and `json`
    (nested values as text; structs, maps and other lists become it). So the names that Arrow prints for a training
    set's columns all mean what the captured column can hold.
    """
    name = name.strip()
    if name in _SAME:
        return name
    if name in _ALIASES:
        return _ALIASES[name]
    if found := _TIMESTAMP.fullmatch(name):
        return "timestamp[us, tz=UTC]" if found[1] else "timestamp[us]"
    if _TIME_OF_DAY.fullmatch(name):
        return "time64[us]"
    if _DURATION.fullmatch(name):
        return "duration[us]"
    if found := _DECIMAL.fullmatch(name):
        precision, scale = int(found[1]), int(found[2])
        return f"decimal128({precision}, {scale})" if scale <= precision and 1 <= precision <= 38 else None
    if found := _DICTIONARY.fullmatch(name):
        return column_type(found[1])
    if found := _LIST.fullmatch(name):
        element = column_type(found[1])
        if element is None:
            return None
        return f"list<{element}>" if _NUMBERS.fullmatch(element) else "json"
    if name.startswith(("struct<", "map<")) and name.endswith(">"):
        return "json"
    return None

"""What a record is, before it is written and after it has been read back.

A *record* is one append, one event, one request; a *row* is one of its items. On the way in, a caller may split what
the model saw into `Features(request=…, items=…)` and say what a store answered with `Lookup`. On the way out, the
journal's reader (`frame.py`) yields one `Event` for each committed record, and `Header`, which says everything else
that a captured object's key and bytes depend on.

An event's values stand in *blocks*: the names of some columns and their values for n rows, kept in the form in which
the writer received them, so that neither side pays for turning a matrix into a million Python objects.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from capture.config_checks import DESTINATION, FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Features:
    """What `features_fn` may return: request-level values once, item-level values a row each.

    `request` maps names to the values that all items of the request share; `items` is anything that `append` takes as
    features. `predict_fn` receives this very object.
    """

    request: Mapping[str, Any] = field(default_factory=dict)
    items: Any = None


class Lookup(msgspec.Struct, frozen=True):
    """What a feature store answered for one feature group during a request.

    `oldest_event_time` is the event time of the oldest record found, in seconds since 1970 UTC, None where none has
    one; `missing` counts the ids that the store did not have.
    """

    oldest_event_time: float | None = None
    missing: int = 0


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a captured object's key and bytes depend on beside its records; every segment carries it.

    `types` maps feature names to Arrow type names (`[types]` of `capture.toml`); `hashed` names the features that
    were captured as HMAC-SHA256 (globs as set; string columns, exempt from type checks).
    """

    destination: str
    format: str
    endpoint_name: str
    variant_name: str
    model_name: str
    model_version: str | None
    kms_key_id: str | None
    sampling_percentage: float
    max_columns: int
    types: dict[str, str]
    hashed: tuple[str, ...]
    writer_version: str

    def __post_init__(self) -> None:
        """Raises ValueError for what this version cannot ship: an unknown format, a destination or name it cannot use.

        Decoding raises `msgspec.ValidationError` for it, so that such a segment is quarantined and the others are shipped.
        """
        if self.format not in FORMATS:
            raise ValueError(f"format {self.format!r} is unknown")
        if not DESTINATION.fullmatch(self.destination):
            raise ValueError(f"destination {self.destination!r} is unknown")
        if any(not name or "/" in name for name in (self.endpoint_name, self.variant_name)):
            raise ValueError(f"{self.endpoint_name!r} and {self.variant_name!r} cannot be parts of a key")


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names, the second of a name as `{name}.1`, the third as `{name}.2`."""
    if len(set(names)) == len(names):
        return names
    found: dict[str, None] = {}
    for name in names:
        free, count = name, 0
        while free in found or (count and free in names):
            count += 1
            free = f"{name}.{count}"
        found[free] = None
    return tuple(found)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Returns whether a feature's name is one of the names and globs of `CAPTURE_EXCLUDE` or `CAPTURE_HASH`.

    Case, spaces at the ends and the Unicode form of a character make no difference.
    """
    if not patterns:
        return False
    folded = _folded(name)
    return any(fnmatchcase(folded, _folded(pattern)) for pattern in patterns)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


@dataclass(slots=True)
class Rows:
    """Mappings that share their names: Python values row by row, `rows[i][j]` belongs to `names[j]`.

    Records with the same columns share one `names` object within a segment, so that grouping by identity is cheap.
    """

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(slots=True)
class Ragged:
    """Mappings whose names differ from row to row."""

    rows: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(slots=True)
class Columns:
    """Columns by name: each an array of one type, or a list of Python values, all of one length.

    `undecided` columns are one row whose values are lists where the event has one prediction. `names` may be shorter-lived than `Rows.names`: compare by value. Arrays may view mapped memory: copy what outlives
    the batch.
    """

    names: tuple[str, ...]
    columns: list[np.ndarray[Any, Any] | list[Any] | pa.Array]
    length: int
    undecided: bool = False

    def __len__(self) -> int:
        return self.length


@dataclass(slots=True)
class Matrix:
    """One array of shape (n rows, k names), one dtype, in C or F order; views mapped memory."""

    names: tuple[str, ...]
    array: np.ndarray[Any, Any]

    def __len__(self) -> int:
        return len(self.array)


@dataclass(slots=True)
class ArrowBlock:
    """An Arrow record batch, as the caller gave it."""

    batch: pa.RecordBatch

    def __len__(self) -> int:
        return int(self.batch.num_rows)


Block = Rows | Ragged | Columns | Matrix | ArrowBlock


@dataclass(slots=True)
class Event:
    """One committed record, read back.

    `request` holds at most one row. `predictions` names its outputs as the caller did: one unnamed output is `""`
    (column `prediction`), k unnamed ones are `"0"` … `str(k - 1)`, others are `prediction_{name}`. Where
    `len(predictions) != len(items)` the event is a *row mismatch* (DESIGN section 4).
    `event_time` is in microseconds since 1970 UTC. `ages` and `missing` are by feature group: seconds, None where no
    record found had an event time; and ids that the store did not have. `number` counts this writer's kept records
    from 1.
    """

    writer: str
    number: int
    event_id: str
    event_time: int
    inference_id: str | None
    custom_attributes: str | None
    model_name: str | None
    ages: dict[str, float | None]
    missing: dict[str, int]
    request: Block | None
    items: Block
    predictions: Block

"""Training–serving skew: captured values against values rebuilt from the offline store, cell by cell.

Each cell is in one class:

- *equal*: captured and rebuilt are the same, and a training set would hold the same value.
- *late*: captured and rebuilt are the same, but the documented query finds a record that arrived after the request; a
  training set holds a value that the endpoint could not have seen.
- *missing*: the store had no record of this id at the request, and the captured value is null.
- *expired*: the record was older than the time to live, and the captured value is null.
- *ambiguous*: two records have the same event time and different values, and the captured value is one of them.
- *different*: nothing of this explains the captured value. This is skew.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.errors import UsageError
from monitoring.time_travel.as_known import LookupResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from monitoring.time_travel.rebuild import Rebuilt

EXAMPLES = 5


class CellClass(StrEnum):
    """How a captured cell compares with the rebuilt one."""

    EQUAL = "equal"
    LATE = "late"
    MISSING = "missing"
    EXPIRED = "expired"
    AMBIGUOUS = "ambiguous"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class FeatureSkew:
    """The cells of one feature by class, and the event ids of at most five cells of each class but *equal*."""

    group: str
    feature: str
    column: str
    counts: dict[CellClass, int]
    examples: dict[CellClass, tuple[str, ...]]


def compare(captured: pa.Table, rebuilt: Sequence[Rebuilt], event_ids: pa.ChunkedArray) -> list[FeatureSkew]:
    """Returns the comparison of every feature of every group.

    `captured` and `event_ids` have the rows of the requests that were rebuilt, in their order. Raises UsageError where a
    feature's column was not captured.
    """
    found: list[FeatureSkew] = []
    for answer in rebuilt:
        if answer.training is None:
            raise ValueError("the histories were read without the training rule: pass with_training=True")
        for feature, column in answer.group.features.items():
            if column not in captured.column_names:
                raise UsageError(
                    f"feature {feature!r} of group {answer.group.name} should stand in the column {column!r}, which was not "
                    f"captured; there are {', '.join(captured.column_names)}"
                )
            classes = classify(
                captured[column], answer.features[feature], answer.training[feature], answer.found
            )  # fmt: skip
            found.append(_summary(answer.group.name, feature, column, classes, event_ids))
    return found


def classify(
    captured: pa.ChunkedArray, known: pa.ChunkedArray, trained: pa.ChunkedArray, found: pa.ChunkedArray
) -> npt.NDArray[np.str_]:
    """Returns the class of each cell. All four have one length; `found` holds `LookupResult` values."""
    with_known, with_trained = same(captured, known), same(captured, trained)
    empty = _booleans(pc.is_null(captured, nan_is_null=True))
    states = np.asarray(found.to_pylist())
    cells = np.full(len(states), CellClass.DIFFERENT.value, dtype="<U9")
    cells[(states == LookupResult.RECORD) & with_known & with_trained] = CellClass.EQUAL
    cells[(states == LookupResult.RECORD) & with_known & ~with_trained] = CellClass.LATE
    cells[(states == LookupResult.MISSING) & empty] = CellClass.MISSING
    cells[(states == LookupResult.EXPIRED) & empty] = CellClass.EXPIRED
    cells[(states == LookupResult.AMBIGUOUS) & (with_known | with_trained)] = CellClass.AMBIGUOUS
    return cells


def same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Returns where two columns hold the same value: null and NaN are one, numbers are compared in the narrower type."""
    if _is_number(left.type) and _is_number(right.type):
        narrow = pa.float32() if pa.float32() in (left.type, right.type) else pa.float64()
        left, right = left.cast(narrow, safe=False), right.cast(narrow, safe=False)
    elif left.type != right.type:
        left, right = left.cast(pa.string()), right.cast(pa.string())
    none = _booleans(pc.is_null(left, nan_is_null=True)), _booleans(pc.is_null(right, nan_is_null=True))
    return (none[0] & none[1]) | _booleans(pc.fill_null(pc.equal(left, right), False))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _booleans(values: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(values.to_numpy(), dtype=bool)


def _summary(
    group: str, feature: str, column: str, classes: npt.NDArray[np.str_], event_ids: pa.ChunkedArray
) -> FeatureSkew:
    counts = {kind: int(np.count_nonzero(classes == kind)) for kind in CellClass}
    examples: dict[CellClass, tuple[str, ...]] = {}
    for kind in CellClass:
        rows = np.flatnonzero(classes == kind)
        if kind is not CellClass.EQUAL and len(rows):
            names = dict.fromkeys(str(event_ids[int(row)].as_py()) for row in rows[: 50 * EXAMPLES])
            examples[kind] = tuple(names)[:EXAMPLES]
    return FeatureSkew(group, feature, column, counts, examples)

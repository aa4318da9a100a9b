"""Two captures of the same events, compared: which predictions differ, by how much, and which ranks change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capture import dataset

if TYPE_CHECKING:
    import numpy.typing as npt

EXAMPLES = 5
_KEYS = [(dataset.EVENT_ID, "ascending"), (dataset.ITEM_INDEX, "ascending")]


class ColumnDifference(msgspec.Struct, frozen=True):
    """One prediction column. Differences are absolute, over rows in which both sides have a number; None without any."""

    name: str
    rows: int
    equal: int
    largest: float | None
    mean: float | None


class RankDifference(msgspec.Struct, frozen=True):
    """How the order of the items of an event changes, by one column, the greatest value first.

    `events` have two items or more. `moved_items` counts items whose rank differs, `mean_move` is the mean change of rank over
    all items, `first_changed` counts events whose first item is another. `examples` are the events that move most.
    """

    column: str
    events: int
    changed_events: int
    items: int
    moved_items: int
    mean_move: float
    largest_move: int
    first_changed: int
    examples: tuple[str, ...]


class ReplayComparison(msgspec.Struct, frozen=True):
    """All that differs. `only_captured` and `only_replayed` count rows without a partner."""

    rows: int
    only_captured: int
    only_replayed: int
    columns: tuple[ColumnDifference, ...]
    ranks: RankDifference | None

    @property
    def identical(self) -> bool:
        """Returns whether every captured prediction has the same bits in the replay."""
        return not self.only_captured and not self.only_replayed and all(c.equal == c.rows for c in self.columns)


def compare(captured: pa.Table, replayed: pa.Table, rank_by: str | None = None) -> ReplayComparison:
    """Returns the comparison of two tables with event ids, item indexes and prediction columns.

    `rank_by` names the column that orders an event's items; the first numeric prediction where None.
    """
    left, right = captured.sort_by(_KEYS), replayed.sort_by(_KEYS)
    left_keys, right_keys = _keys(left), _keys(right)
    left_rows = np.flatnonzero(np.isin(left_keys, right_keys))
    right_rows = np.flatnonzero(np.isin(right_keys, left_keys))
    matched_left, matched_right = left.take(pa.array(left_rows)), right.take(pa.array(right_rows))
    names = [name for name in left.column_names if dataset.is_prediction(name)]
    names += [name for name in right.column_names if dataset.is_prediction(name) and name not in names]
    columns = tuple(_difference(name, matched_left, matched_right) for name in names)
    chosen = rank_by or next((name for name in names if _is_number(matched_left, name)), None)
    ranks = None
    if chosen is not None and _is_number(matched_left, chosen) and _is_number(matched_right, chosen):
        ranks = _ranks(chosen, matched_left, matched_right)
    return ReplayComparison(
        len(left_rows), left.num_rows - len(left_rows), right.num_rows - len(right_rows), columns, ranks
    )


def _keys(table: pa.Table) -> npt.NDArray[np.str_]:
    texts = pc.binary_join_element_wise(table[dataset.EVENT_ID], table[dataset.ITEM_INDEX].cast(pa.string()), "#")
    return np.asarray(texts.to_pylist(), dtype=str)


def _is_number(table: pa.Table, name: str) -> bool:
    if name not in table.column_names:
        return False
    kind = table.schema.field(name).type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _difference(name: str, left: pa.Table, right: pa.Table) -> ColumnDifference:
    rows = left.num_rows
    if name not in left.column_names or name not in right.column_names:
        return ColumnDifference(name, rows, 0, None, None)
    one, other = left[name], right[name]
    if not (_is_number(left, name) and _is_number(right, name)):
        texts = one.cast(pa.string()) if one.type != other.type else one, other.cast(one.type) if one.type == other.type else other.cast(pa.string())  # fmt: skip
        same = np.asarray([a == b for a, b in zip(texts[0].to_pylist(), texts[1].to_pylist(), strict=True)], dtype=bool)
        return ColumnDifference(name, rows, int(same.sum()), None, None)
    a, b = _doubles(one), _doubles(other)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    both = np.isfinite(a) & np.isfinite(b)
    gaps = np.abs(a[both] - b[both])
    return ColumnDifference(
        name,
        rows,
        int(same.sum()) if one.type == other.type else 0,
        float(gaps.max()) if len(gaps) else None,
        float(gaps.mean()) if len(gaps) else None,
    )


def _doubles(values: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _ranks(column: str, left: pa.Table, right: pa.Table) -> RankDifference:
    """Ranks by event: rows are sorted by event and item, so one sort by (event, value) ranks all events at once."""
    ids = np.asarray(left[dataset.EVENT_ID].to_pylist(), dtype=str)
    if not len(ids):
        return RankDifference(column, 0, 0, 0, 0, 0.0, 0, 0, ())
    first = np.r_[True, ids[1:] != ids[:-1]]
    event = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    one, other = (_rank(event, starts, _doubles(table[column])) for table in (left, right))
    moves = np.abs(one - other)
    largest = np.maximum.reduceat(moves, starts)
    sizes = np.diff(np.r_[starts, len(ids)])
    several = sizes > 1
    leads = np.add.reduceat(((one == 0) & (other != 0)).astype(np.int64), starts)
    order = np.argsort(-largest, kind="stable")[:EXAMPLES]
    return RankDifference(
        column=column,
        events=int(several.sum()),
        changed_events=int(np.count_nonzero(largest[several])),
        items=int(sizes[several].sum()),
        moved_items=int(np.count_nonzero(moves)),
        mean_move=float(moves.mean()),
        largest_move=int(moves.max()),
        first_changed=int(np.count_nonzero(leads)),
        examples=tuple(str(ids[starts[at]]) for at in order if largest[at]),
    )


def _rank(
    event: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    order = np.lexsort((np.arange(len(values)), -np.nan_to_num(values, nan=-np.inf), event))
    ranks = np.empty(len(values), np.int64)
    ranks[order] = np.arange(len(values))
    return ranks - starts[event]

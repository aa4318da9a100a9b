"""The common form of all labels, and labels in Parquet and CSV tables.

A table's columns: the event's id (`inference_id`, `event_id`, their Model Monitor spellings, or `id`), the label, and
where wanted the item's index or key and the time at which the label became known.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.errors import UsageError
from monitoring.quality.set_aside import ExclusionReason, SetAside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.quality.label_lines import Label
    from monitoring.quality.problem import Question

ID_COLUMNS = ("inference_id", "capture_inference_id", "inferenceId", "event_id", "capture_event_id", "eventId", "id")
ITEM_COLUMNS = ("item_index", "capture_item_index", "itemIndex", "item")
TIME_COLUMNS = ("label_time", "labelTime")
_ITEM_OF_ID = r"^(?P<base>.*)#(?P<item>[0-9]{1,9})$"
_NUMBER = r"^\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*$"


def label_schema(text_labels: bool) -> pa.Schema:
    """Returns the schema of labels in their common form.

    `seq` orders labels by arrival; `line` is shared by the labels of one array; `id` is the event's id, `raw_id` the id as
    written where that ends in `#item`; `whole` marks a label that names no item; `array` is the length of its array.
    """
    return pa.schema(
        [
            ("seq", pa.int64()),
            ("line", pa.int64()),
            ("id", pa.string()),
            ("raw_id", pa.string()),
            ("item", pa.int32()),
            ("whole", pa.bool_()),
            ("item_key", pa.string()),
            ("label", pa.string() if text_labels else pa.float64()),
            ("arrived", pa.timestamp("us", "UTC")),
            ("array", pa.int32()),
        ]
    )


def table_of_labels(
    found: Sequence[Label], lines: Sequence[int], seq: int, arrived: dt.datetime, question: Question, aside: SetAside
) -> pa.RecordBatch:
    """Returns labels of lines in their common form; `lines[i]` is the number of the line of `found[i]`."""
    items = pa.array([label.item for label in found], pa.int32())
    return _common(
        pa.array([label.id for label in found], pa.string()),
        items,
        canonical_text(pa.array([label.key for label in found], pa.string())),
        pa.array([_text(label.value) for label in found], pa.string()),
        pa.array(np.full(len(found), arrived.timestamp() * 1e6, np.int64)).cast(pa.timestamp("us", "UTC")),
        pa.array([label.array for label in found], pa.int32()),
        np.asarray(lines, np.int64) + seq,
        seq,
        question,
        aside,
    )


def table_of_columns(
    batch: pa.RecordBatch | pa.Table, where: str, seq: int, arrived: dt.datetime, question: Question, aside: SetAside
) -> pa.RecordBatch:
    """Returns the rows of a Parquet or CSV table in the common form of labels.

    `where` names the file in messages. Raises UsageError where the table has no column for the id or the label.
    """
    names = batch.schema.names
    id_column = _one_of(names, ID_COLUMNS, where, "the event's id")
    if question.label not in names:
        raise UsageError(
            f"{where} has no column {question.label!r}: name the label with --label, one of {', '.join(names)}"
        )
    item_column = next((name for name in ITEM_COLUMNS if name in names), None)
    time_column = next((name for name in TIME_COLUMNS if name in names), None)
    rows = batch.num_rows
    ids = _flat(batch.column(id_column)).cast(pa.string())
    for other in ID_COLUMNS:  # a second id column fills the gaps of the first
        if other != id_column and other in names:
            ids = pc.coalesce(ids, _flat(batch.column(other)).cast(pa.string()))
    items = pa.nulls(rows, pa.int32()) if item_column is None else _flat(batch.column(item_column)).cast(pa.int32())
    keyed = question.item_key is not None and question.item_key in names
    keys = canonical_text(_flat(batch.column(question.item_key))) if keyed else pa.nulls(rows, pa.string())
    times = pa.array(np.full(rows, arrived.timestamp() * 1e6, np.int64)).cast(pa.timestamp("us", "UTC"))
    if time_column is not None:
        times = pc.coalesce(_flat(batch.column(time_column)).cast(pa.timestamp("us", "UTC")), times)
    return _common(
        ids, items, keys, _flat(batch.column(question.label)), times, pa.nulls(rows, pa.int32()),
        np.arange(rows, dtype=np.int64) + seq, seq, question, aside,
    )  # fmt: skip


def _common(
    ids: pa.Array, items: pa.Array, keys: pa.Array, labels: pa.Array, arrived: pa.Array, arrays: pa.Array,
    lines: Any, seq: int, question: Question, aside: SetAside,
) -> pa.RecordBatch:  # fmt: skip
    """Checks ids and values, sets aside what is wrong, and splits `{id}#{item}`."""
    values = label_values(labels, question)
    has_id = pc.and_(pc.is_valid(ids), pc.not_equal(pc.fill_null(ids, ""), ""))
    null_label = pc.is_null(labels, nan_is_null=pa.types.is_floating(labels.type))
    wrong = pc.and_(pc.is_null(values), pc.invert(null_label))
    _count(aside, ExclusionReason.NO_ID, pc.invert(has_id), labels)
    _count(aside, ExclusionReason.NO_VALUE, pc.and_(has_id, null_label), ids)
    _count(aside, ExclusionReason.WRONG_TYPE, pc.and_(has_id, wrong), labels)
    bare, raw, place = _split_ids(ids, items, keys)
    rows = len(ids)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(np.arange(rows, dtype=np.int64) + seq),
            pa.array(lines),
            bare,
            raw,
            pc.fill_null(place, 0),
            pc.and_(pc.is_null(place), pc.is_null(keys)),
            keys,
            values,
            arrived,
            arrays,
        ],
        schema=label_schema(question.text_labels),
    )
    return batch.filter(pc.and_(has_id, pc.is_valid(values)))


def _split_ids(ids: pa.Array, items: pa.Array, keys: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Returns (id without its item, id as written where it was split, item) of each label."""
    nothing = pa.nulls(len(ids), pa.string())
    if not pc.any(pc.match_substring(ids, "#")).as_py():
        return ids, nothing, items
    split = pc.extract_regex(ids, _ITEM_OF_ID)
    both = pc.and_(pc.is_valid(split), pc.and_(pc.is_null(items), pc.is_null(keys)))
    bare = pc.if_else(both, pc.struct_field(split, "base"), ids)
    return (
        bare,
        pc.if_else(both, ids, nothing),
        pc.if_else(both, pc.struct_field(split, "item").cast(pa.int32()), items),
    )


def label_values(labels: pa.Array, question: Question) -> pa.Array:
    """Returns labels as doubles, or as text for class names; null where a value does not fit the problem.

    Binary labels are 0 and 1 (booleans and their texts too), or `question.positive` and anything else. Whole numbers that
    name classes are written without a fraction. NaN and infinities are null.
    """
    if question.text_labels:
        return canonical_text(labels)
    if question.positive is not None:
        return pc.cast(pc.equal(canonical_text(labels), question.positive), pa.float64())
    numbers = as_numbers(labels)
    if str(question.problem) == "binary":
        fits = pc.or_(pc.equal(numbers, 0.0), pc.equal(numbers, 1.0))
        return pc.if_else(pc.fill_null(fits, False), numbers, pa.nulls(len(numbers), pa.float64()))
    return numbers


def as_numbers(values: pa.Array) -> pa.Array:
    """Returns an array as finite doubles; text that is not a number becomes null, `true` and `false` become 1 and 0."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        lowered = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        lowered = pc.if_else(pc.equal(lowered, "true"), "1", pc.if_else(pc.equal(lowered, "false"), "0", lowered))
        fits = pc.fill_null(pc.match_substring_regex(lowered, _NUMBER), False)
        numbers = pc.if_else(fits, lowered, pa.nulls(len(values), values.type)).cast(pa.float64())
    elif pa.types.is_boolean(values.type):
        numbers = values.cast(pa.int8()).cast(pa.float64())
    elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        numbers = values.cast(pa.float64(), safe=False)
    else:
        numbers = pa.nulls(len(values), pa.float64())
    return pc.if_else(pc.fill_null(pc.is_finite(numbers), False), numbers, pa.nulls(len(numbers), pa.float64()))


def canonical_text(values: pa.Array) -> pa.Array:
    """Returns class names as text: `3` for 3, 3.0 and "3.0"; booleans as `1` and `0`."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_boolean(values.type):
        return values.cast(pa.int8()).cast(pa.string())
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_finite(values), values, pa.nulls(len(values), values.type))
    text = values.cast(pa.string())
    if text.null_count == len(text):
        return text
    whole = pc.fill_null(pc.match_substring_regex(text, r"^-?[0-9]+\.0+$"), False)
    return pc.if_else(whole, pc.replace_substring_regex(text, r"\.0+$", ""), text)


def _text(value: Any) -> str:
    return ("1" if value else "0") if isinstance(value, bool) else str(value)


def _flat(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _one_of(names: Sequence[str], wanted: Sequence[str], where: str, what: str) -> str:
    found = next((name for name in wanted if name in names), None)
    if found is None:
        raise UsageError(f"{where} has no column for {what}: name it one of {', '.join(wanted)}")
    return found


def _count(aside: SetAside, reason: ExclusionReason, mask: pa.Array, shown: pa.Array) -> None:
    count = pc.sum(mask.cast(pa.int64())).as_py() or 0
    if count:
        chosen = shown.filter(mask).slice(0, 5).to_pylist()
        for value in chosen:
            aside.add(reason, repr(value))
        aside.counts[reason] += count - len(chosen)

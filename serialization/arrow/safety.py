"""What a table that a stranger sent must be before a model sees it: known types, valid in full, bounded when unfolded.

Arrow trusts its offsets, lengths and indices; a reader that does not validate them reads beyond its memory. Types are
those with a plain form: numbers, booleans, text, bytes, times, decimals, and lists, structs, maps and dictionaries of
them. Text views become text; an extension type becomes what it is stored as.
"""

import json
import re
from collections import Counter
from typing import Any

import numpy
import pyarrow
import pyarrow.compute
from pyarrow import types

from serialization.errors import DecodeError
from serialization.limits import Limits

_NAMELESS_INDEX = re.compile(r"__index_level_[0-9]+__")
#: What pyarrow raises for a body that is not what it should be.
FAILURES = (pyarrow.ArrowException, OSError, ValueError, TypeError, LookupError, MemoryError, OverflowError)

_LEAVES = (
    types.is_null,
    types.is_boolean,
    types.is_integer,
    types.is_floating,
    types.is_decimal,
    types.is_string,
    types.is_large_string,
    types.is_binary,
    types.is_large_binary,
    types.is_fixed_size_binary,
    types.is_date,
    types.is_time,
    types.is_timestamp,
    types.is_duration,
)


def check_schema(schema: Any, limits: Limits) -> None:
    """Refuse types without a plain form, nesting beyond the limit, and columns of one name. Raises DecodeError."""
    names = schema.names
    if len(names) > limits.max_columns:
        raise DecodeError(f"the table has {len(names)} columns; at most {limits.max_columns} are read")
    if len(set(names)) != len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise DecodeError(f"the table has two columns {twice[:60]!r}; give each a name of its own")
    for field in schema:
        kind = field.type
        if isinstance(kind, pyarrow.BaseExtensionType):
            kind = kind.storage_type
        if not (types.is_string_view(kind) or types.is_binary_view(kind)):
            _check_type(kind, field.name, limits.max_depth)


def check_size(table: Any, limits: Limits) -> None:
    """Refuse a table that is not valid, or too large once its dictionaries are unfolded. Raises DecodeError."""
    table.validate(full=True)
    unfolded = sum(_unfolded(chunk) for column in table.columns for chunk in column.chunks)
    if unfolded > limits.max_expanded_bytes:
        raise DecodeError(
            f"the table unfolds to {unfolded} bytes; the limit is {limits.max_expanded_bytes}; send fewer rows"
        )


def without_views(schema: Any) -> Any:
    """A schema whose text and binary views are text and binary."""
    for at, field in enumerate(schema):
        if types.is_string_view(field.type) or types.is_binary_view(field.type):
            schema = schema.set(at, field.with_type(_without_view(field.type)))
    return schema


def _without_view(kind: Any) -> Any:
    return pyarrow.string() if types.is_string_view(kind) else pyarrow.binary()


def without_index(table: Any) -> Any:
    """A table without the nameless indexes that pandas wrote into it as columns (`__index_level_0__`)."""
    try:
        listed = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        indexes = [name for name in listed if isinstance(name, str) and _NAMELESS_INDEX.fullmatch(name)]
    except (ValueError, LookupError, TypeError, RecursionError):
        return table
    dropped = set(indexes)
    kept = [name for name in table.column_names if name not in dropped]
    return table.select(kept) if 0 < len(kept) < table.num_columns else table


def one_batch(table: Any, limits: Limits) -> Any:
    """A table as one validated `RecordBatch` without metadata and without pandas' index. Raises DecodeError."""
    table.validate(full=True)
    table = without_index(table)
    table = pyarrow.table([_plain_column(column, limits) for column in table.columns], names=table.column_names)
    check_size(table, limits)
    table = table.unify_dictionaries().combine_chunks()
    batches = table.to_batches()
    if not batches:
        return pyarrow.RecordBatch.from_arrays(
            [pyarrow.array([], kind) for kind in table.schema.types], schema=table.schema
        )
    return batches[0]


def _check_type(kind: Any, path: str, depth: int) -> None:
    if depth <= 0:
        raise DecodeError(f"column {path[:60]!r} is nested too deeply; send flatter data")
    if types.is_dictionary(kind):
        if not any(known(kind.value_type) for known in _LEAVES):
            # One index may stand for a list of any length: what a row unfolds to would have to be added up one by one.
            raise DecodeError(f"column {path[:60]!r} is a dictionary of {str(kind.value_type)[:60]}; send it unfolded")
    elif types.is_struct(kind):
        for field in kind:
            _check_type(field.type, f"{path}.{field.name}", depth - 1)
    elif types.is_map(kind):
        _check_type(kind.key_type, path, depth - 1)
        _check_type(kind.item_type, path, depth - 1)
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        _check_type(kind.value_type, path, depth - 1)
    elif isinstance(kind, pyarrow.BaseExtensionType) or not any(known(kind) for known in _LEAVES):
        raise DecodeError(
            f"column {path[:60]!r} is of type {str(kind)[:60]}, which is not read; cast it to a plain type"
        )


def _plain_column(column: Any, limits: Limits) -> Any:
    if isinstance(column.type, pyarrow.BaseExtensionType):
        column = pyarrow.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if not (types.is_string_view(column.type) or types.is_binary_view(column.type)):
        return column
    chunks = [_without_nulls_views(chunk) for chunk in column.chunks]
    size = sum(int(lengths.sum(dtype=numpy.int64)) for _, lengths in chunks)
    if size > limits.max_expanded_bytes:
        raise DecodeError(
            f"a column unfolds to {size} bytes; the limit is {limits.max_expanded_bytes}; send fewer rows"
        )
    kind = _without_view(column.type)
    return pyarrow.chunked_array([chunk.cast(kind) for chunk, _ in chunks], kind)


def _without_nulls_views(array: Any) -> tuple[Any, Any]:
    """An array of views that is safe to cast, and the lengths of its values.

    A view is 16 bytes, the first 4 of which are the length. Those of nulls mean nothing, and validation does not look
    at them, but a cast does, and ends the process where they are out of range (pyarrow 26). So they are cleared.
    """
    validity, views, *data = array.buffers()
    if not len(array) or views is None:
        return pyarrow.array([], array.type), numpy.zeros(0, numpy.int32)
    words = numpy.frombuffer(views, numpy.int32).reshape(-1, 4)[array.offset : array.offset + len(array)].copy()
    if validity is not None:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        words[~valid] = 0
        validity = pyarrow.py_buffer(numpy.packbits(valid, bitorder="little"))
    safe = pyarrow.Array.from_buffers(array.type, len(array), [validity, pyarrow.py_buffer(words), *data])
    safe.validate(full=True)
    return safe, words[:, 0]


def _unfolded(array: Any) -> Any:
    """Bytes of an array when each dictionary index is replaced by its value."""
    kind = array.type
    if types.is_dictionary(kind):
        values = array.dictionary
        if not (
            types.is_string(kind.value_type)
            or types.is_binary(kind.value_type)
            or types.is_large_string(kind.value_type)
            or types.is_large_binary(kind.value_type)
        ):
            return len(array) * (values.nbytes // max(1, len(values)) + 1)
        lengths = pyarrow.compute.fill_null(pyarrow.compute.binary_length(values), 0)
        taken = lengths.take(array.indices.drop_null())
        return int(pyarrow.compute.sum(taken.cast(pyarrow.int64())).as_py() or 0)
    if types.is_struct(kind):
        return sum(_unfolded(array.field(at)) for at in range(kind.num_fields))
    if types.is_map(kind):
        return _unfolded(array.keys) + _unfolded(array.items)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _unfolded(array.values)
    return int(array.nbytes)

"""What a caller passed, found out by its type, and its memory: arrays, tables, sequences, mappings.

numpy, pandas and pyarrow are looked up where the caller has brought them, and never imported here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from capture.journal.values import as_named
from capture.writing.dataframes import add_arrow, add_series, known_values

if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTS = (list, tuple)
_PLAIN = (list, tuple, dict, str, int, float)
_SCALARS = {float, int, str, bool, type(None)}
_native: dict[Any, str] = {}
"""The text of each dtype seen whose memory a memoryview shows; to ask NumPy for it costs as much as a small record."""


def named_fields(given: Any) -> Any:
    """`given` as mappings where it is an object with named fields, or a sequence of such; None for anything else."""
    if isinstance(given, (list, tuple)) and given and not hasattr(given, "_asdict"):
        found = [_fields(one) for one in given] if _fields(given[0]) is not None else None
        return found if found is not None and None not in found else None
    return _fields(given)


def _fields(given: Any) -> dict[str, Any] | None:
    if isinstance(given, tuple):
        return given._asdict() if hasattr(given, "_asdict") else None
    return None if isinstance(given, _PLAIN) else as_named(given)


def is_mapping(given: Any) -> bool:
    """Whether it has keys and is no table or array."""
    return isinstance(given, dict) or (hasattr(given, "keys") and hasattr(given, "__getitem__") and not _dtyped(given))


def _dtyped(given: Any) -> bool:
    return hasattr(given, "dtype") or hasattr(given, "dtypes")


def as_array(given: Any) -> Any:
    """`given` as a NumPy array where it is one or stands for one (a tensor); None for everything else.

    What is masked is missing: None in an array of objects.
    """
    np = sys.modules.get("numpy")
    if np is None:
        return None
    if type(given) is np.ndarray:
        return given
    if isinstance(given, _PLAIN) or type(given).__module__.startswith("polars"):
        return None
    if isinstance(given, np.ndarray):
        return _unmasked(np, given) if isinstance(given, np.ma.MaskedArray) else np.asarray(given)
    if isinstance(given, np.generic) or hasattr(given, "dtypes") or not hasattr(given, "__array__"):
        return None
    if hasattr(given, "schema") or hasattr(given, "null_count"):
        return None
    if hasattr(given, "requires_grad"):  # a tensor of torch: its memory, without its history, from whatever device
        given = given.detach().cpu()
    return np.asarray(given)


def as_arrow(given: Any) -> Any:
    """`given` as Arrow's where it is a DataFrame or Series of Polars; itself otherwise.

    Raises ValueError for what holds no values yet, or holds them in a form of its own; the message says what to hand over.
    """
    module = type(given).__module__.partition(".")[0]
    if module == "polars":
        if hasattr(given, "collect"):
            raise ValueError("a Polars LazyFrame holds no values yet: hand over frame.collect()")
        return given.to_arrow()
    if hasattr(given, "toarray") and hasattr(given, "nnz"):
        raise ValueError(
            "a sparse matrix cannot be captured: hand over matrix.toarray(), or a mapping of what it names"
        )
    return given


def is_arrow_array(given: Any) -> bool:
    """Whether it is an Arrow array, in chunks or not."""
    return _is_arrow(given)


def as_rows(given: Sequence[Any]) -> Sequence[Sequence[Any]] | None:
    """Sequences and one-dimensional arrays as lists; None where anything else is among them."""
    if set(map(type, given)) <= {list, tuple}:
        return given
    return list(map(list, given)) if all(map(_is_sequence, given)) else None


def _is_sequence(row: Any) -> bool:
    return isinstance(row, _LISTS) or (hasattr(row, "__array__") and getattr(row, "ndim", 0) == 1)


def _unmasked(np: Any, given: Any) -> Any:
    array = given.data.astype(object)
    array[np.ma.getmaskarray(given)] = None
    return array


def is_series(given: Any) -> bool:
    """Whether it is a pandas Series."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(given, pandas.Series)


def _is_arrow(given: Any) -> bool:
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and isinstance(given, arrow.Array | arrow.ChunkedArray)


def cells(column: Any) -> Sequence[Any]:
    """A column's values one by one, None where one is missing."""
    if is_series(column):
        return known_values(column)
    if _is_arrow(column):
        return list(column.to_pylist())
    array = as_array(column)
    return list(column if array is None else array)


def nested_cells(column: Any) -> Sequence[Any]:
    """A column's values one by one, Arrow's maps as mappings; of equal keys the last stays."""
    return list(column.to_pylist(maps_as_pydicts="lossy")) if _is_arrow(column) else cells(column)


def add_column(parts: list[tuple[Any, ...]], buffers: list[Any], position: int, column: Any) -> None:
    """Adds one column in the form that it has."""
    if is_series(column):
        add_series(parts, buffers, position, column)
        return
    if _is_arrow(column) and add_arrow(parts, buffers, position, column):
        return
    array = as_array(column)
    if array is None:
        parts.append(("l", (position,), cells(column)))
    elif array.ndim == 1 and array.dtype.kind in "biufcmM":
        text, data = contiguous(array)
        parts.append(("m", (position,), text, data.nbytes))
        buffers.append(data)
    else:
        parts.append(("l", (position,), array.tolist() if array.dtype.kind in "OSUV" else list(array)))


def is_column(value: Any) -> bool:
    """Whether it can be a column: a list, or an array of at least one dimension."""
    if type(value) in _SCALARS:
        return False
    if isinstance(value, _LISTS):
        return True
    return hasattr(value, "__len__") and hasattr(value, "__array__") and getattr(value, "ndim", 1) > 0


def is_single(value: Any) -> bool:
    """Whether it is a column of one value."""
    return is_column(value) and len(value) == 1


def common_length(columns: Sequence[Any]) -> int | None:
    """The length of all columns; None where they differ, or one is none."""
    length = len(columns[0])
    for column in columns:
        if not is_column(column) or len(column) != length:
            return None
    return length


def contiguous(array: Any) -> tuple[str, memoryview]:
    """The text of an array's dtype, and its bytes in C order, without a copy where they lie so."""
    dtype = array.dtype
    text = _native.get(dtype)
    if text is None:
        text = dtype.str
        if dtype.kind in "mMc" or not dtype.isnative:
            array = _bytes_of(array)
        else:
            _native[dtype] = text
    try:
        return text, memoryview(array).cast("B")
    except TypeError:  # its memory lies otherwise, or it has none
        return text, memoryview(array.copy(order="C")).cast("B") if array.size else memoryview(b"")


def _bytes_of(array: Any) -> Any:
    """The same memory as bytes, for dtypes of which a memoryview knows nothing."""
    return array.copy(order="C").reshape(-1).view("u1")

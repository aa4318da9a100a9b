"""A message's numbers as NumPy values of the types that its schema gives them.

Plain Python numbers do not tell int32 from int64, nor a repeated float from a repeated double. Code
that keeps a message's values and their types uses these values instead. Strings, booleans, doubles, nested messages
and maps stay as they are; so does a value that other code has replaced in the meantime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .message import Message

_TYPES: dict[str, tuple[str, type]] = {
    "int32": ("int32", int),
    "uint32": ("uint32", int),
    "int64": ("int64", int),
    "uint64": ("uint64", int),
    "float": ("float32", float),
}
_LIST_TYPES = {**_TYPES, "double": ("float64", float)}


def typed(message: Message) -> dict[str, object]:
    """The message's fields, numbers as NumPy scalars and lists of numbers as arrays. Needs NumPy."""
    values: dict[str, object] = dict(message)
    for field in () if message.plan is None else message.plan.fields:
        kind, value = field.arrow_type, values.get(field.name)
        if kind is None or value is None:
            continue
        known = _LIST_TYPES.get(kind[5:-1]) if field.repeated else _TYPES.get(kind)
        if known is not None:
            values[field.name] = _converted(value, *known)
    return values


def _converted(value: object, dtype: str, plain: type) -> object:
    """The value in NumPy's type; itself where that would not be the same value."""
    import numpy as np

    entries = value if isinstance(value, list) else [value]
    if any(type(entry) is not plain for entry in entries):
        return value
    try:
        with np.errstate(over="ignore"):
            array = np.array(entries, dtype)
    except OverflowError:
        return value
    if dtype == "float32" and not np.array_equal(array, np.array(entries, "float64"), equal_nan=True):
        return value
    return array if isinstance(value, list) else array[0]

"""What `CAPTURE_EXCLUDE` and `CAPTURE_HASH` mean inside a value: nested mappings, at any depth.

A pattern names a key by its own name (`ssn`) or by its path from the column (`user.ssn`, `user.*`); positions in lists are
no part of a path. Text is one value: what it says (JSON in a string, a URL) is not looked into.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Any

from capture.record import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

_ATOMS = frozenset((float, int, str, bool, bytes, type(None)))
_LISTS = (list, tuple, set, frozenset)


def texts(name: Hashable) -> tuple[str, ...]:
    """Returns the texts by which a pattern may mean a name: of a MultiIndex's tuple also each level and their path."""
    if isinstance(name, Enum):
        return (str(name.value), str(name))
    if isinstance(name, bytes):
        return (name.decode("utf-8", "backslashreplace"), str(name))
    if isinstance(name, tuple):
        levels = [text for level in name for text in texts(level)]
        return (*levels, ".".join(levels), str(name))
    return (str(name),)


class Restriction:
    """The patterns of one buffer; `digest` hashes a value."""

    def __init__(self, exclude: Sequence[str], hashed: Sequence[str], digest: Callable[[Any], str | None]) -> None:
        self._exclude = exclude
        self._hash = hashed
        self._digest = digest
        self._known: dict[tuple[str, Hashable], int] = {}

    def inside(self, value: Any, path: str) -> Any:
        """Returns the value without its excluded keys and with its hashed keys' digests; the same object if it has none."""
        if type(value) in _ATOMS:
            return value
        if isinstance(value, dict):
            return self._mapping(value, path)
        if isinstance(value, _LISTS):
            found = [self.inside(item, path) for item in value]
            return found if any(new is not old for new, old in zip(found, value, strict=True)) else value
        kind = getattr(getattr(value, "dtype", None), "kind", None)
        if kind == "V" and value.dtype.names:
            return self.inside(named_values(value), path)
        if (kind == "O" or hasattr(value, "to_pylist") or _is_pandas(value)) and hasattr(value, "tolist"):
            return self.inside(value.tolist(), path)
        if hasattr(value, "as_py"):
            return self.inside(value.as_py(), path)
        return value

    def _mapping(self, value: dict[Any, Any], path: str) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        same = True
        for key, item in value.items():
            action = self._action(key, path)
            if action < 0:
                same = False
                continue
            new = self._digest(item) if action else self.inside(item, f"{path}.{texts(key)[0]}")
            same = same and new is item
            found[key] = new
        return value if same else found

    def _action(self, key: Hashable, path: str) -> int:
        """Returns -1 for a key that is excluded, 1 for one that is hashed, 0 for any other."""
        known = self._known.get((path, key))
        if known is None:
            names = [*texts(key), *(f"{path}.{text}" for text in texts(key))]
            known = -1 if any(matches(name, self._exclude) for name in names) else 0
            if not known and any(matches(name, self._hash) for name in names):
                known = 1
            if len(self._known) > 10_000:
                self._known = {}
            self._known[path, key] = known
        return known


def may_nest(column: Any) -> bool:
    """Returns whether a column's type lets its cells hold mappings: a list, an array of objects, Arrow's structs."""
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and isinstance(column, arrow.Array | arrow.ChunkedArray):
        return _has_names(arrow, column.type)
    return not hasattr(column, "dtype") or dtype_may_nest(column.dtype)


def dtype_may_nest(dtype: Any) -> bool:
    """Returns the same for a dtype of NumPy or pandas."""
    given = getattr(dtype, "pyarrow_dtype", None)
    if given is not None:
        return _has_names(sys.modules["pyarrow"], given)
    return getattr(dtype, "kind", "O") in "OV" and not hasattr(dtype, "na_value") and not hasattr(dtype, "categories")


def named_values(array: Any) -> Any:
    """Returns the rows of a structured array, or one of its rows, as mappings."""
    if not array.dtype.names:
        return array.tolist()
    if array.ndim:
        return [named_values(row) for row in array]
    return {name: named_values(array[name]) for name in array.dtype.names}


def _has_names(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    if types.is_struct(kind) or types.is_map(kind) or types.is_union(kind):
        return True
    if isinstance(kind, arrow.BaseExtensionType):
        return _has_names(arrow, kind.storage_type)
    return hasattr(kind, "value_type") and _has_names(arrow, kind.value_type)


def _is_pandas(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series | pandas.api.extensions.ExtensionArray)

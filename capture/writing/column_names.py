"""Shapes: the names of some columns, interned, and what the settings want done to them.

A mapping of fifty features arrives with the same fifty names each time. A `Shape` holds them once, with the getter
that takes their values out of a mapping in one call of C, so that a record pays neither for its names nor for a loop.
`CAPTURE_EXCLUDE` and `CAPTURE_HASH` act here, before anything is written: an excluded name is not in `names`, nor a key of
that name inside a value (`restriction.py`); a hashed column's value is replaced by the HMAC-SHA256 of its canonical JSON: sorted keys, no spaces, times in ISO 8601, bytes
in base64, an infinity as the text "Infinity" or "-Infinity". A missing value, NaN too, stays null.
"""

from __future__ import annotations

import hmac
import math
from enum import Enum
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from capture.journal import values
from capture.record import distinct, matches
from capture.writing.restriction import Restriction, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

_MAX_SHAPES = 1024
_MAX_REMEMBERED = 4 * 1024 * 1024
"""Bytes that names of remembered shapes take, about: a client may send names that never come again."""
MAX_NAMES = 100_000
"""Names that a record may have: as many as `CAPTURE_MAX_COLUMNS` allows."""
_NAME_OVERHEAD = 120
_JSON = {"f": float, "i": int, "u": "u8", "b": bool}


class Shape:
    """Interned column names; compares by identity.

    `given` are the names as they came, `names` those that are captured, `head` the same in msgpack; `take` maps a mapping
    to the values of `given`; `kept` are the positions of `names` in `given`, None where all are kept; `hashed` are the
    positions in `names` whose values are hashed; `restricted` says whether either applies.
    """

    __slots__ = ("given", "hashed", "head", "kept", "names", "restricted", "size", "take")

    given: tuple[Hashable, ...]
    names: tuple[str, ...]
    take: Callable[[Mapping[Any, Any]], tuple[Any, ...]]
    kept: tuple[int, ...] | None
    hashed: tuple[int, ...]
    head: bytes
    restricted: bool
    size: int

    def __init__(
        self,
        given: tuple[Hashable, ...],
        exclude: Sequence[str],
        hashed: Sequence[str],
        texts_of: Callable[[Hashable], tuple[str, ...]] = texts,
    ) -> None:
        names = [str(name.value) if isinstance(name, Enum) else str(name) for name in given]
        kept = tuple(i for i, name in enumerate(given) if not any(matches(text, exclude) for text in texts_of(name)))
        self.given = given
        self.size = len(given)
        self.names = distinct(tuple(names[i] for i in kept))
        self.head = values.encode(self.names)
        self.kept = None if len(kept) == len(given) else kept
        self.hashed = tuple(
            i for i, at in enumerate(kept) if any(matches(text, hashed) for text in texts_of(given[at]))
        )
        self.restricted = self.kept is not None or bool(self.hashed)
        self.take = _getter(given)


class Shapes:
    """The shapes of one buffer, by the names as they came; forgotten all at once when they become too many.

    `active` says that anything is excluded or hashed: then values are looked into. `outputs` are the shapes of predictions.
    """

    def __init__(
        self,
        exclude: Sequence[str] = (),
        hashed: Sequence[str] = (),
        hash_key: str | None = None,
        texts_of: Callable[[Hashable], tuple[str, ...]] = texts,
    ) -> None:
        self._exclude = exclude
        self._hash = hashed
        self._key = (hash_key or "").encode()
        self._texts_of = texts_of
        self.active = bool(exclude or hashed)
        self._restriction = Restriction(exclude, hashed, self.digest)
        self.outputs: Shapes = (
            self
            if not self.active or texts_of is _texts_of_output
            else Shapes(exclude, hashed, hash_key, _texts_of_output)
        )
        self._known: dict[tuple[Hashable, ...], Shape] = {}
        self._remembered = 0
        self.last: dict[int, Shape] = {}

    def of(self, given: tuple[Hashable, ...]) -> Shape:
        """The shape of these names. ValueError where they are too many to be columns."""
        shape = self._known.get(given)
        if shape is None:
            if len(given) > MAX_NAMES:
                raise ValueError(f"{len(given)} features in one row; at most {MAX_NAMES} are captured")
            shape = Shape(given, self._exclude, self._hash, self._texts_of)
            weight = len(shape.head) + _NAME_OVERHEAD * (1 + shape.size)
            self._remembered += weight
            if len(self._known) >= _MAX_SHAPES or self._remembered > _MAX_REMEMBERED:
                self._known, self.last, self._remembered = {}, {}, weight
            if weight <= _MAX_REMEMBERED:
                self._known[given] = shape
        return shape

    def read(self, mapping: Mapping[Any, Any]) -> tuple[Shape, tuple[Any, ...]]:
        """The shape of a mapping's names, in whatever order they stand, and the values of `shape.given`.

        Most often the shape is that of the last mapping of this size (a request's, an item's and a prediction's differ in
        it), and one call takes the values and proves it.
        """
        shape = self.last.get(len(mapping))
        if shape is not None:
            try:
                return shape, shape.take(mapping)
            except KeyError:
                pass
        shape = self.of(tuple(mapping))
        if shape.given in self._known:
            self.last[shape.size] = shape
        return shape, shape.take(mapping)

    def digest(self, value: Any) -> str | None:
        """What stands in a hashed column for `value`; TypeError where it has no canonical JSON."""
        if type(value) is not str and type(value) is not int:
            value = _canonical(values.decode(values.encode(value)))
            if value is None:
                return None
        try:
            text = msgspec.json.encode(value, order="sorted")
        except UnicodeEncodeError:
            text = msgspec.json.encode(values.decode(values.encode(value)), order="sorted")
        return hmac.digest(self._key, text, "sha256").hex()

    def restrict(self, shape: Shape, found: Sequence[Any]) -> Sequence[Any]:
        """The values of `shape.names` out of those of `shape.given`: what is excluded left out, what is hashed hashed."""
        row = list(found) if shape.kept is None else [found[position] for position in shape.kept]
        hashed = shape.hashed
        return [
            self.digest(value) if position in hashed else self.inside(value, shape.names[position])
            for position, value in enumerate(row)
        ]

    def inside(self, value: Any, name: str) -> Any:
        """The value of the column `name` without what is excluded in it, and with what is hashed in it hashed."""
        return self._restriction.inside(value, name)


def _canonical(value: Any) -> Any:
    """A value that was read back, as JSON can hold it; None where it is missing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if hasattr(value, "dtype"):
        kind = value.dtype.kind
        if kind in "mM":
            return value.astype(f"{kind}8[us]").tolist()
        return value.astype(str).tolist() if kind == "c" else _canonical(value.astype(_JSON[kind]).tolist())
    return value


def _texts_of_output(name: Hashable) -> tuple[str, ...]:
    """The texts of an output's name: its own and its column's. An output without a name, or with a number, has none."""
    if not isinstance(name, str):
        return (*texts(name), *(f"prediction_{text}" for text in texts(name)))
    return () if not name or name.isdigit() else (name, f"prediction_{name}")


def _getter(names: tuple[Hashable, ...]) -> Callable[[Mapping[Any, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    if not names:
        return lambda _: ()
    only = names[0]
    return lambda mapping: (mapping[only],)

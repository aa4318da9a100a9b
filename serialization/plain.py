"""What a model returns, as plain Python: NumPy, pandas, Arrow and the rest become lists, dicts, numbers, text and None.

Nothing is imported here. A value tells by its type's module what it is; if the model never loaded pandas, no value is
pandas'. Missing values (NaN in a nullable column, NaT, NA, null) become None; a float NaN stays NaN, and each format
says what it writes for it.
"""

import base64
import dataclasses
import enum
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from .errors import EncodeError

_AS_IS: frozenset[type] = frozenset({str, int, float, bool, type(None)})
WITH_DECIMALS = _AS_IS | {Decimal}
"""What stays as it is for a format that has fields of numbers, and does not want the text of a decimal."""
_TEXT = frozenset({str})


def to_plain(value: object, as_is: frozenset[type] = _AS_IS) -> object:
    """The value and everything in it as dict (text keys), list, str, int, float, bool and None, or of a type in `as_is`.

    A table becomes a list of dicts, one for each row; an array a list of its shape; bytes base64 text; times ISO 8601
    text. Raises EncodeError, with the place, for a type that has no plain form.
    """
    try:
        return _plain(value, "prediction", as_is)
    except RecursionError:
        raise EncodeError("the prediction is nested too deeply, or contains itself") from None


def _plain(value: Any, path: str, as_is: frozenset[type]) -> object:
    kind = type(value)
    if kind in as_is:
        return value
    if kind is dict or isinstance(value, Mapping):
        if as_is.issuperset(map(type, value.values())) and _TEXT.issuperset(map(type, value)):
            return dict(value)
        plain = {key_text(key, path): _plain(item, f"{path}.{key}", as_is) for key, item in value.items()}
        if len(plain) != len(value):
            raise EncodeError(f"{path} has two keys that are one as text, like 1 and '1'; return each key once")
        return plain
    if kind is list or kind is tuple:
        if as_is.issuperset(map(type, value)):
            return list(value)
        return [_plain(item, f"{path}[{at}]", as_is) for at, item in enumerate(value)]
    return _plain(unwrap(value, path), path, as_is)


def key_text(key: object, path: str) -> str:
    """A mapping's key as JSON writes it. Raises EncodeError for a key that has no text form."""
    if isinstance(key, str):
        return str(key)
    if key is None:
        return "null"
    if isinstance(key, enum.Enum):
        return key_text(key.value, path)
    plain = unwrap(key, path) if type(key) not in _AS_IS else key
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (str, int, float)):
        return str(plain)
    raise EncodeError(f"{path} has a key of type {_type_name(key)}; return text or numbers as keys")


def unwrap(value: object, path: str = "prediction") -> object:
    """One step towards plain: the value as a builtin container or scalar, whose items may need a step of their own.

    Raises EncodeError for a type that is not known.
    """
    for kinds, step in _STEPS:
        if isinstance(value, kinds):
            return step(value)
    for kind in type(value).__mro__[:-1]:  # of a library's type, or of a subclass that is defined elsewhere
        step_of_library = _LIBRARIES.get(kind.__module__.partition(".")[0])
        if step_of_library is not None:
            return _convert(step_of_library, value, path)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return tolist()
    raise EncodeError(
        f"{path} is of type {_type_name(value)}, which has no plain form; return numbers, text, lists, "
        "dicts, NumPy, pandas or Arrow values"
    )


def _convert(step: Callable[[Any, str], object], value: object, path: str) -> object:
    try:
        return step(value, path)
    except EncodeError:
        raise
    except Exception as error:  # whatever a library says of a value it cannot give, like a time beyond Python's years
        raise EncodeError(f"{path} of type {_type_name(value)} cannot be written: {str(error)[:200]}") from error


def _builtin_float(value: float) -> float:
    return float(value)


def _builtin_text(value: str) -> str:
    return str.__str__(value)


_STEPS: tuple[tuple[type | tuple[type, ...], Callable[..., object]], ...] = (
    (enum.Enum, lambda value: value.value),
    (str, _builtin_text),
    (bool, bool),
    (int, int),
    (float, _builtin_float),
    (Mapping, dict),
    ((list, tuple, set, frozenset), list),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode("ascii")),
    (Decimal, str),
    (UUID, str),
    ((datetime, date, time), lambda value: _instant(value)),
    (timedelta, timedelta.total_seconds),
)


def _instant(value: datetime | date | time) -> str | None:
    text = value.isoformat()
    return None if text == "NaT" else text.replace("+00:00", "Z")


def _numpy(value: Any, path: str) -> object:
    kind = value.dtype.kind
    if kind == "M":
        return _iso_texts(value)
    if kind == "m":
        return _seconds(value)
    if kind == "c":
        raise EncodeError(f"{path} has complex numbers; return their parts as two real values")
    names = value.dtype.names
    if names is not None:
        if value.shape == ():
            return {name: value[name] for name in names}
        return [{name: row[name] for name in names} for row in value]
    filled = getattr(value, "filled", None)  # a masked array: masked values are missing
    if filled is not None:
        return value.tolist()
    plain = value.tolist()
    if type(plain) is type(value):  # numpy.longdouble gives itself
        return float(plain)
    return plain


def _iso_texts(value: Any) -> object:
    """datetime64 of any shape as ISO 8601 text, NaT as None."""
    import numpy

    return _none_where_missing(numpy.asarray(value), numpy.asarray(value).astype(str))


def _seconds(value: Any) -> object:
    """timedelta64 of any shape as seconds, NaT as None."""
    import numpy

    return _none_where_missing(numpy.asarray(value), numpy.asarray(value) / numpy.timedelta64(1, "s"))


def _none_where_missing(times: Any, plain: Any) -> object:
    import numpy

    missing = numpy.asarray(None, dtype=object)
    return numpy.where(numpy.isnat(times), missing, numpy.asarray(plain).astype(object)).tolist()


def _pandas(value: Any, path: str) -> object:
    import pandas

    if isinstance(value, pandas.DataFrame):
        names = [key_text(name, path) for name in value.columns]
        columns = [_pandas_column(value.iloc[:, at]) for at in range(len(names))]
        if len(set(names)) != len(names):
            raise EncodeError(f"{path} has two columns of one name; give each a name of its own")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(value, pandas.Series):
        return _pandas_column(value)
    if value is pandas.NA or value is pandas.NaT:
        return None
    if isinstance(value, pandas.Index):
        return _pandas_column(value.to_series())
    tolist = getattr(value, "tolist", None)  # an extension array
    if callable(tolist):
        return tolist()
    return str(value)  # Period, Interval, Categorical's scalar


def _pandas_column(series: Any) -> list[object]:
    """A column's values, missing ones as None; in a plain float column NaN stays NaN, as it does in an array."""
    values: list[object] = series.tolist()
    of_numpy = type(series.dtype).__module__.startswith("numpy")
    if of_numpy and series.dtype.kind in "biuf":
        return values
    return [None if gone else item for item, gone in zip(values, series.isna().tolist(), strict=True)]


def _arrow(value: Any, path: str) -> object:
    for method in ("to_pylist", "as_py"):
        step = getattr(value, method, None)
        if callable(step):
            return step()
    raise EncodeError(f"{path} is a {_type_name(value)}; return a RecordBatch, Table or Array")


def _polars(value: Any, path: str) -> object:
    for method in ("to_dicts", "to_list"):
        step = getattr(value, method, None)
        if callable(step):
            return step()
    raise EncodeError(f"{path} is a {_type_name(value)}; return a DataFrame or Series")


def _scipy(value: Any, path: str) -> object:
    toarray = getattr(value, "toarray", None)
    if callable(toarray):
        return toarray()
    raise EncodeError(f"{path} is a {_type_name(value)}; return an array")


def _torch(value: Any, path: str) -> object:
    return value.detach().cpu().tolist()


_LIBRARIES: dict[str, Callable[[object, str], object]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _arrow,
    "scipy": _scipy,
    "torch": _torch,
}


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")

"""NPY, NumPy's own file format: `application/x-npy` to an array and back. Pickled objects are refused.

The header is parsed here and not by NumPy, against a grammar that holds what NumPy writes and nothing else: it is text
that Python evaluates otherwise, and its shape is what an attacker would lie about. The array's size must be exactly
what is left of the body before any memory is taken.
"""

import io
import math
import re
import struct
from typing import Any

import numpy

from .errors import DecodeError, EncodeError
from .limits import Limits
from .media import MediaType
from .payload import Payload
from .plain import to_plain
from .tables import Table, tabulate

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 65_536
_MAX_DIMENSIONS = 32
_DTYPE = r"[<>|=]?(?:[biufcSUmM][0-9]{1,9}(?:\[[0-9]{0,9}[A-Za-z]{1,2}\])?|\?)"
_SHAPE = r"\((?:[0-9]{1,19}L?(?:, ?[0-9]{1,19}L?)*,?)? ?\)"
_PADDING = r"\('', '\|V([0-9]{1,9})'\)"
"""Bytes of no field, as `numpy.save` writes them for an aligned dtype and for some columns of a structured array."""
_FIELD = rf"\('([^'\\]{{1,255}})', '({_DTYPE})'(?:, ({_SHAPE}))?\)"
_HEADER = re.compile(
    rf"\{{'descr': (?:'(?P<dtype>{_DTYPE})'|(?P<fields>\[(?:(?:{_FIELD}|{_PADDING})(?:, |,?(?=\])))+\])), "
    rf"'fortran_order': (?P<fortran>True|False), 'shape': (?P<shape>{_SHAPE}),? ?\}} *\n?"
)
_ONE_FIELD = re.compile(f"{_FIELD}|{_PADDING}")


class NpyCodec:
    """Codec of `application/x-npy`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """An ndarray of the body's dtype in native byte order, with memory of its own."""
        header, start = _header(body)
        dtype = _dtype(header)
        shape = _shape(header["shape"])
        if max(shape, default=0) > self._limits.max_items and 0 in shape:
            raise DecodeError(f"the NPY shape {_shown(shape)} is beyond the limit of {self._limits.max_items} items")
        items = math.prod(shape)
        most = 4 * self._limits.max_objects
        if items > most and dtype.kind not in "biufcmM":
            raise DecodeError(f"the NPY array has {items} items; at most {most} of {dtype} are read in one request")
        size = items * dtype.itemsize
        if size != len(body) - start:
            raise DecodeError(
                f"the NPY header says {_shown(shape)} of {dtype}, {size} bytes, and the body has {len(body) - start} after "
                "it; send the whole file as numpy.save writes it"
            )
        order = "F" if header["fortran"] == "True" else "C"
        array = numpy.frombuffer(body, dtype, offset=start).reshape(shape, order=order)  # type: ignore[call-overload]
        _check_values(array)
        return Payload(array.astype(_packed(dtype).newbyteorder("="), order=order, copy=True), media.name)

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """The prediction as an array: numbers as they are, a table as a structured array with the columns' names."""
        array = _array(prediction)
        if array.dtype.names is not None:
            array = array.astype(_packed(array.dtype))
        out = io.BytesIO()
        try:
            numpy.save(out, array, allow_pickle=False)
        except (ValueError, TypeError):
            raise EncodeError(
                f"the prediction has values of type {array.dtype}, which NPY holds only as pickled objects; "
                "return numbers or text, or accept application/json"
            ) from None
        return out.getvalue(), media.with_parameters()


def _header(body: memoryview) -> tuple[dict[str, str | None], int]:
    if body[:6] != _MAGIC or len(body) < 10:
        raise DecodeError("the body is not NPY: it does not start with its magic; send what numpy.save writes")
    version = body[6]
    if version not in (1, 2, 3):
        raise DecodeError(f"NPY version {version} is not known; send version 1, 2 or 3")
    prefix = 10 if version == 1 else 12
    if len(body) < prefix:
        raise DecodeError("the NPY body ends within its header; send the whole file")
    length = struct.unpack_from("<H" if version == 1 else "<I", body, 8)[0]
    if length > _MAX_HEADER or prefix + length > len(body):
        raise DecodeError(
            f"the NPY header says it has {length} bytes, more than there are or may be; send the whole file"
        )
    try:
        text = str(body[prefix : prefix + length], "utf-8" if version == 3 else "latin-1")
    except UnicodeDecodeError:
        raise DecodeError("the NPY header is not UTF-8") from None
    found = _HEADER.fullmatch(text)
    if found is None:
        if re.search(r"'[<>|=]?O", text):
            raise DecodeError("the NPY array holds Python objects, which would need pickle; send numbers or text")
        raise DecodeError(f"the NPY header {text[:80].strip()!r} is not as numpy.save writes it for plain types")
    return found.groupdict(), prefix + length


def _dtype(header: dict[str, str | None]) -> "numpy.dtype[numpy.generic]":
    try:
        dtype = numpy.dtype(str(header["dtype"])) if header["fields"] is None else _structure(header["fields"])
    except (TypeError, ValueError, SyntaxError) as error:
        raise DecodeError(f"the NPY dtype is not known: {error}") from None
    if dtype.itemsize == 0:
        raise DecodeError("the NPY dtype has items of no bytes; send numbers or text")
    return dtype


def _structure(fields: str) -> "numpy.dtype[numpy.generic]":
    """Returns the dtype of a structured array, its padding included. Raises ValueError or TypeError for an unknown type."""
    names, formats, offsets, at = [], [], [], 0
    for field in _ONE_FIELD.finditer(fields):
        name, kind, shape, padding = field.groups()
        if padding is not None:
            at += int(padding)
            continue
        found = numpy.dtype((kind, _shape(shape))) if _shape(shape) else numpy.dtype(kind)
        names.append(name)
        formats.append(found)
        offsets.append(at)
        at += found.itemsize
    if not names:
        raise ValueError("it has no field with a name")
    return numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": at})


def _packed(dtype: Any) -> "numpy.dtype[Any]":
    """Returns the same dtype without bytes that belong to no field."""
    if dtype.names is None:
        packed: numpy.dtype[Any] = dtype
        return packed
    return numpy.dtype([(name, _packed(dtype.fields[name][0])) for name in dtype.names])


def _check_values(array: Any) -> None:
    """Refuse bytes that are no value of their type: text beyond Unicode, booleans that are neither 0 nor 1."""
    names = array.dtype.names
    if names is not None:
        for name in names:
            _check_values(array[name])
        return
    kind = array.dtype.kind
    if kind == "b" and array.size and array.view(numpy.uint8).max() > 1:
        raise DecodeError("the NPY array has booleans that are neither 0 nor 1")
    if kind == "U" and array.size:
        try:
            "".join(array.ravel().tolist()).encode("utf-8")
        except (ValueError, SystemError):
            raise DecodeError("the NPY array has text that is not Unicode") from None


def _shape(text: str | None) -> tuple[int, ...]:
    shape = tuple(int(size) for size in re.findall(r"[0-9]+", text or ""))
    if len(shape) > _MAX_DIMENSIONS:
        raise DecodeError(f"the NPY array has {len(shape)} dimensions; at most {_MAX_DIMENSIONS} are read")
    return shape


def _shown(shape: tuple[int, ...]) -> str:
    return str(shape) if len(shape) < 8 else f"{len(shape)} dimensions"


def _array(prediction: object) -> Any:
    if isinstance(prediction, numpy.ma.MaskedArray):
        return (
            prediction.filled(numpy.nan)
            if prediction.dtype.kind == "f"
            else numpy.array(_nan_for_none(prediction.tolist()))
        )
    if isinstance(prediction, numpy.ndarray):
        return prediction
    value = to_plain(prediction)
    try:
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            return _structured(tabulate(value))
        return numpy.array(_nan_for_none(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise EncodeError(f"the prediction is no array: {error}; return rows of one length") from None


def _structured(table: Table) -> Any:
    names = table.names or ()
    columns = [numpy.array(_nan_for_none([row[at] for row in table.rows])) for at in range(len(names))]
    dtype = [(name, column.dtype, column.shape[1:]) for name, column in zip(names, columns, strict=True)]
    out = numpy.empty(len(table.rows), dtype=dtype)
    for name, column in zip(names, columns, strict=True):
        out[name] = column
    return out


def _nan_for_none(value: object) -> object:
    """A missing number is NaN in an array; text cannot be missing there and stays None, which is refused."""
    if isinstance(value, list):
        if None in value and all(item is None or isinstance(item, (int, float)) for item in value):
            return [math.nan if item is None else item for item in value]
        return [_nan_for_none(item) for item in value] if any(isinstance(item, list) for item in value) else value
    return value

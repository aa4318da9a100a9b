"""Values of a record: tensors to arrays and back, bytes to text and back.

A dense tensor is an array of one dimension, or of its shape; a sparse one is unfolded to its shape, within the limits. A
tensor with a shape and without values is a sparse one of zeros.
Bytes are base64 text, or text where their content type is text.
"""

import base64
import math
from typing import Any

import numpy

from serialization.errors import DecodeError, EncodeError
from serialization.limits import Limits

_MAX_DIMENSIONS = 8
_DTYPES = {"float32_tensor": numpy.float32, "float64_tensor": numpy.float64, "int32_tensor": numpy.int32}
_INT32 = 0x7FFFFFFF
_EXACT = 2**53


class ExpansionBudget:
    """Values and bytes that a body may still unfold to."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._items = limits.max_items
        self._objects = limits.max_objects
        self._bytes = limits.max_expanded_bytes

    def take_objects(self, count: int) -> None:
        """Count records, and two for a tensor. Raises DecodeError past the limit."""
        self._objects -= count
        if self._objects < 0:
            most = self._limits.max_objects
            raise DecodeError(f"the body has more than {most} records and values; send fewer in one request")

    def take(self, items: int, width: int) -> None:
        self._items -= items
        self._bytes -= items * width
        if self._items < 0 or self._bytes < 0:
            raise DecodeError(
                f"the records unfold to more than {self._limits.max_items} values or {self._limits.max_expanded_bytes} "
                "bytes; send fewer in one request"
            )

    def read(self, value: Any, number: int, name: str) -> object:
        """A tensor as an array, bytes as text, a value without either as None."""
        self.take_objects(2)
        kind = value.WhichOneof("value")
        if kind is None:
            return None
        if kind == "bytes":
            self.take_objects(len(value.bytes.value) // 4)
            self.take(len(value.bytes.value), 8)
            texts = [_text(item, value.bytes.content_type) for item in value.bytes.value]
            return texts[0] if len(texts) == 1 else texts
        tensor = getattr(value, kind)
        where = f"record {number}, {name[:60]!r}"
        shape = tuple(tensor.shape)
        if len(shape) > _MAX_DIMENSIONS:
            raise DecodeError(f"{where}: a shape of {len(shape)} dimensions; at most {_MAX_DIMENSIONS} are read")
        if 0 in shape:
            self.take(max(shape), 1)  # NumPy refuses dimensions that are too large, even of an empty array
        values = numpy.array(tensor.values, dtype=_DTYPES[kind])
        if not len(tensor.keys):
            if not len(values) and shape:  # a sparse row of zeros has no keys either
                self.take_objects(1)
                self.take(math.prod(shape), values.itemsize)
                return numpy.zeros(shape, dtype=values.dtype)
            self.take(len(values), values.itemsize)
            if not shape:
                return values
            if math.prod(shape) != len(values):
                raise DecodeError(f"{where}: {len(values)} values do not fill the shape {shape}")
            return values.reshape(shape)
        self.take_objects(1)
        if not shape:
            raise DecodeError(f"{where}: a sparse tensor needs a shape")
        if len(tensor.keys) != len(values):
            raise DecodeError(f"{where}: {len(tensor.keys)} keys and {len(values)} values; send one key for each value")
        size = math.prod(shape)
        self.take(size, values.itemsize)
        if max(tensor.keys) >= size:
            raise DecodeError(f"{where}: key {max(tensor.keys)} lies outside the shape {shape}")
        dense = numpy.zeros(size, dtype=values.dtype)
        dense[numpy.array(tensor.keys, dtype=numpy.int64)] = values
        return dense.reshape(shape)


def write(value: Any, output: object, path: str) -> None:
    """Fill a record's value with a number, a list or array of numbers, or text. Raises EncodeError."""
    if isinstance(output, str) or (
        isinstance(output, list) and output and all(isinstance(item, str) for item in output)
    ):
        value.bytes.value.extend(item.encode("utf-8") for item in ([output] if isinstance(output, str) else output))
        value.bytes.content_type = "text/plain"
        return
    try:
        array = numpy.asarray(
            [math.nan if item is None else item for item in output] if isinstance(output, list) else output
        )
    except ValueError:
        raise EncodeError(f"{path} is ragged; return values of one shape") from None
    if array.dtype.kind == "b":
        array = array.astype(numpy.int32)
    kind = array.dtype.kind
    if kind in "iu":
        largest = max(abs(int(array.max())), abs(int(array.min()))) if array.size else 0
        if largest > _EXACT:
            raise EncodeError(f"{path} has the integer {largest}, which no RecordIO tensor holds; return it as text")
        field = "int32_tensor" if largest <= _INT32 else "float64_tensor"
    elif kind == "f":
        field = "float32_tensor" if array.dtype.itemsize <= 4 else "float64_tensor"
    else:
        raise EncodeError(f"{path} is of type {array.dtype}; RecordIO holds numbers and text")
    tensor = getattr(value, field)
    tensor.values.extend(array.ravel().tolist())
    if array.ndim > 1:
        tensor.shape.extend(array.shape)
    value.SetInParent()


def _text(item: bytes, content_type: str | bytes) -> str:
    if isinstance(content_type, str) and content_type.startswith("text/"):
        try:
            return item.decode("utf-8")
        except UnicodeDecodeError:
            raise DecodeError(f"bytes of content type {content_type[:40]!r} are not UTF-8 text") from None
    return base64.b64encode(item).decode("ascii")

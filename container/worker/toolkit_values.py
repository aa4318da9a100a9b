"""What SageMaker's inference toolkit would give a module that was written for it.

A module without `features_fn` and without `input_fn` relies on the toolkit's default decoder, which makes NumPy arrays of
JSON, CSV and NPY. So `predict_fn` of such a module gets these arrays, made of what our codecs have read and checked. The
toolkit's own decoder is not called on a body: it takes pickles, and CSV of any size at 4 µs a cell.

What differs on purpose is the table "Modules that were written for the toolkit" in `docs/endpoint.md`.
"""

from __future__ import annotations

import io
import re
from typing import Any

import numpy

from serialization import DecodeError, Limits, Payload
from serialization.charset import to_text
from serialization.media import parse_content_type

_INTEGERS = re.compile(r"[-+0-9,\n]+")
_QUOTED = re.compile(r'[,"\r\n]')
_NUMBERS = re.compile(r"[-+0-9.,eE\n]+")
MAX_CSV_CELLS = 300_000
"""Cells of CSV other than plain integers, or plain numbers with a point, that NumPy's reader gets: about a second."""


def as_toolkit(payload: Payload, body: bytes | bytearray, content_type: str | None, limits: Limits) -> Any:
    """Return the value that the toolkit's decoder would give for a body.

    Args:
        payload: the body as our codecs have read it.
        body, content_type: the body as it came.

    Raises:
        DecodeError: the array would be larger than the limits allow.
    """
    if payload.media_type == "application/json":
        return _of_json(payload.value, body, limits)
    if payload.media_type == "text/csv":
        return _of_csv(to_text(memoryview(body), parse_content_type(content_type or "text/csv")))
    return payload.value


def _of_json(value: Any, body: bytes | bytearray, limits: Limits) -> Any:
    """An array of a JSON array or scalar; objects, arrays that hold objects and ragged arrays stay as they are."""
    if isinstance(value, dict) or _holds_mapping(value):
        return value
    if b'"' in body:
        _check_texts(value, limits)
    try:
        return numpy.array(value)
    except (ValueError, OverflowError):
        return value


def _holds_mapping(value: object) -> bool:
    level: list[list[Any]] = [value] if isinstance(value, list) else []
    while level:
        if any(dict in map(type, items) for items in level):
            return True
        level = [item for items in level for item in items if type(item) is list]
    return False


def _check_texts(value: Any, limits: Limits) -> None:
    """Refuse texts of which one is so long that an array of them all, each as long, would be too large."""
    count = longest = 0
    level = [value] if isinstance(value, list) else []
    while level:
        below: list[Any] = []
        for items in level:
            count += len(items)
            longest = max(longest, max((len(item) for item in items if type(item) is str), default=0))
            below.extend(item for item in items if type(item) is list)
        level = below
    if 4 * count * longest > limits.max_expanded_bytes:
        raise DecodeError(
            f"an array of {count} texts of up to {longest} characters has more than {limits.max_expanded_bytes} bytes; "
            "send fewer, or give the module an input_fn or features_fn"
        )


def _of_csv(text: str) -> Any:
    """What `numpy.genfromtxt` makes of CSV with `dtype=None`: a type for each column, and no dimension of length 1."""
    plain = text.replace("\r\n", "\n").strip("\n")
    cells = plain.count(",") + plain.count("\n") + 1
    of_number: type[int] | type[float] | None = None
    if _INTEGERS.fullmatch(plain):
        of_number = int
    elif plain.count(".") == cells and _NUMBERS.fullmatch(plain):
        of_number = float
    if of_number is not None:
        rows = plain.split("\n")
        try:
            flat = numpy.array([of_number(cell) for cell in plain.replace("\n", ",").split(",")])
            if flat.dtype in (numpy.int64, numpy.float64):
                return numpy.squeeze(flat.reshape(len(rows), -1))
        except (ValueError, OverflowError):
            pass  # an empty cell, a cell that is not a number, a blank line
    if cells > MAX_CSV_CELLS:
        raise DecodeError(
            f"the CSV body has {cells} cells; of such as are not all integers, or all with a point, {MAX_CSV_CELLS} are "
            "read for a module without input_fn and features_fn; send fewer rows"
        )
    try:
        return numpy.genfromtxt(io.StringIO(text), dtype=None, delimiter=",", encoding=None)
    except ValueError as error:
        raise DecodeError(f"NumPy cannot read the CSV body: {' '.join(str(error).split())[:200]}") from None


def to_toolkit_csv(prediction: Any) -> bytes | None:
    """Return CSV as the toolkit writes it: `True`, `nan`, `None`, and float32 with its own digits.

    None where the toolkit could not write it, or would write what is not CSV: objects, and text that needs quotes.
    """
    try:
        array = numpy.asarray(prediction)
    except (ValueError, OverflowError):
        return None
    if array.ndim not in (1, 2) or array.dtype.kind not in "biufUO" or not array.size:
        return None
    cells = array.ravel().tolist() if array.dtype.kind in "UO" else ()
    if any(not isinstance(cell, _CELLS) or (isinstance(cell, str) and _QUOTED.search(cell)) for cell in cells):
        return None
    out = io.StringIO()
    numpy.savetxt(out, array, delimiter=",", fmt="%s")
    return out.getvalue().encode()


_CELLS = (str, int, float, bool, type(None))

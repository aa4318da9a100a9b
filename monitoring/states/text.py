"""How texts stand in states: whole up to 256 bytes, else the beginning and a digest, so that a state stays small."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_TEXT = 256
_KEPT = 200


def short(text: str) -> str:
    """Returns a text of at most MAX_TEXT bytes of UTF-8 that stands for `text`; different texts stay different."""
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_TEXT:
        return text
    return f"{encoded[:_KEPT].decode('utf-8', 'ignore')}…{blake2b(encoded, digest_size=8).hexdigest()}"


def short_texts(texts: pa.Array) -> pa.Array:
    """Returns a string array with each text as `short` gives it. What is not UTF-8 is replaced by U+FFFD."""
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest <= MAX_TEXT:
        return texts
    long = np.asarray(pc.fill_null(pc.greater(pc.binary_length(texts), MAX_TEXT), False))
    shortened = texts.to_pylist()
    for index in np.flatnonzero(long):
        shortened[index] = short(shortened[index])
    return pa.array(shortened, pa.string())


def number_text(value: float) -> str:
    """Returns a number as JSON writes it, a whole one without a fraction: the text by which it meets a category."""
    return str(int(value)) if value == int(value) and abs(value) < 2**63 else repr(float(value))

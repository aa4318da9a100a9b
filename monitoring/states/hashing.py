"""Hashes of 64 bits, equal on every machine and engine: of texts, and of whole numbers.

A text is hashed eight bytes at a time with the finalizer of splitmix64 (Steele, Lea and Flood 2014). The hashes choose
samples and count distinct values; they protect nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_MASKS: Hashes = np.array([(1 << (8 * count)) - 1 for count in range(8)] + [(1 << 64) - 1], np.uint64)


def mix(values: Hashes) -> Hashes:
    """Returns the hash of each whole number: a bijection on 64 bits whose every output bit depends on every input bit."""
    mixed = values + _GOLDEN
    mixed ^= mixed >> np.uint64(30)
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed


def hash_texts(texts: pa.Array) -> Hashes:
    """Returns the hash of each text of a string array; a null hashes as the empty text."""
    if not pa.types.is_string(texts.type):
        texts = pc.cast(texts, pa.string())
    _, offset_buffer, data_buffer = texts.buffers()
    count = len(texts)
    if not count:
        return np.zeros(0, np.uint64)
    offsets = np.frombuffer(offset_buffer, np.int32, count + 1, texts.offset * 4).astype(np.int64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    first, last = int(offsets[0]), int(offsets[-1])
    data = bytes(last - first + 8) if data_buffer is None else bytes(memoryview(data_buffer)[first:last]) + bytes(8)
    words: Hashes = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
    hashes = mix(lengths.astype(np.uint64))
    rows = np.flatnonzero(lengths)
    position = 0
    while len(rows):
        left = lengths[rows] - position
        word = words[starts[rows] - first + position] & _MASKS[np.minimum(left, 8)]
        hashes[rows] = mix(hashes[rows] ^ word)
        position += 8
        rows = rows[left > 8]
    return hashes


def hash_names(names: list[str]) -> Hashes:
    """Returns the hash of each name."""
    return hash_texts(
        pa.array([name.encode("utf-8", "surrogatepass") for name in names], pa.binary()).cast(pa.string(), safe=False)
    )

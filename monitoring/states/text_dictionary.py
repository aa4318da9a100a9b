"""Texts of a column as the counter meets them: a dictionary with the bin and the hash of each text.

Numbers in a categorical column become texts too, so that they can be compared with its domain.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.states.cells import Numbers, Texts
from monitoring.states.column import ValueKind
from monitoring.states.hashing import hash_texts
from monitoring.states.text import number_text, short_texts

Codes = npt.NDArray[np.int64]


class TextDictionary:
    """What is known of a dictionary of texts: the fine bin of each (that of null is last), and their hashes."""

    def __init__(self, dictionary: pa.Array, domain: pa.Array) -> None:
        self._source = dictionary
        self.texts = short_texts(dictionary)
        other = len(domain)
        codes = pc.index_in(self.texts, value_set=domain) if other else pa.nulls(len(dictionary), pa.int32())
        self.codes: Codes = np.append(np.asarray(pc.fill_null(codes, other)).astype(np.int64), other + 1)
        self._hashes: npt.NDArray[np.uint64] | None = None

    @property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """The hash of each text, computed at the first use."""
        if self._hashes is None:
            self._hashes = hash_texts(self.texts)
        return self._hashes

    def same(self, dictionary: pa.Array) -> bool:
        """Returns True if this is the very dictionary (the reader gives the same one to the batches of a row group)."""
        ours, theirs = self._source.buffers(), dictionary.buffers()
        return (
            len(self._source) == len(dictionary)
            and self._source.offset == dictionary.offset
            and all(
                (a is None and b is None) or (a is not None and b is not None and a.address == b.address)
                for a, b in zip(ours, theirs, strict=True)
            )
        )


def as_texts(cells: Numbers) -> Texts:
    """Returns numbers as the texts by which they meet a category; booleans are `true` and `false`."""
    missing = np.isnan(cells.values)
    if cells.nulls is not None:
        missing |= cells.nulls
    values, index = np.unique(np.where(missing, 0.0, cells.values), return_inverse=True)
    if cells.kind is ValueKind.BOOLEAN:
        texts = ["true" if value else "false" for value in values]
    else:
        texts = [number_text(float(value)) if np.isfinite(value) else str(value) for value in values]
    return Texts(np.where(missing, -1, index), pa.array(texts, pa.string()))


def kinds_of_numbers(cells: Numbers) -> Codes | None:
    """Returns the kinds of numbers that are not all of one kind."""
    if cells.kind is not None:
        return None
    missing = np.isnan(cells.values)
    if cells.nulls is not None:
        missing |= cells.nulls
    present = cells.values[~missing]
    kinds = np.zeros(len(ValueKind), np.int64)
    kinds[ValueKind.INTEGRAL] = np.count_nonzero((np.floor(present) == present) & np.isfinite(present))
    kinds[ValueKind.FRACTIONAL] = len(present) - kinds[ValueKind.INTEGRAL]
    return kinds

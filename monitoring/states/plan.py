"""What a pass over the rows counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.states.binning import ColumnBinning
from monitoring.states.groupings import LevelGrouper
from monitoring.states.layout import Layout

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class CountingPlan:
    """What a pass counts: the bins, which columns mean what, and the levels of a baseline that is being built.

    `start` and `end` bound the event times, in microseconds since 1970 UTC. `sampler` gets every batch that is counted, with
    the hash of each row's event.
    """

    baseline_id: str
    binning: Mapping[str, ColumnBinning]
    layout: Layout
    levels: tuple[LevelGrouper, ...] = ()
    start: int | None = None
    end: int | None = None
    sampler: Callable[[pa.RecordBatch, Hashes], None] | None = None

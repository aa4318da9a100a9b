"""Rows of every kind for the tests of the kernel, as hypothesis strategies and as Arrow batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from monitoring.states.binning import ColumnBinning, ColumnKind
from tests.monitoring.states.oracle import Row

HOUR = 3_600_000_000
EPOCH = 1_767_268_800_000_000

FLOATS = st.one_of(
    st.none(),
    st.floats(-1e100, 1e100),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 5e-324, float("nan"), float("inf"), float("-inf")]),
)
INTEGERS = st.one_of(st.none(), st.integers(-5, 5), st.integers(-(2**53), 2**53))
BOOLEANS = st.one_of(st.none(), st.booleans())
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "d", "", "é", "None", "nan"]), st.text(max_size=12))
LISTS = st.one_of(st.none(), st.lists(st.floats(0, 1), max_size=4))

TYPES = {
    "real": pa.float64(),
    "whole": pa.int64(),
    "flag": pa.bool_(),
    "word": pa.string(),
    "series": pa.list_(pa.float64()),
    "wind": pa.float64(),
    "mixed": pa.string(),
}


def binning_of(name: str, kind: ColumnKind, edges: Any = (), domain: Any = (), **more: Any) -> ColumnBinning:
    """Returns a binning whose coarse bins hold two fine bins each."""
    fine = len(edges) + 1 if kind is not ColumnKind.CATEGORICAL else len(domain) + 1
    coarse = np.append(np.arange(fine) // 2, (fine - 1) // 2 + 1)
    edges = np.array(edges, np.float64)
    low, high = (edges[0], edges[-1]) if len(edges) else (np.nan, np.nan)
    return ColumnBinning(name, kind, edges, tuple(domain), coarse, 0.75, float(low), float(high), **more)


BINNING = {
    "real": binning_of("real", ColumnKind.NUMERIC, [-1e10, -1.0, -0.5, 0.0, 1e-300, 0.5, 1.0, 2.0, 1e12]),
    "whole": binning_of("whole", ColumnKind.NUMERIC, [-3.0, 0.0, 2.0, 3.0]),
    "flag": binning_of("flag", ColumnKind.NUMERIC, [0.0]),
    "word": binning_of("word", ColumnKind.CATEGORICAL, domain=["a", "b", "", "é"]),
    "series": binning_of("series", ColumnKind.LIST, [0.0, 1.0, 2.0]),
    "wind": binning_of("wind", ColumnKind.NUMERIC, [0.0, 1.0], request_level=True),
    "mixed": binning_of("mixed", ColumnKind.NUMERIC, [0.0, 1.0]),
    "gone": binning_of("gone", ColumnKind.CATEGORICAL, domain=["x"]),
}


@st.composite
def rows(draw: st.DrawFn, most: int = 30) -> list[Row]:
    """Returns the rows of up to `most` events, each of one to four items, in two neighbouring hours."""
    found = []
    for number in range(draw(st.integers(0, most))):
        time = EPOCH + draw(st.integers(0, 2 * HOUR - 1))
        wind = draw(FLOATS)
        for item in range(draw(st.integers(1, 4))):
            cells = {
                "real": draw(FLOATS),
                "whole": draw(INTEGERS),
                "flag": draw(BOOLEANS),
                "word": draw(TEXTS),
                "series": draw(LISTS),
                "wind": wind,
                "mixed": draw(TEXTS),
            }
            found.append(Row(f"event-{number}", item, time, cells))
    return found


def batch_of(found: list[Row]) -> pa.RecordBatch:
    """Returns the rows as captured data would hold them."""
    counts = {row.event: sum(1 for other in found if other.event == row.event) for row in found}
    columns: dict[str, pa.Array] = {
        "capture_event_id": pa.array([row.event for row in found], pa.string()),
        "capture_event_time": pa.array([row.time for row in found], pa.timestamp("us", "UTC")),
        "capture_item_index": pa.array([row.item for row in found], pa.int32()),
        "capture_item_count": pa.array([counts[row.event] for row in found], pa.int32()),
    }
    for name, kind in TYPES.items():
        columns[name] = pa.array([row.cells[name] for row in found], kind)
    return pa.RecordBatch.from_pydict(columns)

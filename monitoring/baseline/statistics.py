"""Writes `statistics.json` in Model Monitor's schema, from binned states. `statistics_reader` reads it.

It holds count, mean, sum, population standard deviation, minimum, maximum and distribution of each column, from its binned
state. What Model Monitor's schema has no name for stands in a key of ours, `capture`, of each feature: kinds of values,
infinities, the type where it is ours alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from monitoring.baseline import sketch
from monitoring.baseline.constraints_file import documented_type
from monitoring.baseline.data_type import prevailing_type
from monitoring.states.binning import ColumnBinning, ColumnKind
from monitoring.states.column import ColumnState, ValueKind

_KINDS = {kind: kind.name.lower() for kind in ValueKind}


def write(columns: Iterable[tuple[ColumnBinning, ColumnState]], rows: int) -> bytes:
    """Returns the statistics of `rows` rows as JSON, a feature for each column in this order."""
    document = {
        "version": 0.0,
        "dataset": {"item_count": rows},
        "features": [_feature(binning, state) for binning, state in columns],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def _feature(binning: ColumnBinning, state: ColumnState) -> dict[str, Any]:
    data_type = prevailing_type(state)
    entry: dict[str, Any] = {"name": binning.name, "inferred_type": documented_type(data_type)}
    common = {"num_present": state.present, "num_missing": state.missing}
    if binning.kind is ColumnKind.NUMERIC and state.finite:
        entry["numerical_statistics"] = _numerical(binning, state, common)
    elif binning.kind is ColumnKind.CATEGORICAL:
        entry["string_statistics"] = _categorical(binning, state, common)
    else:
        entry["string_statistics"] = {"common": common, "distinct_count": float(state.distinct)}
    entry["capture"] = {
        "value_type": data_type,
        "completeness": state.completeness,
        "kinds": {_KINDS[kind]: int(state.kinds[kind]) for kind in ValueKind if state.kinds[kind]},
    }
    if any(state.infinities):
        entry["capture"]["infinities"] = list(state.infinities)
    return entry


def _numerical(binning: ColumnBinning, state: ColumnState, common: dict[str, int]) -> dict[str, Any]:
    numbers = {
        "mean": state.mean(binning.centre) or 0.0,
        "sum": binning.centre * state.finite + state.sum1,
        "std_dev": state.std_dev() or 0.0,
        "min": state.minimum,
        "max": state.maximum,
    }
    # The last bin has no upper edge: its values are at most the maximum. The last entry of `fine` counts what has no bin.
    edges = np.append(binning.edges, max(state.maximum, binning.edges[-1] if len(binning.edges) else state.maximum))
    counts = state.fine[:-1].astype(np.int64)
    items = np.clip(edges, state.minimum, state.maximum)
    return {
        "common": common,
        **{key: value if math.isfinite(value) else None for key, value in numbers.items()},
        "distribution": {
            "kll": {
                "buckets": [
                    {"lower_bound": low, "upper_bound": high, "count": float(count)}
                    for low, high, count in sketch.equal_buckets(items, counts, state.minimum, state.maximum)
                ],
                "sketch": {"parameters": sketch.PARAMETERS, "data": sketch.levels_of(items, counts)},
            }
        },
    }


def _categorical(binning: ColumnBinning, state: ColumnState, common: dict[str, int]) -> dict[str, Any]:
    counts = state.fine[: len(binning.domain)].tolist()
    buckets = [{"value": value, "count": count} for value, count in zip(binning.domain, counts, strict=True) if count]
    return {
        "common": common,
        "distinct_count": float(state.distinct or len(buckets)),
        "distribution": {"categorical": {"buckets": buckets}},
    }

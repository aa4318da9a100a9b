"""The flights of 2013 as requests (one airport, one hour) for the drift benchmarks: 23 columns, bins of January to March."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from benchmarks import drift_columns
from benchmarks.drift_columns import Column
from examples.flights import data
from monitoring.drift.sample import Ints


@dataclass(frozen=True, eq=False)
class Flights:
    """All requests of the year. `day`: 0 is 1 January; `hour`: local hour; `month`; `size`: flights of each request."""

    columns: tuple[Column, ...]
    day: Ints
    hour: Ints
    month: Ints
    size: Ints

    def of_months(self, *months: int) -> Ints:
        """Returns the requests of some months."""
        return np.flatnonzero(np.isin(self.month, months))


@cache
def flights() -> Flights:
    """Returns the year, its bins fixed by January to March."""
    rows = data.flights()
    table = data.featured(rows)
    key = rows["hour_key"].astype(str) + rows["origin"].astype(str)
    number = key.ne(key.shift()).cumsum().to_numpy() - 1
    first = np.flatnonzero(np.r_[True, np.diff(number) > 0])
    starts = np.append(first, len(rows)).astype(np.int64)
    time = pd.to_datetime(rows["hour_key"].iloc[first], format="%Y-%m-%dT%H")
    month = time.dt.month.to_numpy()
    early = month <= 3
    columns = []
    for name, kind in data.FEATURES.items():
        request_level = name in data.REQUEST_FEATURES
        series = table[name].iloc[first] if request_level else table[name]
        where = np.arange(len(first) + 1) if request_level else starts
        baseline = early if request_level else early[number]
        if kind == "string":
            codes, labels = pd.factorize(series)
            columns.append(
                drift_columns.categorical(
                    name, codes.astype(np.int64), [str(v) for v in labels], where, baseline, request_level
                )
            )
        else:
            values = np.asarray(series.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), np.float64)
            columns.append(drift_columns.numeric(name, values, where, baseline, request_level))
    day = (time.dt.dayofyear.to_numpy() - 1).astype(np.int64)
    return Flights(
        tuple(columns), day, time.dt.hour.to_numpy().astype(np.int64), month.astype(np.int64), np.diff(starts)
    )

"""Worlds for the drift benchmarks: pools of requests whose distribution is known, with changes that can be switched on.

A pool holds counts by request for each column. Runs draw baseline and window from it request by request, so that nothing has
changed; a *changed* column has a second version of the same requests, which only the window uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks import drift_columns
from benchmarks.drift_columns import Column
from monitoring.drift.sample import Floats, Ints

MIXED_ICC = (0.0, 0.1, 0.3, 1.0)
CHANGES = (
    "mean +0.05 sd",
    "mean +0.1 sd",
    "mean +0.2 sd",
    "mean +0.5 sd",
    "mean +1 sd",
    "sd x1.3",
    "new mode 5 %",
    "nulls +5 %",
)
SWAP = "categories swapped"


@dataclass(frozen=True, eq=False)
class Pool:
    """Requests of one world. `columns`: what every run uses. `changed`: by (correlation, change), a column whose second half are the same requests after the change."""

    columns: tuple[Column, ...]
    sizes: Ints
    changed: dict[tuple[str, str], Column] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of a pool: `request` of each row, `starts` of each request, `common`: a factor that columns share."""

    request: Ints
    starts: Ints
    sizes: Ints
    common: Floats

    @classmethod
    def draw(cls, requests: int, rng: np.random.Generator) -> _Rows:
        sizes = rng.integers(8, 21, requests).astype(np.int64)
        return cls(
            np.repeat(np.arange(requests), sizes),
            np.concatenate([[0], np.cumsum(sizes)]),
            sizes,
            rng.normal(size=requests),
        )

    def latent(self, icc: float, rng: np.random.Generator, loading: float = 0.5) -> tuple[Floats, bool]:
        """Returns normal values with this intra-request correlation, and whether they are one a request."""
        own = loading * self.common + np.sqrt(1 - loading**2) * rng.normal(size=len(self.sizes))
        if icc >= 1:
            return own, True
        return np.sqrt(icc) * own[self.request] + np.sqrt(1 - icc) * rng.normal(size=len(self.request)), False


def mixed(requests: int, columns: int, rng: np.random.Generator, *, icc: tuple[float, ...] = MIXED_ICC) -> Pool:
    """Returns columns of normal, heavy-tailed, tied, gappy and categorical values, their correlations from `icc` in turn."""
    rows = _Rows.draw(requests, rng)
    made = []
    for index in range(columns):
        values, once = rows.latent(icc[index % len(icc)], rng)
        kind = (index // len(icc)) % 5
        if kind == 1:
            values = np.sign(values) * np.abs(values) ** 3
        elif kind == 2:
            values = np.round(2 * values)
        elif kind == 3:
            chance = 0.1 * rng.random(requests)
            gone = rng.random(len(values)) < (chance if once else chance[rows.request])
            values = np.where(gone, np.nan, values)
        made.append(_column(f"c{index}", values, once, rows, categories=kind == 4))
    return Pool(tuple(made), rows.sizes)


def zero_inflated(requests: int, columns: int, rng: np.random.Generator) -> Pool:
    """Returns counts and amounts of which most are zero, a whole request at a time for every second column."""
    rows = _Rows.draw(requests, rng)
    made = []
    for index in range(columns):
        values, once = rows.latent((0.0, 0.3, 0.8, 1.0)[index % 4], rng)
        amount = np.exp(1.5 * values)
        zero = rng.random(requests) < 0.85
        gone = (zero if once else zero[rows.request]) if index % 2 else rng.random(len(values)) < 0.9
        made.append(_column(f"z{index}", np.where(gone, 0.0, np.floor(amount)), once, rows))
    return Pool(tuple(made), rows.sizes)


def heavy(requests: int, columns: int, rng: np.random.Generator) -> Pool:
    """Returns Student's t with 1 to 2 degrees of freedom, shared by requests, and Pareto values."""
    rows = _Rows.draw(requests, rng)
    made = []
    for index in range(columns):
        degrees = 1 + index % 2
        own = rng.standard_t(degrees, requests)
        values = own[rows.request] + 0.5 * rng.standard_t(degrees, len(rows.request))
        if index % 3 == 2:
            values = rng.pareto(1.1, requests)[rows.request] * rng.pareto(1.1, len(rows.request))
        made.append(_column(f"h{index}", values, False, rows))
    return Pool(tuple(made), rows.sizes)


def seasonal(requests: int, columns: int, rng: np.random.Generator) -> Pool:
    """Returns columns that follow the hour of day and a slow season: requests of one pool, drawn at random from all of it."""
    rows = _Rows.draw(requests, rng)
    hour, season = rng.integers(0, 24, requests), rng.random(requests)
    made = []
    for index in range(columns):
        values, once = rows.latent((0.0, 0.3, 1.0)[index % 3], rng, loading=0.0)
        wave = np.sin(2 * np.pi * (hour + index) / 24) + 2 * np.sin(np.pi * season + index)
        values = values + (wave if once else wave[rows.request])
        made.append(_column(f"s{index}", values, once, rows, categories=index % 5 == 4))
    return Pool(tuple(made), rows.sizes)


def autoregressive(requests: int, columns: int, rng: np.random.Generator) -> Pool:
    """Returns columns each of which resembles the one before it (correlation 0.95)."""
    rows = _Rows.draw(requests, rng)
    made, values = [], rng.normal(size=len(rows.request)) + rng.normal(size=requests)[rows.request]
    for index in range(columns):
        fresh = rng.normal(size=len(rows.request)) + rng.normal(size=requests)[rows.request]
        values = 0.95 * values + np.sqrt(1 - 0.95**2) * fresh
        made.append(_column(f"a{index}", values, False, rows))
    return Pool(tuple(made), rows.sizes)


def with_changes(requests: int, columns: int, rng: np.random.Generator) -> Pool:
    """Returns a mixed pool with, for each correlation 0, 0.3 and 1, a column before and after every change."""
    pool = mixed(requests, columns, rng)
    rows = _Rows(
        np.repeat(np.arange(requests), pool.sizes), np.concatenate([[0], np.cumsum(pool.sizes)]), pool.sizes,
        rng.normal(size=requests),
    )  # fmt: skip
    changed = {}
    for icc in (0.0, 0.3, 1.0):
        before, once = rows.latent(icc, rng)
        low = np.where(_uniform(before, rows, once, icc, rng) < 0.02, np.nan, before)
        for change in CHANGES:
            base = low if change.startswith("nulls") else before
            after = _changed(base, change, _uniform(before, rows, once, icc, rng))
            changed[f"ICC {icc:g}", change] = _pair(base, after, once, rows)
        codes = np.digitize(before, _CUTS)
        changed[f"ICC {icc:g}", SWAP] = _swapped(codes.astype(np.int64), once, rows)
    return Pool(pool.columns, pool.sizes, changed)


_CUTS = np.array([-1.645, -1.036, -0.524, 0.0, 0.674, 1.282])
"""Cuts of a normal variable into 7 categories of 5, 10, 15, 20, 25, 15 and 10 %; the first two are swapped."""


def _uniform(values: Floats, rows: _Rows, once: bool, icc: float, rng: np.random.Generator) -> Floats:
    """Returns uniform numbers, alike within a request where the values are."""
    if once or icc == 0:
        return rng.random(len(values))
    whole = rng.random(len(rows.sizes))[rows.request]
    return np.where(rng.random(len(values)) < icc, whole, rng.random(len(values)))


def _changed(values: Floats, change: str, chance: Floats) -> Floats:
    if change.startswith("mean"):
        return values + float(change.split("+")[1].split()[0])
    if change == "sd x1.3":
        return 1.3 * values
    if change.startswith("new mode"):
        return np.where(chance < 0.05, 3.0 + 0.1 * values, values)
    return np.where(chance < 0.05, np.nan, values)


def _pair(before: Floats, after: Floats, once: bool, rows: _Rows) -> Column:
    starts = np.arange(len(rows.sizes) + 1) if once else rows.starts
    everything = np.concatenate([before, after])
    where = np.concatenate([starts, starts[1:] + starts[-1]])
    of_baseline = np.arange(len(everything)) < len(before)
    return drift_columns.numeric("x", everything, where, of_baseline, once)


def _swapped(codes: Ints, once: bool, rows: _Rows) -> Column:
    starts = np.arange(len(rows.sizes) + 1) if once else rows.starts
    after = np.choose(codes, [1, 0, 2, 3, 4, 5, 6])
    everything = np.concatenate([codes, after])
    where = np.concatenate([starts, starts[1:] + starts[-1]])
    of_baseline = np.arange(len(everything)) < len(codes)
    return drift_columns.categorical("x", everything, list("abcdefg"), where, of_baseline, once)


def _column(name: str, values: Floats, once: bool, rows: _Rows, *, categories: bool = False) -> Column:
    starts = np.arange(len(rows.sizes) + 1) if once else rows.starts
    everything: npt.NDArray[np.bool_] = np.ones(len(values), bool)
    if not categories:
        return drift_columns.numeric(name, values, starts, everything, once)
    codes = np.digitize(values, np.quantile(values, [0.4, 0.65, 0.8, 0.9, 0.95, 0.98, 0.995])).astype(np.int64)
    return drift_columns.categorical(name, codes, list("abcdefgh"), starts, everything, once)

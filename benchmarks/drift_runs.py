"""Runs of the drift decision over pools of requests: false alarms and power, beside the rivals.

Units are made as the monitor makes them: single requests up to 500, else 512 blocks by hash, held against 2,000 single requests
or 1,000 blocks of 8 of the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks import drift_rivals
from benchmarks.drift_columns import Column
from benchmarks.drift_worlds import Pool
from monitoring.drift.evidence import inflation
from monitoring.drift.one_sample import holm, one_sample_test
from monitoring.drift.permutation import column_test, permutation_test, shuffle, step_down
from monitoring.drift.sample import ColumnSample, Floats, Ints, Units
from monitoring.drift.units import match

SHUFFLES = 199
"""Any number B of which (B + 1) · 5 % is whole gives the level exactly; more shuffles find a little more."""
LEVEL, FLOOR = 0.05, 0.02
SINGLE, BLOCKS, BASELINE, LEVEL_SIZE = 500, 512, 2000, 8


@dataclass(frozen=True, eq=False)
class Counted:
    """A column's counts by request and coarse bin, shape (requests, K)."""

    column: Column
    counts: npt.NDArray[np.float32]

    @classmethod
    def of(cls, column: Column) -> Counted:
        requests = len(column.starts) - 1
        where = np.arange(requests)
        return cls(column, column.by_unit(where, where, requests).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Draw:
    """Requests of both sides and the unit of each. Units are numbered from 0 without gaps."""

    baseline: Ints
    window: Ints
    baseline_unit: Ints
    window_unit: Ints
    units: Units

    def sample(self, counted: Counted, shift: int = 0, *, with_units: bool = True) -> ColumnSample:
        """Returns the sample of a column; `shift` moves the window's requests to those after a change."""
        base = _by_unit(counted.counts[self.baseline], self.baseline_unit)
        wind = _by_unit(counted.counts[self.window + shift], self.window_unit)
        column = counted.column
        return ColumnSample(
            column.name, column.categorical, column.request_level, base.sum(axis=0), wind.sum(axis=0),
            np.arange(column.coarse), wind, base if with_units else None,
        )  # fmt: skip


def _by_unit(counts: npt.NDArray[np.float32], unit: Ints) -> Floats:
    """Returns counts by unit; `unit` ascends."""
    starts = np.flatnonzero(np.r_[True, np.diff(unit) > 0])
    return (
        np.asarray(np.add.reduceat(counts, starts, axis=0), np.float64)
        if len(starts) < len(unit)
        else counts.astype(np.float64)
    )


def draw(requests: Ints, window: int, sizes: Ints, rng: np.random.Generator) -> Draw:
    """Draws `window` requests and a baseline from the rest, and makes units of both."""
    order = rng.permutation(requests)
    return against(order[window:], order[:window], sizes, rng)


def against(rest: Ints, wind: Ints, sizes: Ints, rng: np.random.Generator) -> Draw:
    """Makes units of a window's requests and of the `rest`, the baseline's; both in a random order."""
    window = len(wind)
    rows = sizes[wind].astype(np.float64)
    spread = float(np.square(rows).sum() / rows.sum())
    if window <= SINGLE:
        base = rest[:BASELINE]
        units = Units(window_requests=window, rows=spread)
        return Draw(base, wind, np.arange(len(base)), np.arange(window), units)
    unit_w = _hashed(window, BLOCKS, rng)
    large = rest[: 1000 * LEVEL_SIZE]
    unit_b = _hashed(len(large), len(large) // LEVEL_SIZE, rng)
    levels = [(min(BASELINE, len(rest)), 1.0), (int(unit_b[-1]) + 1, len(large) / (unit_b[-1] + 1))]
    found = match(int(unit_w[-1]) + 1, window / (unit_w[-1] + 1), levels)
    assert found is not None
    if found.level == 0:
        large, unit_b = rest[:BASELINE], np.arange(min(BASELINE, len(rest)))
    units = Units(window_requests=window, baseline_size=found.baseline_size, window_size=found.window_size, rows=spread)
    base, unit_b = _together(large, unit_b, found.baseline_factor)
    wind, unit_w = _together(wind, unit_w, found.window_factor)
    return Draw(base, wind, unit_b, unit_w, units)


def _hashed(count: int, blocks: int, rng: np.random.Generator) -> Ints:
    """Returns an ascending block for each of `count` requests in random order, empty blocks left out."""
    return np.unique(np.sort(rng.integers(0, blocks, count)), return_inverse=True)[1].astype(np.int64)


def _together(requests: Ints, unit: Ints, factor: int) -> tuple[Ints, Ints]:
    whole = (int(unit[-1]) + 1) // factor * factor
    kept = unit < whole
    return requests[kept], unit[kept] // factor


@dataclass
class Tally:
    """Counts of alarms over runs."""

    runs: int = 0
    ours: int = 0
    with_floor: int = 0
    one_sample: int = 0
    one_sample_runs: int = 0
    rival_runs: int = 0
    rivals: dict[str, int] | None = None

    def add_rivals(self, found: dict[str, bool]) -> None:
        self.rival_runs += 1
        self.rivals = {name: (self.rivals or {}).get(name, 0) + alarm for name, alarm in found.items()}


def false_alarms(
    pool: Pool,
    counted: Sequence[Counted],
    requests: Ints,
    window: int,
    runs: int,
    tally: Tally,
    rng: np.random.Generator,
    *,
    rivals: int = 0,
    one_sample: int = 0,
    shuffles: int = SHUFFLES,
) -> None:
    """Adds `runs` runs without a change to the tally; the first `rivals` and `one_sample` of them also judge by those."""
    for run in range(runs):
        drawn = draw(requests, window, pool.sizes, rng)
        samples = [drawn.sample(column) for column in counted]
        wider = inflation(drawn.units, len(samples[0].window_units), int(drawn.baseline_unit[-1]) + 1)
        test = permutation_test(samples, level=LEVEL, shuffles=shuffles, rng=rng, inflation=wider)
        real = test.p_values <= LEVEL
        tally.runs += 1
        tally.ours += bool(real.any())
        tally.with_floor += any(r and linf(s) >= FLOOR for r, s in zip(real, samples, strict=True))
        if run < one_sample:
            tally.one_sample_runs += 1
            tally.one_sample += bool(_one_sample(drawn, counted, requests, rng))
        if run < rivals:
            said = [drift_rivals.judge(c.column, drawn.baseline, drawn.window, pool.sizes, rng) for c in counted]
            tally.add_rivals(drift_rivals.verdicts(said))


def _one_sample(drawn: Draw, counted: Sequence[Counted], requests: Ints, rng: np.random.Generator) -> bool:
    """Returns whether the one-sample form alarms, against a table of all requests that are not in the window."""
    rest = np.setdiff1d(requests, drawn.window)
    p = []
    for column in counted:
        table = column.counts[rest].sum(axis=0, dtype=np.float64)
        plain = drawn.sample(column, with_units=False)
        times = drawn.units.rows if column.column.request_level else 1.0
        sample = ColumnSample(
            plain.name, plain.categorical, plain.request_level, table * times, plain.window_fine, plain.coarse_of_fine,
            plain.window_units,
        )  # fmt: skip
        p.append(one_sample_test(sample, drawn.units, rng).p_value)
    return bool((holm(np.array(p)) <= LEVEL).any())


def linf(sample: ColumnSample) -> float:
    """Returns the L-infinity distance at the coarse bins."""
    p = sample.baseline_fine / max(1.0, sample.baseline_fine.sum())
    q = sample.window_fine / max(1.0, sample.window_fine.sum())
    return float(np.abs(q - p if sample.categorical else np.r_[np.cumsum(q - p), q[-1] - p[-1]]).max())


def power(
    pool: Pool,
    counted: Sequence[Counted],
    window: int,
    runs: int,
    found: dict[tuple[str, str], dict[str, list[int]]],
    rng: np.random.Generator,
    *,
    rivals: int = 0,
) -> None:
    """Adds runs in which one of 50 columns has changed. `found`: by changed column, (alarms, runs) of each method."""
    requests = np.arange(len(pool.sizes))
    changed = {key: Counted.of(column) for key, column in pool.changed.items()}
    for run in range(runs):
        drawn = draw(requests, window, pool.sizes, rng)
        backs = [drawn.sample(column) for column in counted]
        units_w, units_b = len(backs[0].window_units), int(drawn.baseline_unit[-1]) + 1
        labels = shuffle(units_b, units_w, SHUFFLES, rng)
        wider = inflation(drawn.units, units_w, units_b)
        others = [column_test(sample, labels, units_w, wider).statistics for sample in backs]
        p_one = np.zeros(0)
        if run < rivals:
            said = [drift_rivals.judge(c.column, drawn.baseline, drawn.window, pool.sizes, rng) for c in counted]
            p_one = np.array([s.p_one for s in said])
        for key, column in changed.items():
            sample = drawn.sample(column, len(pool.sizes))
            test = column_test(sample, labels, units_w, wider)
            real = step_down(np.column_stack([*others, test.statistics]))[-1] <= LEVEL
            _add(found, key, "ours", real)
            _add(found, key, "ours with floor", bool(real and linf(sample) >= FLOOR))
            if run < rivals:
                sizes = np.concatenate([pool.sizes, pool.sizes])
                one = drift_rivals.judge(column.column, drawn.baseline, drawn.window + len(pool.sizes), sizes, rng)
                _add(found, key, drift_rivals.ROBUST, one.robust)
                _add(found, key, drift_rivals.EVIDENTLY, one.evidently)
                _add(found, key, drift_rivals.KS, one.ks)
                _add(found, key, drift_rivals.PSI, one.psi)
                together = drift_rivals.benjamini_hochberg(np.r_[p_one, one.p_one])
                _add(found, key, drift_rivals.ONE_ROW, bool(together[-1]))


def _add(found: dict[tuple[str, str], dict[str, list[int]]], key: tuple[str, str], method: str, alarm: bool) -> None:
    cell = found.setdefault(key, {}).setdefault(method, [0, 0])
    cell[0] += bool(alarm)
    cell[1] += 1

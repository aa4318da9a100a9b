"""Three claims of the drift decision that the large benchmark does not touch.

A window of over fifty times the baseline's requests alarms rarely without a change. A p-value extrapolated from 999 shuffles is
reached as often as it says. A change of the size that "could have been seen" is seen four times of five.

    python -m benchmarks.drift_limits [--full]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import drift_columns, drift_worlds
from benchmarks.drift_runs import Counted, Draw, against, draw
from benchmarks.drift_worlds import Pool
from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from monitoring.drift.decision import ColumnDecision, decide
from monitoring.drift.evidence import TAIL, evidence_of_large_window
from monitoring.drift.permutation import permutation_test
from monitoring.drift.sample import ColumnSample, Floats, Ints, Units
from monitoring.drift.tails import tail_p

WORLDS: dict[str, Callable[[int, int, np.random.Generator], Pool]] = {
    "ICC 0 to 1": drift_worlds.mixed,
    "heavy tails": drift_worlds.heavy,
    "zero-inflated": drift_worlds.zero_inflated,
}
COLUMNS, TIMES, BLOCKS = 10, 55, 512
_KINDS = {"mean": "shift of the mean", "cdf": "point of the CDF", "share": "share of a category"}
LEVELS = (0.01, 0.0005, 0.00002)


def large_window(baseline: int, pool: Pool, counted: list[Counted], rng: np.random.Generator) -> bool:
    """Returns whether a window of TIMES times the baseline's requests alarms."""
    order = rng.permutation(len(pool.sizes))
    base, wind = order[:baseline], order[baseline : baseline * (TIMES + 1)]
    unit = np.sort(rng.integers(0, BLOCKS, len(wind)))
    starts = np.flatnonzero(np.r_[True, np.diff(unit) > 0])
    rows = pool.sizes[base].astype(np.float64)
    samples = []
    for c in counted:
        ours = np.add.reduceat(c.counts[wind].astype(np.float64), starts, axis=0)
        theirs = c.counts[base].astype(np.float64)
        samples.append(
            ColumnSample(
                c.column.name, c.column.categorical, c.column.request_level, theirs.sum(axis=0), ours.sum(axis=0),
                np.arange(c.column.coarse), ours, theirs,
            )
        )  # fmt: skip
    units = Units(window_requests=len(wind), baseline_is_sample=True, baseline_rows=float(rows @ rows / rows.sum()))
    found = evidence_of_large_window(samples, units, 0.05, rng)
    return any(evidence.p_value <= 0.05 for evidence in found.columns.values())


def large_windows(runs: int, rng: np.random.Generator, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Runs windows without a change against baselines of 15, 60 and 300 requests."""
    found = []
    for name, world in WORLDS.items():
        for baseline in (15, 60, 300):
            alarms = 0
            for _ in range(4):
                pool = world(baseline * (TIMES + 1) + 500, COLUMNS, rng)
                counted = [Counted.of(column) for column in pool.columns]
                alarms += sum(large_window(baseline, pool, counted, rng) for _ in range(runs // 4))
            found.append({"world": name, "baseline": baseline, "alarms": alarms, "runs": runs // 4 * 4})
            say(f"large windows, {name}, {baseline} requests: {alarms} of {runs // 4 * 4}")
    return found


def tails(worlds: int, shuffles: int, rng: np.random.Generator, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Fits tails to 999 shuffles, and counts how often further shuffles reach an extrapolated p."""
    found = []
    for name, world in WORLDS.items():
        for window in (14, 350):
            shares = []
            for _ in range(worlds):
                pool = world(2400, COLUMNS, rng)
                drawn = draw(np.arange(2400), window, pool.sizes, rng)
                samples = [drawn.sample(Counted.of(column)) for column in pool.columns]
                largest = permutation_test(samples, level=0.05, shuffles=shuffles, rng=rng).largest[1:]
                further = largest[4 * 999 :]
                for fit in range(4):
                    p = tail_p(largest[fit * 999 : (fit + 1) * 999], further, TAIL)
                    shares.append([float((p <= level).mean()) / level for level in LEVELS])
            found.append({"world": name, "requests": window, "ratios": np.mean(shares, axis=0).tolist()})
            say(f"tails, {name}, {window} requests")
    return found


def visible(runs: int, rng: np.random.Generator, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Makes changes of exactly the size that a window could have shown, and counts how often they are found."""
    found = []
    for window in (70, 350):
        for icc in (0.0, 0.3, 1.0):
            found.append({"requests": window, "icc": icc, "runs": runs} | _seen(window, icc, runs, rng))
            say(f"what could have been seen, {window} requests, ICC {icc:g}")
    return found


@dataclass(frozen=True, eq=False)
class Trial:
    """One draw of baseline and window, and the columns that do not change."""

    drawn: Draw
    backs: list[ColumnSample]
    starts: Ints
    rng: np.random.Generator

    def numbers(self, values: Floats) -> ColumnDecision:
        """Returns the decision on a numeric column of these values by row."""
        return self._judge(drift_columns.numeric("x", values, self.starts, np.ones(len(values), bool), False))

    def categories(self, codes: Ints) -> ColumnDecision:
        """Returns the decision on a categorical column of these codes by row."""
        everything = np.ones(len(codes), bool)
        return self._judge(drift_columns.categorical("x", codes, list("abcd"), self.starts, everything, False))

    def _judge(self, column: drift_columns.Column) -> ColumnDecision:
        samples = [*self.backs, self.drawn.sample(Counted.of(column))]
        return decide(samples, rng=self.rng, units=self.drawn.units, shuffles=199).columns[-1]


def _seen(window: int, icc: float, runs: int, rng: np.random.Generator) -> dict[str, int]:
    """Returns how often a shift of the mean, of one point of the CDF, and of a share are found at their stated sizes."""
    seen = dict.fromkeys(_KINDS, 0)
    pool = drift_worlds.mixed(2400, COLUMNS, rng)
    others = [Counted.of(column) for column in pool.columns]
    request = np.repeat(np.arange(2400), pool.sizes)
    starts = np.concatenate([[0], np.cumsum(pool.sizes)]).astype(np.int64)
    for _ in range(runs):
        order = rng.permutation(2400)
        drawn = against(order[:2000], order[2000 : 2000 + window], pool.sizes, rng)
        trial = Trial(drawn, [drawn.sample(column) for column in others], starts, rng)
        of_window = np.isin(request, drawn.window)
        alike = rng.random(len(request)) < icc
        chance = np.where(alike, rng.random(2400)[request], rng.random(len(request)))
        values = np.sqrt(icc) * rng.normal(size=2400)[request] + np.sqrt(1 - icc) * rng.normal(size=len(request))
        plain = trial.numbers(values)
        seen["mean"] += _found(trial.numbers(values + (plain.detectable_mean or 0.0) * of_window))
        risen = of_window & (values < 0) & (chance < 2 * (plain.detectable or 0.0))
        seen["cdf"] += _found(trial.numbers(np.where(risen, -values, values)))
        codes = np.digitize(values, [-1.2, 0.0, 0.8]).astype(np.int64)
        into_first = (trial.categories(codes).detectable or 0.0) / float((codes != 0).mean())
        turned = of_window & (codes != 0) & (chance < into_first)
        seen["share"] += _found(trial.categories(np.where(turned, 0, codes)))
    return seen


def _found(column: ColumnDecision) -> bool:
    return column.p_value is not None and column.p_value <= 0.05


def tables(result: dict[str, Any]) -> str:
    """Returns the Markdown tables of a result."""
    large = [
        [cell["world"], cell["baseline"], cell["runs"], f"{100 * cell['alarms'] / cell['runs']:.1f}"]
        for cell in result["large"]
    ]
    every = sum(cell["alarms"] for cell in result["large"]), sum(cell["runs"] for cell in result["large"])
    large.append(["all", "", every[1], f"{100 * every[0] / every[1]:.1f}"])
    far = [[cell["world"], cell["requests"], *(f"{ratio:.2f}" for ratio in cell["ratios"])] for cell in result["tails"]]
    seen = [
        [cell["requests"], f"{cell['icc']:g}", cell["runs"], *(f"{100 * cell[k] / cell['runs']:.0f}" for k in _KINDS)]
        for cell in result["visible"]
    ]
    return "\n\n".join(
        [
            f"### Windows of {TIMES} times the baseline's requests\n\nRuns (%) that alarm though nothing changed; the window is the "
            "table, the baseline's requests the sample.\n\n"
            + markdown(["world", "requests of the baseline", "runs", "alarms (%)"], large),
            "### Extrapolated p-values\n\nHow often further shuffles reach an extrapolated p-value, over how often they should.\n\n"
            + markdown(["world", "requests of the window", *(f"p = {level:g}" for level in LEVELS)], far),
            "### What could have been seen\n\nRuns (%) that find a change of exactly the stated size; the aim is 80.\n\n"
            + markdown(["requests", "ICC", "runs", *(_KINDS.values())], seen),
        ]
    )


def main() -> None:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_limits", description=__doc__.split("\n\n")[0])
    parser.add_argument("--full", action="store_true", help="the full form, some minutes on one core")
    parser.add_argument("--seed", type=int, default=20281)
    given = parser.parse_args()
    rng, begun = np.random.default_rng(given.seed), time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {what}", file=sys.stderr, flush=True)

    full = given.full
    with threadpool_limits(1):
        result = {
            "machine": machine(),
            "seed": given.seed,
            "full": full,
            "large": large_windows(200 if full else 20, rng, say),
            "visible": visible(100 if full else 8, rng, say),
            "tails": tails(4 if full else 1, 19_999 if full else 9_999, rng, say),
        }
    write_results("drift_limits" if full else "drift_limits_short", result, tables(result))
    print(tables(result))


if __name__ == "__main__":
    main()

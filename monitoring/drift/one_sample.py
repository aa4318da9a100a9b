"""The test against a baseline without units: a table of counts, from Model Monitor's files or from training data.

A window cannot say how much a value varies that it hardly contains, so resampling the window fails. The variance is the
table's multinomial variance times a design effect from the window, bounded by what complete correlation within a request
would give (`docs/decisions/0032-a-permutation-test.md`). The assumption: rows of the table resemble each other no more than
rows of the window's requests. Where rows were copied it fails, and the table cannot show it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitoring.drift import contrasts
from monitoring.drift.contrasts import Contrasts
from monitoring.drift.parts import ColumnTest, combine
from monitoring.drift.sample import ColumnSample, Floats, Units
from monitoring.drift.scores import cube_root, root_deviance

_DRAWS = 1000
_RARE = 2.0
"""The sum of squares leaves out values of which the window should hold fewer effective rows than this."""


@dataclass(frozen=True, eq=False)
class OneSampleTest:
    """One column's test. `p_value` is of this column alone; `window` and `baseline` are rows, repeated values taken off."""

    test: ColumnTest
    p_value: float
    window: float
    baseline: float


@dataclass(frozen=True, eq=False)
class _PooledTable:
    """The pooled shares and what a row of them gives: `variance`, `skewness` of each contrast; `kept`: those that vary."""

    rates: Floats
    scaled: Floats
    variance: Floats
    skewness: Floats
    kept: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, rates: Floats, asked: Contrasts) -> _PooledTable:
        centred = asked.weights - rates @ asked.weights
        variance = rates @ np.square(centred)
        kept = variance > 1e-12 * np.maximum(1.0, np.square(asked.weights).max(axis=0))
        safe = np.where(kept, variance, 1.0)
        skewness = np.where(kept, (rates @ centred**3) / safe**1.5, 0.0)
        return cls(rates, centred / np.sqrt(safe), safe, skewness, kept)


def one_sample_test(sample: ColumnSample, units: Units, rng: np.random.Generator) -> OneSampleTest:
    """Tests one column of the window against the table's shares."""
    table, found = sample.coarse_counts(sample.baseline_fine), sample.window_units.sum(axis=0)
    copies = units.rows if sample.request_level and units.repeats else 1.0
    n_w, n_b = float(found.sum()) * units.weight_share, float(table.sum()) / copies
    nothing = OneSampleTest(ColumnTest(sample.name, np.zeros(1)), 1.0, n_w, n_b)
    if n_w <= 0 or n_b <= 0 or len(sample.window_units) < 2:
        return nothing
    pooled = found * units.weight_share + table / copies
    asked = contrasts.categorical(sample.coarse) if sample.categorical else contrasts.numeric(pooled)
    model = _PooledTable.of(pooled / pooled.sum(), asked)
    if not model.kept.any():
        return nothing
    request_rows = 1.0 if sample.request_level else units.rows
    effect = design_effect(sample.window_units, table / table.sum(), asked, model, request_rows)
    e_w, e_b = n_w / effect, n_b / effect
    difference = (found / found.sum() - table / table.sum()) @ asked.weights
    t = np.where(model.kept, difference / np.sqrt(model.variance * (1 / e_w + 1 / e_b)), 0.0)
    z = cube_root(t, model.skewness * (e_w**-2 - e_b**-2) / (1 / e_w + 1 / e_b) ** 1.5)
    for j, k in contrasts.share_bins(asked, sample.coarse):
        z[j] = _share_score(found[k] * units.weight_share, table[k] / copies, n_w, n_b, effect[j])
    draws = _draws(model, rng)
    omnibus = e_w * model.rates >= _RARE if sample.categorical else None
    deviations = np.sqrt(model.variance * effect)
    z_all, t_all = np.vstack([z, draws]), np.vstack([t, draws])
    clusters = _clusters(asked, effect, sample.coarse)
    test = combine(
        sample.name, asked, model.kept, z_all, t_all, pooled, deviations, clusters,
        omnibus=omnibus, observed_is_reference=False,
    )  # fmt: skip
    p_value = float(np.exp(0.5 * np.log(test.spread) - test.statistics[0]))
    return OneSampleTest(test, min(1.0, p_value), n_w, n_b)


def design_effect(units: Floats, rates: Floats, asked: Contrasts, model: _PooledTable, request_rows: float) -> Floats:
    """Returns how many rows each contrast's variance is worth less than independent rows, shape (J,).

    `units`: the window's counts, shape (W, K); `rates`: the table's shares; `request_rows`: sum N² / sum N by request, the
    design effect of complete correlation. A contrast's own estimate is trusted as far as the window holds enough of it.
    """
    size = units.sum(axis=1)
    mean = size.mean()
    sums = (units - np.outer(size, rates)) @ asked.weights / mean
    spread = np.square(sums - np.outer(size / mean, sums.mean(axis=0))).sum(axis=0) / (len(units) - 1) * mean
    own = spread / model.variance
    column = np.ones(len(own))
    for part in (contrasts.CDF, contrasts.SHARES):
        chosen = [j for j in asked.of(part) if model.kept[j]]
        if chosen:
            column[:] = max(1.0, float(spread[chosen].sum() / model.variance[chosen].sum()))
    least = np.maximum(own, column)
    raised = least * (1 + np.sqrt(2 / len(units)))
    trust = 1 / (np.square(model.skewness) + 4)
    doubt = np.square(np.minimum(1.0, 1 / (len(units) * trust)))
    effect = np.minimum(request_rows, raised + doubt * np.maximum(request_rows - raised, 0.0))
    return np.asarray(np.maximum(np.maximum(effect, np.minimum(least, 1.5 * request_rows)), 1e-9))


def _share_score(window: float, table: float, n_w: float, n_b: float, effect: float) -> float:
    """Returns the z score of one value's share, of the rarer of the value and all other values."""
    sign = 1.0
    if window + table > (n_w + n_b) / 2:
        window, table, sign = n_w - window, n_b - table, -1.0
    x = np.array([window / effect])
    return sign * float(root_deviance(x, x + table / effect, np.array([n_w / (n_w + n_b)]))[0])


def _clusters(asked: Contrasts, effect: Floats, coarse: int) -> Floats:
    clusters = np.full(coarse, float(effect.max()))
    for j, k in contrasts.share_bins(asked, coarse):
        clusters[k] = effect[j]
    return clusters


def _draws(model: _PooledTable, rng: np.random.Generator) -> Floats:
    """Returns z scores of draws without a change, shape (1000, J): multinomial counts in the Gaussian limit."""
    noise = rng.standard_normal((_DRAWS, len(model.rates))) * np.sqrt(model.rates)
    noise -= np.outer(noise.sum(axis=1), model.rates)
    return np.where(model.kept, noise @ model.scaled, 0.0)


def holm(p: Floats) -> Floats:
    """Returns family-wise p-values of `p`, shape (columns,), under any dependence. Holm 1979."""
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    values = np.empty(len(p))
    values[order] = stepped
    return values

"""Which part of a column moved, in words. Each phrase stands alone after the column's name and holds a number and a unit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitoring.drift import contrasts
from monitoring.drift.sample import ColumnSample
from monitoring.drift.size import Size

_LABEL = 40
_NAMED = 3
_CLEAR = 1e-9
"""Evidence beyond this is clear; what is easiest to read comes first."""
_SPREAD = 0.05
"""A ratio of standard deviations closer to 1 is not worth a phrase."""


def percent(share: float) -> str:
    """Returns a share as a percentage with the digits that matter: 12.6 %, 0.04 %."""
    value = 100 * share
    digits = 1 if abs(value) >= 0.95 or value == 0 else 2
    return f"{value:.{digits}f} %"


def moved(sample: ColumnSample, size: Size, p_parts: Mapping[str, float], level: float) -> tuple[str, ...]:
    """Returns what moved, the part with the clearest evidence first (three orders of magnitude are a tie); empty where no part is beyond `level`.

    `p_parts`: tail probabilities by part, as `ColumnDecision.tests` holds them.
    """
    phrases = {
        contrasts.MISSING: _missing(sample),
        contrasts.LOCATION: _location(size),
        contrasts.SCALE: _scale(size),
        contrasts.CDF: _point(sample),
        contrasts.SHARES: _shares(sample),
        contrasts.ALL_SHARES: _shares(sample),
    }
    order = list(phrases)
    found = [(round(np.log10(max(p, _CLEAR)) / 3), order.index(part)) for part, p in p_parts.items() if p <= level]
    return tuple(dict.fromkeys(phrases[order[index]] for _, index in sorted(found) if phrases[order[index]]))


def _change(what: str, before: float, after: float) -> str:
    verb = "rose" if after > before else "fell"
    return f"{what} {verb} from {percent(before)} to {percent(after)}"


def _missing(sample: ColumnSample) -> str:
    before = sample.baseline_fine[-1] / sample.baseline_fine.sum()
    after = sample.window_fine[-1] / sample.window_fine.sum()
    return _change("missing values", float(before), float(after))


def _location(size: Size) -> str:
    if size.mean_shift is None:
        return ""
    verb = "rose" if size.mean_shift > 0 else "fell"
    return f"the mean {verb} by {abs(size.mean_shift):.{2 if abs(size.mean_shift) < 0.995 else 1}f} standard deviations"


def _scale(size: Size) -> str:
    if size.spread_ratio is None or abs(np.log(max(size.spread_ratio, 1e-9))) < _SPREAD:
        return ""
    return f"the standard deviation is {size.spread_ratio:.2f} times the baseline's"


def _point(sample: ColumnSample) -> str:
    before, after = sample.baseline_fine[:-1], sample.window_fine[:-1]
    if not len(sample.edges) or before.sum() <= 0 or after.sum() <= 0:
        return ""
    cdf_before, cdf_after = np.cumsum(before / before.sum()), np.cumsum(after / after.sum())
    k = int(np.abs(cdf_after - cdf_before)[:-1].argmax())
    return _change(f"the share of values up to {sample.edges[k]:.6g}", float(cdf_before[k]), float(cdf_after[k]))


def _shares(sample: ColumnSample) -> str:
    before = sample.baseline_fine / sample.baseline_fine.sum()
    after = sample.window_fine / sample.window_fine.sum()
    order = np.argsort(-np.abs(after - before), kind="stable")
    chosen = [int(k) for k in order[:_NAMED] if abs(after[k] - before[k]) > 0]
    largest = max((abs(after[k] - before[k]) for k in chosen), default=0.0)
    chosen = [k for k in chosen if abs(after[k] - before[k]) >= largest / 4]
    return "; ".join(_change(label(sample, k), float(before[k]), float(after[k])) for k in chosen)


def label(sample: ColumnSample, k: int) -> str:
    """Returns the name of fine bin `k` of a categorical column, cut to 40 characters."""
    if k == len(sample.coarse_of_fine) - 1:
        return "missing values"
    if k >= len(sample.labels):
        return "values outside the baseline's domain"
    text = sample.labels[k]
    return f"“{text}”" if len(text) <= _LABEL else f"“{text[: _LABEL - 1]}…”"

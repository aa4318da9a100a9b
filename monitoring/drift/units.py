"""Blocks of the baseline that match the window's: units are exchangeable only where both sides' hold as many requests.

A baseline keeps several levels: single requests, and blocks of 8, 64, 512 requests. A window has single requests or about 500
blocks. Putting blocks together on both sides gives sizes that match; `evidence.inflation` corrects for what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.drift.sample import Floats

_FACTORS = (1, 2, 4, 8, 16, 32)
_UNITS_LOST = 16.0
"""A side of u units counts as if it had a share of 16 / u fewer requests: few units estimate a variance badly."""
_ALIKE = 0.15
"""Sizes that differ by more than this share match only where nothing else is offered."""


@dataclass(frozen=True)
class Match:
    """Which level to take, and how many units of each side to put together. `level` is an index.

    `baseline_size`, `window_size`: requests of a unit after that, as `sample.Units` wants them.
    """

    level: int
    baseline_factor: int
    window_factor: int
    baseline_size: float
    window_size: float


def is_small(found: Match | None, levels: Sequence[tuple[int, float]], least: int) -> bool:
    """Returns True where the baseline has too few requests to make units of the window's size.

    Then units cannot be exchanged: fewer than `least` would be left, or they would hold far fewer requests than the window's.
    """
    if found is None:
        return bool(levels)
    units = levels[found.level][0] // found.baseline_factor
    return units < least or found.window_size > found.baseline_size * (1 + _ALIKE)


def match(window_units: int, window_size: float, levels: Sequence[tuple[int, float]]) -> Match | None:
    """Returns how to make units of both sides alike; None without levels.

    `levels`: (units, requests a unit) of each level of the baseline. Of all pairs whose sizes differ by at most 15 % it takes
    the one with the largest effective number of requests, 1 / (1 / window + 1 / baseline), less what few units lose.
    """
    found: list[tuple[bool, float, Match]] = []
    for window_factor in _FACTORS:
        size = window_size * window_factor
        for index, (units, level_size) in enumerate(levels):
            nearest = size / level_size
            for factor in {max(1, int(np.floor(nearest))), max(1, int(np.ceil(nearest)))}:
                candidate = Match(index, factor, window_factor, level_size * factor, size)
                value = _value(window_units // window_factor, units // factor, candidate)
                alike = abs(np.log(candidate.baseline_size / size)) <= np.log1p(_ALIKE)
                if value > 0:
                    found.append((bool(alike), value, candidate))
    if not found:
        return None
    return max(found, key=lambda entry: (entry[0], entry[1]))[2]


def _value(window: int, baseline: int, candidate: Match) -> float:
    if window < 1 or baseline < 1:
        return 0.0
    mismatch = abs(float(np.log(candidate.baseline_size / candidate.window_size)))
    requests = 1 / (1 / (window * candidate.window_size) + 1 / (baseline * candidate.baseline_size))
    certain = 1 / (1 + _UNITS_LOST / window) / (1 + _UNITS_LOST / baseline)
    return float(requests * certain * np.exp(-mismatch))


def put_together(counts: Floats, factor: int) -> Floats:
    """Returns counts, shape (U // factor, K), in which `factor` units that follow each other are one.

    Units must lie in a random order (by hash). A last run that is cut short is left out.
    """
    if factor == 1:
        return counts
    whole = len(counts) // factor
    return np.asarray(counts[: whole * factor].reshape(whole, factor, counts.shape[1]).sum(axis=1))

"""Contrasts of every shuffle to z scores, corrected for skewness. Formulas: docs/decisions/0032-a-permutation-test.md."""

from __future__ import annotations

import numpy as np
from scipy import special

from monitoring.drift.sample import Floats

_FLAT = 1e-3
"""Below this skewness the cube root is the identity to four digits."""


def cube_root(t: Floats, skewness: Floats) -> Floats:
    """Returns normal scores of `t`, shape (B, J), which has mean 0, variance 1 and `skewness`, shape (J,).

    Wilson & Hilferty 1931 for a Pearson III variable, which Mielke & Berry 2007 fit to permutation distributions.
    """
    g = np.where(np.abs(skewness) < _FLAT, _FLAT, skewness)
    return np.asarray(6 / g * (np.cbrt(1 + g * t / 2) - 1) + g / 6)


def root_deviance(x: Floats, total: Floats, f: Floats) -> Floats:
    """Returns signed roots of the binomial deviance of `x` out of `total` where a share `f` is expected.

    `x` is moved by 1/2 towards its expectation first (a continuity correction). McCullagh & Nelder 1989, section 4.4.
    """
    expected = total * f
    gap = x - expected
    moved = expected + np.sign(gap) * np.maximum(np.abs(gap) - 0.5, 0.0)
    moved = np.clip(moved, 0.0, total)
    rest, expected_rest = total - moved, total - expected
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance = special.xlogy(moved, moved / expected) + special.xlogy(rest, rest / expected_rest)
    return np.asarray(np.sign(gap) * np.sqrt(2 * np.maximum(np.nan_to_num(deviance, nan=0.0, posinf=0.0), 0.0)))

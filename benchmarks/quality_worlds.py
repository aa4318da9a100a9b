"""Simulated requests for the benchmark of model quality: correlated items, rare positives, moving inputs, moving concepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.state import QualityState

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Requests of 4 to 20 items. `rate` is about the share of positive labels; `effect` the standard deviation of a request's
    own effect, in log-odds, on labels and on inputs alike."""

    rate: float = 0.2
    effect: float = 0.7
    spread: float = 1.2

    def draw(self, rng: np.random.Generator, requests: int) -> QualityState:
        """Returns a binary window: the score is the probability without the request's own effect."""
        sizes = rng.integers(4, 21, requests)
        unit = np.repeat(np.arange(requests), sizes)
        shared = rng.normal(0, self.effect, requests)[unit]
        logit = np.log(self.rate / (1 - self.rate)) + rng.normal(0, self.spread, len(unit)) + 0.5 * shared
        label = (rng.random(len(unit)) < _sigmoid(logit + shared)).astype(np.float64)
        score = _sigmoid(logit)
        threshold = 0.5 if self.rate >= 0.3 else min(0.5, 2 * self.rate)
        predicted = (score >= threshold).astype(np.float64)
        return state_of(unit, predicted, score, label)

    def draw_values(self, rng: np.random.Generator, requests: int) -> QualityState:
        """Returns a regression window with heavy tails and errors that share a request's effect."""
        sizes = rng.integers(4, 21, requests)
        unit = np.repeat(np.arange(requests), sizes)
        value = rng.gamma(2.0, 10.0, len(unit))
        error = rng.normal(0, self.effect, requests)[unit] * 3 + rng.standard_t(6, len(unit)) * 4
        return state_of(unit, value + error, value, value)


def state_of(unit: npt.NDArray[np.int64], predicted: Numbers, score: Numbers, label: Numbers) -> QualityState:
    """Returns a state of unit weights at one time."""
    ones, zeros = np.ones(len(unit)), np.zeros(len(unit))
    return QualityState(unit.astype(np.int64), np.zeros(len(unit), np.int64), predicted, score, label, ones, zeros)


def _sigmoid(x: Numbers) -> Numbers:
    result: Numbers = 1 / (1 + np.exp(-x))
    return result

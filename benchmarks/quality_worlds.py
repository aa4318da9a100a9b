"""Simulated requests for the benchmark of model quality: correlated items, rare positives, moving inputs, moving concepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from monitoring.quality.design import Side
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


@dataclass(frozen=True)
class ConceptWorld:
    """Requests of 12 items whose labels follow from three inputs of which the model knows one.

    `shift` and `spread` move all inputs (one of them is a request's own), `flip` is a share of flipped labels, `bias` is
    added to the log-odds. A request has an effect of its own of 0.5 log-odds. `noise` and `hall` tell nothing.
    """

    shift: float = 0.0
    spread: float = 1.0
    flip: float = 0.0
    bias: float = 0.0
    interaction: float = 0.5
    far_place: float = 0.3

    def draw(self, rng: np.random.Generator, requests: int) -> Side:
        """Returns a side with the inputs `known`, `hidden`, `own`, `noise`, `place` and `hall`."""
        unit = np.repeat(np.arange(requests), 12)
        n = len(unit)
        known, hidden = (rng.normal(self.shift, self.spread, n) for _ in range(2))
        own = rng.normal(self.shift, self.spread, requests)[unit]
        far = rng.random(n) < self.far_place + 0.2 * self.shift
        logit = -1 + 0.8 * known + 0.6 * np.sin(1.5 * hidden) + 0.7 * far + self.interaction * known * hidden
        truth = _sigmoid(logit + self.bias + rng.normal(0, 0.5, requests)[unit])
        label = (rng.random(n) < truth).astype(np.float64)
        flipped = rng.random(n) < self.flip
        label[flipped] = 1 - label[flipped]
        inputs = {
            "known": known,
            "hidden": hidden,
            "own": own,
            "noise": rng.normal(self.shift, self.spread, n),
            "place": pa.array(np.where(far, "far", "near")),
            "hall": pa.array(rng.choice(["a", "b", "c"], n)),
        }
        return Side(unit, label, _sigmoid(-0.8 + 0.8 * known), np.ones(n), inputs)


@dataclass(frozen=True)
class ScoreWorld:
    """Requests of 12 items whose score is the model's whole knowledge, as in the first simulation of this test.

    The log-odds of the score are normal with mean -1 + `shift` and standard deviation `spread`.
    """

    shift: float = 0.0
    spread: float = 1.0
    flip: float = 0.0
    bias: float = 0.0

    def draw(self, rng: np.random.Generator, requests: int) -> Side:
        """Returns a side without inputs."""
        unit = np.repeat(np.arange(requests), 12)
        logit = rng.normal(-1 + self.shift, self.spread, len(unit))
        truth = _sigmoid(logit + self.bias + rng.normal(0, 0.5, requests)[unit])
        label = (rng.random(len(unit)) < truth).astype(np.float64)
        flipped = rng.random(len(unit)) < self.flip
        label[flipped] = 1 - label[flipped]
        return Side(unit, label, _sigmoid(logit), np.ones(len(unit)), {})

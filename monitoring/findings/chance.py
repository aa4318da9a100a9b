"""Whether a share of missing values or records rose by more than sampling explains, with requests as the units.

Few requests are common (an hour of a small endpoint), and there a standard error says little: of 3 requests, one that lacks a
value is 33 %, and where 2 % lack it ordinarily that happens every 17 hours. So the tail is exact: the beta-binomial probability
of as many or more, given what the baseline showed (Jeffreys' prior).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

CHANCE = 0.00135
"""The probability above three standard errors of a normal distribution, one side."""
LEAST_UNITS = 10
"""Requests that a judgement of an estimated share needs, as the drift decision does."""
MISSING_RISE = 0.005
"""The smallest rise of a share of missing records that counts, however many requests show it."""
SILENT = 0.9
"""A store that lacks this share of records, and lacked less than half before, is silent however few requests show it."""
_EXACT = 1_000


def is_by_chance(share: float, units: int, before: float, before_units: int) -> bool:
    """Returns True where `share` of `units` is no more than `before`, measured on `before_units`, lets expect."""
    count = math.floor(share * units + 1e-9)
    if count <= 0 or share <= before:
        return True
    if count > _EXACT:
        error = math.sqrt(max(before * (1 - before), 1 / units) * (1 / units + 1 / max(1, before_units)))
        return share - before <= 3 * error
    return _tail(count, units, before * before_units + 0.5, (1 - before) * before_units + 0.5) > CHANCE


def lacks_records(share: float, events: int, before: float, before_events: int = 10_000) -> bool:
    """Returns True where a store lacks records in `share` of `events` requests, and more than its baseline lets expect."""
    if share - before < MISSING_RISE:
        return False
    if share >= SILENT and before <= 0.5:
        return True
    return events >= LEAST_UNITS and not is_by_chance(share, events, before, before_events)


def _tail(count: int, units: int, alpha: float, beta: float) -> float:
    """Returns the probability of `count` or more of `units` under a beta-binomial distribution."""
    below = np.arange(count)
    logs = (
        special.gammaln(units + 1)
        - special.gammaln(below + 1)
        - special.gammaln(units - below + 1)
        + special.betaln(below + alpha, units - below + beta)
        - special.betaln(alpha, beta)
    )
    return 1.0 - float(np.exp(logs).sum())

"""What an hour, a day or a week of this traffic would show, before any of it is captured.

The answer uses the two numbers that decide it: how many requests a window holds, and how alike the rows of one request are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import optimize, special

from monitoring.drift.decision import LEVEL, MIN_UNITS, WIDEST

_CHANCE = 0.84
_CHANCE_CDF = 1.25
HOURS = {"hour": 1, "day": 24, "week": 168}


@dataclass(frozen=True)
class Traffic:
    """What is known of the traffic.

    `requests`: captured requests an hour after sampling; `rows`: rows a request; `correlation`: the intra-request correlation,
    1 for a request-level column; `columns`: of the run; `baseline`: requests in the baseline's units (2,000 in its sidecar).
    """

    requests: float
    rows: float = 1.0
    correlation: float = 0.1
    columns: int = 50
    baseline: float = 2000.0


@dataclass(frozen=True)
class Sight:
    """The smallest changes that a window would show four times of five. None where it would not be judged.

    `mean`: in standard deviations. `linf`: of a CDF. `doubled`: the rarest share (of missing values, of a category) whose
    doubling is seen.
    """

    window: str
    requests: float
    mean: float | None
    linf: float | None
    doubled: float | None
    reason: str = ""


def plan(traffic: Traffic, *, level: float = LEVEL) -> tuple[Sight, ...]:
    """Returns what an hour, a day and a week would show."""
    return tuple(sight(traffic, name, hours, level=level) for name, hours in HOURS.items())


def sight(traffic: Traffic, window: str, hours: float, *, level: float = LEVEL) -> Sight:
    """Returns what a window of `hours` would show.

    A row's variance is multiplied by the design effect 1 + (rows - 1) · correlation (Kish 1965) and divided by rows · requests.
    The critical score is Bonferroni's over columns and over the four parts of a numeric column.
    """
    requests = traffic.requests * hours
    if requests < MIN_UNITS:
        return Sight(window, requests, None, None, None, f"{requests:.0f} requests; at least {MIN_UNITS} are needed")
    effect = 1 + (traffic.rows - 1) * traffic.correlation
    each = effect / traffic.rows
    half = math.sqrt(each * (1 / requests + 1 / traffic.baseline))
    location = float(-special.ndtri(level / traffic.columns * 0.3 / 2))
    points = float(-special.ndtri(level / traffic.columns * 0.4 / 2 / 6))
    mean = (location + _CHANCE) * half
    linf = (points + _CHANCE_CDF) * 0.5 * half
    reason = f"it could only have shown an L-infinity distance of {linf:.2f} or more" if linf > WIDEST else ""
    return Sight(window, requests, mean, min(1.0, linf), _doubled(traffic, requests, each, location), reason)


def _doubled(traffic: Traffic, requests: float, each: float, critical: float) -> float | None:
    """Returns the rarest share p whose rise to 2 p has a root deviance of the critical score and 0.84."""
    window, baseline = requests / each, traffic.baseline / each

    def score(logarithm: float) -> float:
        p = math.exp(logarithm)
        x, y = 2 * p * window, p * baseline
        expected = (x + y) * window / (window + baseline)
        moved = max(x - 0.5, expected)
        rest, expected_rest = x + y - moved, (x + y) * baseline / (window + baseline)
        deviance = moved * math.log(moved / expected) + rest * math.log(rest / expected_rest)
        return math.sqrt(2 * max(deviance, 0.0)) - (critical + _CHANCE)

    low, high = math.log(1e-7), math.log(0.5)
    if score(high) < 0:
        return None
    if score(low) > 0:
        return math.exp(low)
    return math.exp(float(optimize.brentq(score, low, high)))

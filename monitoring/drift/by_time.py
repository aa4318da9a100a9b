"""The drift decision by hours or days: `decide_by_time`, and which of the two questions a window is asked.

Where the baseline has event times over enough hours or days, the question is whether the window is unlike ordinary ones. Else
it is whether the window differs from the baseline's average, which every hour with weather of its own does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from monitoring.drift import calendar, contrasts, size
from monitoring.drift.calendar import ColumnScores, TimeTest, TimeUnits
from monitoring.drift.decision import LEVEL, DriftDecision, judge
from monitoring.drift.detectable import Detectable
from monitoring.drift.evidence import ColumnEvidence
from monitoring.drift.sample import ColumnSample
from monitoring.drift.tails import rank_p
from monitoring.result import DriftMethod

_CHANCE = 0.84


@dataclass(frozen=True, eq=False)
class TimeDecision:
    """A decision by time. `p_units`, `p_tails`: rank and extrapolated p-value of each unit of the window, for the budget."""

    decision: DriftDecision
    p_units: tuple[float, ...] = ()
    p_tails: tuple[float, ...] = ()
    neighbours: float = 0.0


def decide_by_time(
    samples: Sequence[ColumnSample],
    baseline: TimeUnits,
    window: TimeUnits,
    *,
    level: float = LEVEL,
    floor: float = size.FLOOR,
    floors: Mapping[str, float] | None = None,
    rolling: bool = False,
) -> TimeDecision:
    """Decides whether the window's hours or days are unlike ordinary ones of the baseline.

    `samples`: their units are `baseline`'s and `window`'s, in this order; their fine counts are of the whole window. With
    several units in the window, p-values are Bonferroni's over them. `rolling`: the baseline is the time just before the
    window, so that its age is no reason to decline. Where `decision.method.declined` is not empty no column is judged.
    """
    declined = "" if samples else "no column can be compared with the baseline"
    declined = declined or calendar.declines(baseline, window, rolling=rolling)
    neighbours = 0.0
    if not declined:
        neighbours = calendar.likeness_of_neighbours(samples, baseline)
        if neighbours > calendar.MAX_CORRELATION:
            declined = (
                f"neighbouring {baseline.name}s resemble each other too much (correlation {neighbours:.2f}, "
                f"at most {calendar.MAX_CORRELATION:g}) to count as separate ones"
            )
    evidence: dict[str, ColumnEvidence] = {}
    test = None
    if not declined:
        test = calendar.time_test(samples, baseline, window)
        critical = float(np.quantile(test.ordinary, 1 - level, method="higher"))
        evidence = {
            column.name: _evidence(column, test, index, critical, len(baseline.starts))
            for index, column in enumerate(test.columns)
        }
    columns = tuple(
        judge(
            sample,
            evidence.get(sample.name),
            level=level,
            floor=(floors or {}).get(sample.name, floor),
            declined=declined,
            widest=1.0,
        )
        for sample in samples
    )
    return TimeDecision(
        DriftDecision(
            columns, msgspec.structs.replace(_method(baseline, window, level, declined, rolling), floor=floor)
        ),
        () if test is None else tuple(float(p) for p in test.p_units),
        () if test is None else tuple(float(p) for p in test.p_tails),
        neighbours,
    )


def _evidence(column: ColumnScores, test: TimeTest, index: int, critical: float, units: int) -> ColumnEvidence:
    """Returns a column's evidence. The p-value of a part is the rank of its score among the baseline's own."""
    parts = {}
    for part, (ordinary, found) in column.parts.items():
        if ordinary.max(initial=0.0) > 0 or found.max(initial=0.0) > 0:
            p = rank_p(ordinary, found)
            parts[part] = float(min(1.0, p.min() * len(found)))
    return ColumnEvidence(float(test.p_columns[index]), parts, _visible(column, test, index, critical, units))


def _visible(column: ColumnScores, test: TimeTest, index: int, critical: float, units: int) -> Detectable:
    """Returns the smallest change that lifts the column to `critical`, four times of five."""
    needed = (test.scales[index].score(critical) + _CHANCE) * np.sqrt(1 + 1 / units)
    main = column.asked.of(contrasts.CDF) or column.asked.of(contrasts.SHARES) or column.asked.of(contrasts.MISSING)
    widest = float(column.deviations[list(main)].max())
    mean = None
    for j in column.asked.of(contrasts.LOCATION):
        present = column.pooled[:-1] / max(float(column.pooled.sum()), 1e-9)
        scale = float(present @ np.square(column.asked.weights[:-1, j]))
        mean = float(needed * column.deviations[j] / scale) if scale > 0 else None
    return Detectable(min(1.0, float(needed * widest)), mean)


def _method(baseline: TimeUnits, window: TimeUnits, level: float, declined: str, rolling: bool) -> DriftMethod:
    name = baseline.name
    ordinary = f"the {len(baseline.starts)} {name}s before" if rolling else f"ordinary {name}s of the baseline"
    alike = f"hours of the same hour of day in {baseline.zone}" if name == "hour" else "working days or weekends"
    days = f" of {baseline.zone}" if name == "day" else ""
    subject = f"Is this {name}" if len(window.starts) == 1 else f"Are these {name}s"
    return DriftMethod(
        question=f"{subject} unlike {ordinary}?",
        unit=name,
        units_baseline=len(baseline.starts),
        units_window=len(window.starts),
        level=level,
        promise=(
            f"Of ordinary {name}s{days} about {level * 100:g} % report any column, held against {alike}; the promise does not "
            f"cover a slow change of season."
        ),
        declined=declined,
    )


def choose(by_time: TimeDecision | None, by_requests: DriftDecision) -> DriftDecision:
    """Returns the decision that carries the alarm: by time where it could be made, else by requests, its question said.

    A decision by requests of a window in time answers another question: every hour with weather of its own differs from
    random requests of three months.
    """
    if by_time is not None and by_time.decision.judged:
        return by_time.decision
    why = f" ({by_time.decision.method.declined})" if by_time is not None else ""
    question = f"Does this window differ from the baseline's average?{why}"
    return DriftDecision(by_requests.columns, msgspec.structs.replace(by_requests.method, question=question))

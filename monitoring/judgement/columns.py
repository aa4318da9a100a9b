"""What a run found about one column: decision, numbers of both sides, chart, and the events that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitoring.baseline.choose_bins import choose_kind
from monitoring.findings.charts import FineCounts, category_bars, curve, number_bars
from monitoring.judgement.fine_counts import of_extra_column, over_common_edges
from monitoring.judgement.summaries import summarize
from monitoring.result import Bin, ColumnResult, Grade, Status
from monitoring.states.binning import ColumnKind
from monitoring.states.column import EXAMPLES, ExampleReason, ValueKind

if TYPE_CHECKING:
    from monitoring.drift.decision import ColumnDecision
    from monitoring.judgement.segments import MovedSegment
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.column import ColumnState
    from monitoring.states.profile import EventSample

UNSEEN_SHOWN = 20
CHART_VALUE = 256
"""Categories are cut to this many characters: full text stands nowhere in a result."""


def known_column(
    binning: ColumnBinning,
    before: ColumnState,
    after: ColumnState | None,
    decision: ColumnDecision | None,
    sample: EventSample,
    *,
    reason: str = "",
    segment: MovedSegment | None = None,
) -> ColumnResult:
    """Returns the result of a column of the baseline. `after` is None where the window lacks it.

    `decision` is None where the drift decision left the column out; `reason` then says why.
    """
    status = Status.NOT_JUDGED if decision is None else decision.status
    drifted = status is Status.DRIFT
    return ColumnResult(
        name=binning.name,
        kind=str(binning.kind),
        type_name=(after.type_name if after is not None else "") or binning.type_name,
        is_prediction=binning.is_prediction,
        request_level=binning.request_level,
        status=status,
        grade=Grade.NONE if decision is None else decision.grade,
        baseline=summarize(binning, before),
        window=None if after is None else summarize(binning, after),
        p_value=None if decision is None else decision.p_value,
        linf=None if decision is None else decision.linf,
        shift=None if decision is None else decision.shift,
        distances={} if decision is None else decision.distances,
        detectable=None if decision is None else decision.detectable,
        reason=reason if decision is None else decision.reason,
        bins=() if after is None else _bars(binning, before, after),
        cdf=() if after is None or binning.kind is ColumnKind.CATEGORICAL else _curve(binning, before, after),
        unseen=() if after is None else _unseen(after),
        event_ids=() if after is None else _events(binning, before, after, sample, drifted=drifted),
        tests=() if decision is None else tuple(decision.tests.items()),
        segment=None if segment is None else (segment.column, segment.value),
    )


def extra_column(name: str, after: ColumnState, *, is_prediction: bool) -> ColumnResult:
    """Returns the result of a column that the baseline does not have."""
    return ColumnResult(
        name=name,
        kind=str(choose_kind(after)),
        type_name=after.type_name,
        is_prediction=is_prediction,
        request_level=bool(after.request_rows) and after.request_rows >= after.rows,
        status=Status.NOT_JUDGED,
        grade=Grade.NONE,
        baseline=None,
        window=summarize(None, after),
        reason="the baseline does not have this column",
        bins=_extra_bars(after),
    )


def _extra_bars(after: ColumnState) -> tuple[Bin, ...]:
    """Returns the bars of a column that the baseline does not have: numbers by their sample, texts by name."""
    kind = choose_kind(after)
    if kind in (ColumnKind.NUMERIC, ColumnKind.LIST) and len(after.far):
        edges, held = of_extra_column(after)
        return number_bars(edges, _nothing(held), held, whole=not after.kinds[ValueKind.FRACTIONAL])
    if kind is ColumnKind.CATEGORICAL:
        ordered = sorted(after.unseen, key=lambda text: (-after.unseen[text], text))
        counts = [float(after.unseen[text]) for text in ordered]
        others = max(0.0, after.present - sum(counts))
        held = FineCounts(np.array([*counts, others, float(after.missing)]), np.zeros(len(counts) + 1))
        return category_bars(tuple(text[:CHART_VALUE] for text in ordered), _nothing(held), held, rest="other values")
    return ()


def _nothing(held: FineCounts) -> FineCounts:
    return FineCounts(np.zeros_like(held.counts), np.zeros_like(held.sums))


def _bars(binning: ColumnBinning, before: ColumnState, after: ColumnState) -> tuple[Bin, ...]:
    if binning.kind is ColumnKind.UNKNOWN or binning.fine < 1:
        return ()
    if binning.kind is ColumnKind.CATEGORICAL:
        one, other = (FineCounts(state.fine.astype(np.float64), state.sums) for state in (before, after))
        return category_bars(tuple(value[:CHART_VALUE] for value in binning.domain), one, other)
    whole = not (before.kinds[ValueKind.FRACTIONAL] or after.kinds[ValueKind.FRACTIONAL])
    edges, (one, other) = over_common_edges(binning, before, after)
    return number_bars(edges, one, other, whole=whole)


def _curve(binning: ColumnBinning, before: ColumnState, after: ColumnState) -> tuple[tuple[float, float, float], ...]:
    if binning.fine < 2:
        return ()
    edges, (one, other) = over_common_edges(binning, before, after)
    return curve(edges, one, other)


def _unseen(after: ColumnState) -> tuple[tuple[str, int], ...]:
    largest = sorted(after.unseen.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple((value[:CHART_VALUE], count) for value, count in largest[:UNSEEN_SHOWN])


def _events(
    binning: ColumnBinning, before: ColumnState, after: ColumnState, sample: EventSample, *, drifted: bool
) -> tuple[str, ...]:
    """Returns at most EXAMPLES event ids: of odd values first, then of the coarse bin whose share rose most."""
    found: dict[str, None] = {}
    for reason in (ExampleReason.TYPE, ExampleReason.UNSEEN, ExampleReason.ABOVE, ExampleReason.BELOW):
        found |= dict.fromkeys(event for _, event in after.examples.get(reason, ()))
    risen = _risen(binning, before, after)
    if after.completeness < before.completeness and (not risen or risen == {binning.coarse - 1}):
        found = dict.fromkeys(event for _, event in after.examples.get(ExampleReason.MISSING, ())) | found
    if drifted:
        found |= dict.fromkeys(sample.events_in(binning.name, risen, EXAMPLES))
    return tuple(found)[:EXAMPLES]


def _risen(binning: ColumnBinning, before: ColumnState, after: ColumnState) -> set[int]:
    if binning.fine < 1 or not before.rows or not after.rows:
        return set()
    shares = [
        np.bincount(binning.coarse_of_fine, weights=state.fine, minlength=binning.coarse) / max(1, state.rows)
        for state in (before, after)
    ]
    return {int(np.argmax(shares[1] - shares[0]))}

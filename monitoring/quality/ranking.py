"""Metrics of ranking, by request: NDCG@k, MAP, MRR and precision@k.

Items with equal scores count by the expected value over all their orders (McSherry and Najork 2008, "Computing
information retrieval performance measures efficiently in the presence of tied scores"), so the order of rows in a file
changes nothing. NDCG has linear gain, a discount of log2(rank + 1), and its ideal from all labels of the request. A
request with one labelled item or without a relevant item says nothing about the order: it is left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.metric import Better, IntervalScale, MetricSums, ratio, undefined

if TYPE_CHECKING:
    import numpy.typing as npt

    from monitoring.quality.state import QualityState
    from monitoring.quality.units import RowUnits

    Numbers = npt.NDArray[np.float64]
    Places = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Requests:
    """Ranking metrics of each request, float64 of shape (requests,), NaN where the request is left out.

    `row` is the row at which each request begins in `order`; `single` and `irrelevant` count the requests left out.
    """

    ndcg: Numbers
    ndcg_all: Numbers
    average_precision: Numbers
    reciprocal_rank: Numbers
    precision: Numbers
    first_row: Places
    weight: Numbers
    single: int
    irrelevant: int


def ranking_metrics(units: RowUnits, requests: Requests, k: int) -> list[MetricSums]:
    """Returns the means over requests, each request weighted by its sampling weight."""
    used = np.isfinite(requests.ndcg)
    named = {
        f"ndcg_at_{k}": requests.ndcg,
        "ndcg": requests.ndcg_all,
        "map": requests.average_precision,
        "mrr": requests.reciprocal_rank,
        f"precision_at_{k}": requests.precision,
    }
    if not used.any():
        reason = (
            f"no request has two items and a relevant one ({requests.single} single, {requests.irrelevant} irrelevant)"
        )
        return [undefined(name, reason) for name in named]
    index, weight = units.index[requests.first_row[used]], requests.weight[used]
    n = np.bincount(index, weights=weight, minlength=units.count)
    kept = n > 0
    found = []
    for name, values in named.items():
        total = np.bincount(index, weights=weight * values[used], minlength=units.count)
        sums = np.column_stack([total, n])[kept].astype(np.float64, copy=False)
        found.append(MetricSums(name, float(total.sum() / n.sum()), sums, ratio, IntervalScale.SHARE, Better.HIGHER))
    return found


def rank_requests(state: QualityState, k: int, relevant_from: float) -> Requests:
    """Returns the metrics of each request of a state: rows of one `unit`, by `score`, the highest first.

    Negative labels have no gain. MAP, MRR and precision@k take labels of at least `relevant_from` as relevant; precision@k
    divides by k, or by the number of items where that is smaller.
    """
    order = np.lexsort((-state.score, state.unit))
    unit, score = state.unit[order], state.score[order]
    gain = np.maximum(state.label[order], 0.0)
    relevant = (state.label[order] >= relevant_from).astype(np.float64)
    starts = np.flatnonzero(np.diff(unit, prepend=unit[0] - 1 if len(unit) else 0))
    sizes = np.diff(np.append(starts, len(unit)))
    request = np.repeat(np.arange(len(starts)), sizes)
    position = np.arange(len(unit)) - starts[request]
    ties = _tie_groups(request, score)
    total_relevant = np.add.reduceat(relevant, starts) if len(starts) else np.zeros(0)
    total_gain = np.add.reduceat(gain, starts) if len(starts) else np.zeros(0)
    single, irrelevant = sizes < 2, (total_relevant == 0) | (total_gain == 0)
    out = single | irrelevant
    ideal_order = np.lexsort((-gain, request))
    discount = 1 / np.log2(position + 2)

    def ndcg(depth: int | None) -> Numbers:
        shown = discount if depth is None else np.where(position < depth, discount, 0.0)
        reached = np.add.reduceat(ties.mean(gain) * ties.mean(shown), starts) if len(starts) else np.zeros(0)
        ideal = np.add.reduceat(gain[ideal_order] * shown, starts) if len(starts) else np.zeros(0)
        return _where_defined(reached, ideal, out)

    top = np.where(position < k, 1.0, 0.0)
    hits = np.add.reduceat(ties.mean(relevant) * ties.mean(top), starts) if len(starts) else np.zeros(0)
    precision_sum = np.add.reduceat(ties.expected_precisions(relevant, position, starts[request]), starts)
    return Requests(
        ndcg=ndcg(k),
        ndcg_all=ndcg(None),
        average_precision=_where_defined(precision_sum, total_relevant, out),
        reciprocal_rank=_where_defined(ties.expected_reciprocal(relevant, position, starts), np.ones(len(starts)), out),
        precision=_where_defined(hits, np.minimum(k, sizes).astype(np.float64), out),
        first_row=order[starts],
        weight=state.weight[order[starts]],
        single=int(single.sum()),
        irrelevant=int((irrelevant & ~single).sum()),
    )


def _where_defined(above: Numbers, below: Numbers, out: npt.NDArray[np.bool_]) -> Numbers:
    result = np.full(len(above), np.nan)
    np.divide(above, below, out=result, where=~out)
    return result


@dataclass(frozen=True, eq=False)
class _Ties:
    """Rows of one request with equal scores: `group` of each row, `starts` and `sizes` of each group."""

    group: Places
    starts: Places
    sizes: Places

    def mean(self, values: Numbers) -> Numbers:
        """Returns the mean of each row's group: its expected value over the orders of tied rows."""
        mean: Numbers = (np.add.reduceat(values, self.starts) / self.sizes)[self.group]
        return mean

    def expected_precisions(self, relevant: Numbers, position: Places, request_start: Places) -> Numbers:
        """Returns for each row the expected value of relevance × precision at its position."""
        in_group = np.add.reduceat(relevant, self.starts)
        cumulative = np.append(0.0, np.cumsum(relevant))
        before = (cumulative[self.starts] - cumulative[request_start[self.starts]])[self.group]
        r, n = in_group[self.group], self.sizes[self.group].astype(np.float64)
        place = np.arange(len(relevant)) - self.starts[self.group]
        others = np.divide(place * (r - 1), n - 1, out=np.zeros(len(r)), where=n > 1)
        expected: Numbers = np.where(r > 0, r / n * (before + others + 1) / (position + 1), 0.0)
        return expected

    def expected_reciprocal(self, relevant: Numbers, position: Places, request_starts: Places) -> Numbers:
        """Returns for each request the expected value of 1 / (position of the first relevant row)."""
        r = np.add.reduceat(relevant, self.starts)
        seen = np.append(0.0, np.cumsum(relevant))
        request = np.searchsorted(request_starts, self.starts, side="right") - 1
        earlier = seen[self.starts] - seen[request_starts[request]]
        first = (r > 0) & (earlier == 0)
        result = np.zeros(len(request_starts))
        simple = first & ((self.sizes == 1) | (r == self.sizes))
        result[request[simple]] = 1 / (position[self.starts[simple]] + 1.0)
        for group in np.flatnonzero(first & ~simple):
            size, count, start = int(self.sizes[group]), int(r[group]), int(position[self.starts[group]])
            unseen, expected = 1.0, 0.0
            for place in range(size - count + 1):
                hit = count / (size - place)
                expected += unseen * hit / (start + place + 1)
                unseen *= 1 - hit
            result[request[group]] = expected
        return result


def _tie_groups(request: Places, score: Numbers) -> _Ties:
    changed = np.ones(len(score), bool)
    changed[1:] = (np.diff(request) != 0) | (np.diff(score) != 0)
    starts = np.flatnonzero(changed)
    return _Ties(np.cumsum(changed) - 1, starts, np.diff(np.append(starts, len(score))))

"""Ranking by request: ties by their expected value, and requests that say nothing are left out."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.quality.ranking import Requests, rank_requests, ranking_metrics
from monitoring.quality.state import QualityState
from monitoring.quality.units import group_units


def state_of(
    requests: Sequence[tuple[Sequence[float], Sequence[float]]], order: Sequence[int] | None = None
) -> QualityState:
    """A state of (scores, labels) by request, its rows in this order."""
    unit = np.concatenate([np.full(len(scores), place) for place, (scores, _) in enumerate(requests)])
    score = np.concatenate([np.asarray(scores, float) for scores, _ in requests])
    label = np.concatenate([np.asarray(labels, float) for _, labels in requests])
    zeros = np.zeros(len(unit))
    state = QualityState(unit, zeros.astype(np.int64), score, score, label, zeros + 1, zeros)
    return state if order is None else state.take(np.asarray(order))


def by_all_orders(scores: Sequence[float], labels: Sequence[float], k: int) -> tuple[float, float, float, float]:
    """NDCG@k, AP, RR and precision@k as the mean over all orders of tied rows."""
    rows = range(len(scores))
    orders = [
        order for order in itertools.permutations(rows)
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]  # fmt: skip
    discount = 1 / np.log2(np.arange(len(scores)) + 2)
    ideal = (np.sort(labels)[::-1] * discount)[:k].sum()
    found = []
    for order in orders:
        gains = np.asarray(labels, float)[list(order)]
        hits = gains >= 1
        precision = np.cumsum(hits) / (np.arange(len(hits)) + 1)
        found.append(
            (
                (gains * discount)[:k].sum() / ideal,
                (precision * hits).sum() / hits.sum(),
                1 / (int(np.argmax(hits)) + 1),
                hits[:k].sum() / min(k, len(hits)),
            )
        )
    mean = np.mean(found, axis=0)
    return tuple(float(value) for value in mean)  # type: ignore[return-value]


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=6),
    k=st.integers(1, 7),
)
def test_ties_count_by_their_expected_value_over_all_orders(rows: list[tuple[int, int]], k: int) -> None:
    scores, labels = [float(a) for a, _ in rows], [float(b) for _, b in rows]
    if not any(labels):
        return
    found = rank_requests(state_of([(scores, labels)]), k, 1.0)
    ndcg, precision, reciprocal, at_k = by_all_orders(scores, labels, k)
    assert found.ndcg[0] == pytest.approx(ndcg, abs=1e-9)
    assert found.average_precision[0] == pytest.approx(precision, abs=1e-9)
    assert found.reciprocal_rank[0] == pytest.approx(reciprocal, abs=1e-9)
    assert found.precision[0] == pytest.approx(at_k, abs=1e-9)
    assert found.ndcg[0] == pytest.approx(sk.ndcg_score([labels], [scores], k=k), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_in_the_files_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    requests = [(rng.integers(0, 4, n).tolist(), rng.integers(0, 3, n).tolist()) for n in rng.integers(1, 8, 12)]
    rows = sum(len(scores) for scores, _ in requests)

    def means(found: Requests) -> list[float]:
        return [float(np.nanmean(values)) for values in (found.ndcg, found.average_precision, found.reciprocal_rank)]

    plain = rank_requests(state_of(requests), 3, 1.0)
    if np.isfinite(plain.ndcg).any():
        mixed = rank_requests(state_of(requests, rng.permutation(rows).tolist()), 3, 1.0)
        assert means(mixed) == pytest.approx(means(plain), abs=1e-12)


def test_graded_labels_use_linear_gain_and_the_ideal_of_all_labels() -> None:
    labels, scores = [3, 2, 3, 0, 1, 2, 3, 2], [8, 7, 6, 5, 4, 3, 2, 1]
    assert rank_requests(state_of([(scores, labels)]), 6, 1.0).ndcg[0] == pytest.approx(0.785, abs=5e-4)


def test_requests_without_an_answer_are_left_out_and_counted() -> None:
    requests = [([0.9], [1]), ([0.9, 0.1], [0, 0]), ([0.5, 0.5, 0.5], [1, 0, 0]), ([0.2, 0.8], [1, 0])]
    state = state_of(requests)
    found = rank_requests(state, 10, 1.0)
    assert (found.single, found.irrelevant) == (1, 1)
    assert np.isnan(found.ndcg[:2]).all()
    assert found.reciprocal_rank[2:] == pytest.approx([(1 + 1 / 2 + 1 / 3) / 3, 0.5])
    metrics = {metric.name: metric for metric in ranking_metrics(group_units(state.unit), found, 10)}
    assert metrics["mrr"].value == pytest.approx((11 / 18 + 0.5) / 2)


def test_no_usable_request_gives_no_value_and_a_reason() -> None:
    state = state_of([([0.9], [1]), ([0.9, 0.1], [0, 0])])
    [first, *_] = ranking_metrics(group_units(state.unit), rank_requests(state, 10, 1.0), 10)
    assert first.value is None
    assert "1 single, 1 irrelevant" in first.reason

"""All metrics of a state: which metrics belong to which problem, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitoring.quality.binary import binary_metrics
from monitoring.quality.bootstrap import DRAWS, measure
from monitoring.quality.calibration import calibration_metrics
from monitoring.quality.multiclass import multiclass_metrics
from monitoring.quality.problem import Problem, Unit
from monitoring.quality.ranking import rank_requests, ranking_metrics
from monitoring.quality.regression import regression_metrics
from monitoring.quality.units import count_distinct, group_units

if TYPE_CHECKING:
    from monitoring.quality.metric import Metric, MetricSums
    from monitoring.quality.problem import Question
    from monitoring.quality.state import QualityState


def metric_sums(state: QualityState, question: Question) -> tuple[list[MetricSums], tuple[str, ...]]:
    """Returns the metrics of a state with at least one row, and notes on what was left out."""
    units = group_units(state.unit_ids(question.unit))
    if question.problem is Problem.REGRESSION:
        return regression_metrics(state, units), ()
    if question.problem is Problem.MULTICLASS:
        return multiclass_metrics(state, units), ()
    if question.problem is Problem.BINARY:
        has_probability = question.probability is not None
        found = binary_metrics(state, units, has_probability)
        return found + (calibration_metrics(state, units) if has_probability else []), ()
    requests = rank_requests(state, question.k, question.relevant_from)
    notes = (
        f"{requests.single:,} requests with one labelled item and {requests.irrelevant:,} without a relevant item are left out",
    )
    return ranking_metrics(units, requests, question.k), notes if requests.single + requests.irrelevant else ()


def measure_state(
    state: QualityState, question: Question, rng: np.random.Generator, draws: int = DRAWS
) -> tuple[tuple[Metric, ...], tuple[str, ...]]:
    """Returns the metrics with 95 % intervals, and notes; nothing for a state without rows."""
    if not len(state):
        return (), ()
    found, notes = metric_sums(state, question)
    return measure(found, rng, draws), notes


def primary_metrics(question: Question) -> tuple[str, ...]:
    """Returns the metrics on which a verdict rests, the most important first."""
    if question.problem is Problem.BINARY:
        return ("auc", "calibration_gap") if question.probability is not None else ("accuracy", "recall", "precision")
    if question.problem is Problem.RANKING:
        return (f"ndcg_at_{question.k}",)
    return ("rmse",) if question.problem is Problem.REGRESSION else ("accuracy",)


def unit_count(state: QualityState, unit: Unit) -> int:
    """Returns how many units a state has."""
    return count_distinct(state.unit_ids(unit))

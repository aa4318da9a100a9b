"""Model Monitor's `statistics.json` of model quality, written and read.

A metric is `{"value": …, "standard_deviation": …}`, where what is undefined is the string "NaN". Beside these keys,
`endpoint_capture` holds ours: null with a reason, the 95 % interval, and ranking, which the service does not know.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from monitoring.errors import MonitoringError
from monitoring.quality.binary import curves
from monitoring.quality.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.quality.metric import Metric
    from monitoring.quality.state import QualityState

SECTIONS = {
    Problem.REGRESSION: "regression_metrics",
    Problem.BINARY: "binary_classification_metrics",
    Problem.MULTICLASS: "multiclass_classification_metrics",
    Problem.RANKING: "ranking_metrics",
}
MIN_ROWS_FOR_DEVIATION = 200
"""Model Monitor gives a standard deviation from this number of rows on."""


def statistics_document(
    problem: Problem,
    metrics: Sequence[Metric],
    rows: int,
    evaluated: dt.datetime,
    confusion: dict[str, dict[str, float]] | None = None,
    state: QualityState | None = None,
) -> dict[str, Any]:
    """Returns the document. `state` adds the curves of a binary problem with probabilities."""
    section: dict[str, Any] = {} if confusion is None else {"confusion_matrix": _whole(confusion)}
    for metric in metrics:
        deviation = metric.standard_deviation if rows >= MIN_ROWS_FOR_DEVIATION else None
        section[metric.name] = {"value": _number(metric.value), "standard_deviation": _number(deviation)}
    if state is not None:
        roc, precision_recall = curves(state)
        section["receiver_operating_characteristic_curve"] = roc
        section["precision_recall_curve"] = precision_recall
    return {
        "version": 0.0,
        "dataset": {"item_count": rows, "evaluation_time": evaluated.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"},
        SECTIONS[problem]: section,
        "endpoint_capture": {"metrics": [msgspec.to_builtins(metric) for metric in metrics]},
    }


def read_values(body: bytes) -> tuple[Problem, dict[str, float | None]]:
    """Returns the problem and the value of each metric of a document of the service or of ours; "NaN" is None.

    Raises MonitoringError where it is not a document of model quality.
    """
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise MonitoringError(f"statistics.json is not JSON: {error}") from error
    for problem, name in SECTIONS.items():
        section = document.get(name) if isinstance(document, dict) else None
        if isinstance(section, dict):
            return problem, {
                key: _value(entry) for key, entry in section.items() if isinstance(entry, dict) and "value" in entry
            }
    raise MonitoringError(f"statistics.json holds no model quality: it needs one of {', '.join(SECTIONS.values())}")


def _value(entry: dict[str, Any]) -> float | None:
    value = entry["value"]
    return float(value) if isinstance(value, int | float) else None


def _number(value: float | None) -> float | str:
    return "NaN" if value is None else value


def _whole(confusion: dict[str, dict[str, float]]) -> dict[str, dict[str, float | int]]:
    """Returns counts as integers where sampling did not make them fractions."""
    return {
        label: {name: int(count) if count == int(count) else count for name, count in row.items()}
        for label, row in confusion.items()
    }

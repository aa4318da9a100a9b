"""The kinds of problems that model quality knows, and what a run reads of the captured data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from monitoring.errors import UsageError


class Problem(StrEnum):
    """What the model predicts."""

    REGRESSION = "regression"
    BINARY = "binary"
    MULTICLASS = "multiclass"
    RANKING = "ranking"

    @classmethod
    def parse(cls, text: str) -> Problem:
        """Returns the problem that `text` names, in our spelling or in Model Monitor's. Raises UsageError otherwise."""
        found = _SPELLINGS.get(text.strip().lower())
        if found is None:
            names = ", ".join(cls)
            raise UsageError(f"--problem {text!r} is unknown: give one of {names}, or Model Monitor's problem type")
        return found


_SPELLINGS = {
    **{str(problem): problem for problem in Problem},
    "binaryclassification": Problem.BINARY,
    "multiclassclassification": Problem.MULTICLASS,
}


class Unit(StrEnum):
    """What the bootstrap draws: requests, or the hours or days to which the requests belong."""

    REQUEST = "request"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Question:
    """What a run asks of its data.

    `prediction` is the column of the predicted class, value or ranking score; `probability` the column of the positive
    class's probability. At least one of them is given. Where a binary problem has no `prediction`, a probability of at
    least `threshold` predicts the positive class. `positive` is the label that counts as 1; without it labels are 0 and 1.
    `label` names the field or column of the label. `item_key` is the feature that names an item within its request.
    `k` is the depth of the ranking metrics, `lower_is_better` is True where the best item has the lowest prediction.
    `relevant_from` is the smallest label of a relevant item.
    """

    problem: Problem
    prediction: str | None = None
    probability: str | None = None
    threshold: float = 0.5
    positive: str | None = None
    label: str = "label"
    item_key: str | None = None
    unit: Unit = Unit.REQUEST
    k: int = 10
    lower_is_better: bool = False
    relevant_from: float = 1.0

    def __post_init__(self) -> None:
        if self.prediction is None and self.probability is None:
            raise UsageError("name the column of the predictions: --prediction COLUMN, or --probability COLUMN")
        if self.prediction is None and self.problem is not Problem.BINARY:
            raise UsageError(f"--problem {self.problem} needs --prediction COLUMN")
        if self.probability is not None and self.problem is not Problem.BINARY:
            raise UsageError(f"--probability belongs to --problem binary, not to {self.problem}")
        if not 0 < self.threshold < 1:
            raise UsageError(f"--threshold {self.threshold:g} is not between 0 and 1")
        if self.k < 1:
            raise UsageError(f"--k {self.k} is not positive")

    @property
    def text_labels(self) -> bool:
        """Whether labels and predictions are compared as text: class names."""
        return self.problem is Problem.MULTICLASS

"""What one run of model quality found: the typed result that the report, the messages and Python users see.

Plain data (`msgspec.Struct`), written as `quality.json`. Only finite numbers stand in it: what is undefined is None with a
reason. No renderer computes a statistic.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import msgspec

from monitoring.quality.calibration import CalibrationBin
from monitoring.quality.constraints_file import QualityViolation
from monitoring.quality.maturity import Maturity
from monitoring.quality.metric import Metric
from monitoring.result import Cause, Grade, Outcome, Subject

RESULT_VERSION = 1


class MetricComparison(msgspec.Struct, frozen=True):
    """A metric of the window against the baseline's.

    `change` is window minus baseline, with its 95 % interval (None where one side has none). `worse` is True where the
    whole interval lies on the worse side and the change is at least small.
    """

    metric: str
    baseline: float
    window: float
    change: float
    low: float | None
    high: float | None
    worse: bool
    grade: Grade
    reason: str = ""


class Split(msgspec.Struct, frozen=True):
    """A metric's change in two parts.

    `reweighted` is the baseline's metric if its inputs were distributed as the window's. `inputs` = reweighted - baseline
    is what the moved inputs explain, `concept` = window - reweighted the rest, the change of P(y|x). Ends of 95 % intervals
    are None where too few units carry the weight.
    """

    metric: str
    baseline: float
    reweighted: float
    window: float
    inputs: float
    concept: float
    inputs_low: float | None = None
    inputs_high: float | None = None
    concept_low: float | None = None
    concept_high: float | None = None


class Case(StrEnum):
    """Which of inputs and concept moved."""

    NOTHING = "nothing moved"
    INPUTS = "only the inputs moved"
    CONCEPT = "only P(y|x) changed"
    BOTH = "inputs moved and P(y|x) changed"
    NOT_JUDGED = "not judged"


class ScoreGroup(msgspec.Struct, frozen=True):
    """Rows of the window within a range of the expected label: what was expected by the baseline, and what was observed."""

    low: float
    high: float
    rows: int
    expected: float
    observed: float
    z: float


class Concept(msgspec.Struct, frozen=True):
    """Whether P(y|x) changed. `p_value` is None where it was not judged, with the `reason`.

    `change` is the mean of label minus what the baseline expected for the same inputs. `overlap` is the share of the
    window's rows whose inputs the baseline has; only they are judged. `inputs_moved` says whether the distribution of the
    inputs differs, with its p-value. `advice` says what to do in this case. Where the baseline hardly has the window's
    inputs, `score_splits` splits each change at equal scores instead: what other scores explain, and the rest. It is no
    verdict: the rest holds what such inputs do to a model as well as a change of P(y|x).
    """

    case: Case
    p_value: float | None = None
    reason: str = ""
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    inputs_moved: bool | None = None
    inputs_p_value: float | None = None
    overlap: float | None = None
    level: float = 0.05
    advice: str = ""
    inputs: tuple[str, ...] = ()
    groups: tuple[ScoreGroup, ...] = ()
    splits: tuple[Split, ...] = ()
    score_splits: tuple[Split, ...] = ()


class Segment(msgspec.Struct, frozen=True):
    """One value, or range of values, of a column: the mean loss of both sides, and whether it rose.

    `p_value` is family-wise over all segments of all columns of the run: one false alarm in 20 runs at most.
    """

    column: str
    value: str
    rows: int
    units: int
    baseline_loss: float | None
    window_loss: float | None
    change: float | None
    p_value: float | None
    fell: bool
    reason: str = ""


class QualityResult(msgspec.Struct, frozen=True):
    """All that one run found about one window.

    `rows` counts captured predictions, `labelled` those with a label, `units` the units of the bootstrap among the latter.
    `set_aside` counts labels by reason, `examples` names a few of each. `corrected` counts rows whose label was changed by a
    later one, `copies` equal labels. `loss` names the loss of `segments`.
    """

    subject: Subject
    start: dt.datetime
    end: dt.datetime
    created: dt.datetime
    problem: str
    unit: str
    outcome: Outcome
    verdict: str
    lead: str
    maturity: Maturity
    rows: int
    labelled: int
    units: int
    metrics: tuple[Metric, ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()
    comparisons: tuple[MetricComparison, ...] = ()
    concept: Concept | None = None
    segments: tuple[Segment, ...] = ()
    loss: str = ""
    violations: tuple[QualityViolation, ...] = ()
    causes: tuple[Cause, ...] = ()
    set_aside: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    corrected: int = 0
    copies: int = 0
    labels: int = 0
    notes: tuple[str, ...] = ()
    absent_classes: tuple[str, ...] = ()
    baseline: str = ""
    baseline_rows: int = 0
    source: str = ""
    ground_truth: str = ""
    version: int = RESULT_VERSION

    def metric(self, name: str) -> Metric | None:
        """Returns the metric of this name, None where the run has none."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def encode(result: QualityResult) -> bytes:
    """Returns the result as JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1)


def decode(data: bytes) -> QualityResult:
    """Returns the result in `data`. Raises msgspec.ValidationError where it is not one."""
    return msgspec.json.decode(data, type=QualityResult)

"""What one run found in its window: its causes, and the causes whose absence it could have noticed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from monitoring.alarms.policy import QUALITY_SUFFIX
from monitoring.quality.maturity import LabelStage
from monitoring.quality.result import Case, QualityResult
from monitoring.result import Cause, CauseKind, Outcome, RunResult, Status

_NOT_DATA = {CauseKind.QUALITY, CauseKind.CONCEPT, CauseKind.HEARTBEAT, CauseKind.RETRAINING}
DATA_KINDS = frozenset(CauseKind) - _NOT_DATA
"""The kinds that a run over captured data judges."""
_ARRIVAL = frozenset({CauseKind.NO_DATA, CauseKind.INCOMPLETE})


@dataclass(frozen=True, slots=True)
class Observation:
    """One window of one monitor.

    `kinds` are the kinds the run judged; `unknown` holds columns the drift decision could not judge. A cause that is not in
    `causes` is gone only where the run judged its kind and one of its columns. `edition` tells two runs over one window apart
    ("provisional", "final"). `created` is when the run ended.
    """

    endpoint: str
    variant: str
    model_version: str | None
    monitor: str
    start: dt.datetime
    end: dt.datetime
    created: dt.datetime
    causes: tuple[Cause, ...] = ()
    kinds: frozenset[CauseKind] = DATA_KINDS
    unknown: frozenset[str] = field(default_factory=frozenset)
    edition: str = ""

    @property
    def lane(self) -> str:
        """Returns the name of the sequence of windows this one belongs to."""
        return f"{self.monitor}|{self.model_version or ''}"

    @property
    def window(self) -> str:
        """Returns a name of the window that is unique within its lane."""
        return f"{self.start.isoformat()}/{self.end.isoformat()}/{self.edition}"

    def judges(self, cause: Cause) -> bool:
        """Returns whether the absence of `cause` in this run means that it is gone."""
        if cause.kind not in self.kinds:
            return False
        return cause.kind is not CauseKind.DRIFT or not cause.columns or not self.unknown.issuperset(cause.columns)


def of_run(result: RunResult) -> Observation:
    """Returns the observation of a run over captured data.

    A run that judged nothing can only speak about missing or incomplete data. Without a drift decision no drift is gone.
    """
    kinds = DATA_KINDS
    if result.outcome is Outcome.NOT_JUDGED:
        kinds = _ARRIVAL
    elif result.method is None or result.method.declined:
        kinds = DATA_KINDS - {CauseKind.DRIFT}
    return Observation(
        endpoint=result.subject.endpoint,
        variant=result.subject.variant,
        model_version=result.subject.model_version,
        monitor=result.subject.monitor,
        start=result.start,
        end=result.end,
        created=result.created,
        causes=result.causes,
        kinds=kinds,
        unknown=frozenset(column.name for column in result.columns if column.status is Status.NOT_JUDGED),
        edition=str(result.outcome) if result.outcome is Outcome.NOT_JUDGED else "",
    )


def of_quality(result: QualityResult) -> Observation:
    """Returns the observation of a run of model quality.

    Only a final window speaks about quality: an open or provisional one opens and closes nothing but missing labels. The same
    window counts again once it is final.
    """
    final = result.maturity.stage is LabelStage.FINAL
    kinds = {CauseKind.INCOMPLETE}
    if final and result.comparisons:
        kinds.add(CauseKind.QUALITY)
    if final and result.concept is not None and result.concept.case is not Case.NOT_JUDGED:
        kinds.add(CauseKind.CONCEPT)
    return Observation(
        endpoint=result.subject.endpoint,
        variant=result.subject.variant,
        model_version=result.subject.model_version,
        monitor=f"{result.subject.monitor}{QUALITY_SUFFIX}",
        start=result.start,
        end=result.end,
        created=result.created,
        causes=tuple(cause for cause in result.causes if final or cause.kind is CauseKind.INCOMPLETE),
        kinds=frozenset(kinds),
        edition=str(result.maturity.stage),
    )


def of_retraining(endpoint: str, variant: str, now: dt.datetime, causes: tuple[Cause, ...]) -> Observation:
    """Returns the observation of the retraining rules at `now`: with a cause for each that needs a person."""
    return Observation(
        endpoint=endpoint,
        variant=variant,
        model_version=None,
        monitor="retraining",
        start=now - dt.timedelta(microseconds=1),
        end=now,
        created=now,
        causes=causes,
        kinds=frozenset({CauseKind.RETRAINING}),
    )


def alive(seen: Observation) -> Observation:
    """Returns the observation that the monitor of `seen` ran when it did. It closes the monitor's heartbeat cause."""
    return heartbeat(seen.endpoint, seen.variant, seen.monitor, seen.created, ())


def heartbeat(endpoint: str, variant: str, monitor: str, now: dt.datetime, causes: tuple[Cause, ...]) -> Observation:
    """Returns an observation of a monitor's heartbeat at `now`: with a cause where the monitor did not run."""
    return Observation(
        endpoint=endpoint,
        variant=variant,
        model_version=None,
        monitor=f"heartbeat/{monitor}",
        start=now - dt.timedelta(microseconds=1),
        end=now,
        created=now,
        causes=causes,
        kinds=frozenset({CauseKind.HEARTBEAT}),
    )

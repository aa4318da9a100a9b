"""The drift decision over all columns of one window: a column drifts when its change is real and large.

*Real*: units of the window, held against units of the baseline, differ more than shuffled units do, over all columns
together. *Large*: the change reaches the floor in probability and in the value's own measure. A window or a column that could
not have shown a change is not judged. `docs/drift.md` explains the promise; `docs/decisions/0032` to `0034` the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from monitoring.drift import distances, explain, size
from monitoring.drift.detectable import Detectable
from monitoring.drift.evidence import (
    ColumnEvidence,
    RunEvidence,
    evidence_of_large_window,
    evidence_of_table,
    evidence_of_units,
)
from monitoring.drift.sample import ColumnSample, Units
from monitoring.errors import MonitoringError
from monitoring.result import DriftMethod, Grade, Status

LEVEL = 0.05
SHUFFLES = 999
MIN_UNITS = 10
WIDEST = 0.3
"""A column in which only a larger L-infinity distance could have been seen is not judged."""


@dataclass(frozen=True)
class ColumnDecision:
    """The decision on one column.

    `grade` is `NONE` unless the column drifts; `size` says how large the change is, real or not. `p_value` is family-wise:
    over all columns of the run. `linf`, `shift`, `detectable`: as in `monitoring.result.ColumnResult`. `detectable_mean`: the
    smallest mean shift in standard deviations. `tests`: tail probability of each part, of this column alone. `distances`: by
    Deequ's names and others. `moved`: phrases, the clearest first; `summary`: a clause for a sentence. `reason`: why a
    column was not judged, or why a real change is no drift.
    """

    name: str
    status: Status
    grade: Grade
    size: Grade
    linf: float
    p_value: float | None = None
    shift: float | None = None
    detectable: float | None = None
    detectable_mean: float | None = None
    reason: str = ""
    summary: str = ""
    moved: tuple[str, ...] = ()
    tests: dict[str, float] = field(default_factory=dict)
    distances: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DriftDecision:
    """The decision on one window: its columns, in the order of the samples, and how it was made."""

    columns: tuple[ColumnDecision, ...]
    method: DriftMethod

    @property
    def drifted(self) -> tuple[ColumnDecision, ...]:
        """The columns that drift."""
        return tuple(column for column in self.columns if column.status is Status.DRIFT)

    @property
    def judged(self) -> bool:
        """Whether any column was judged."""
        return not self.method.declined


def decide(
    samples: Sequence[ColumnSample],
    *,
    rng: np.random.Generator,
    units: Units | None = None,
    level: float = LEVEL,
    floor: float = size.FLOOR,
    floors: Mapping[str, float] | None = None,
    shuffles: int = SHUFFLES,
) -> DriftDecision:
    """Decides for each column whether it drifts.

    `floors` holds floors by column name, `floor` is the others'. `rng` shuffles: the same seed gives the same p-values. The
    baseline is taken as a table without units where any sample lacks them. Raises MonitoringError where samples differ in
    their units.
    """
    units = units or Units()
    one_sample = any(sample.baseline_units is None for sample in samples)
    window, baseline = _count_units(samples, one_sample)
    requests = units.window_requests if units.window_requests is not None else round(window * units.window_size)
    declined = _declined(samples, requests, window, None if one_sample else baseline, units)
    evidence = (
        _evidence(samples, units, one_sample, level, shuffles, rng)
        if samples and not _hopeless(declined, window)
        else RunEvidence()
    )
    columns = tuple(
        judge(
            sample,
            evidence.columns.get(sample.name),
            level=level,
            floor=(floors or {}).get(sample.name, floor),
            declined=declined,
        )
        for sample in samples
    )
    method = msgspec.structs.replace(
        _method(units, one_sample, window, baseline, level, declined),
        floor=floor,
        shuffles=0 if one_sample or units.baseline_is_sample else shuffles,
        p_rank=None if declined else evidence.p_rank,
        p_tail=None if declined else evidence.p_tail,
    )
    return DriftDecision(columns, method)


def _count_units(samples: Sequence[ColumnSample], one_sample: bool) -> tuple[int, int]:
    windows = {len(sample.window_units) for sample in samples}
    baselines = {0 if one_sample or s.baseline_units is None else len(s.baseline_units) for s in samples}
    if len(windows) > 1 or len(baselines) > 1:
        raise MonitoringError(
            f"columns have different numbers of units: {sorted(windows)} in the window, {sorted(baselines)} in the baseline; "
            "count all columns of a run by the same units"
        )
    return next(iter(windows), 0), next(iter(baselines), 0)


def _declined(samples: Sequence[ColumnSample], requests: int, window: int, baseline: int | None, units: Units) -> str:
    if not samples:
        return "no column can be compared with the baseline"
    if requests < MIN_UNITS or window < MIN_UNITS:
        few = min(requests, window)
        name = units.name if few == 1 else f"{units.name}s"
        return f"{few} {name} in the window; at least {MIN_UNITS} are needed"
    if baseline is not None and baseline < MIN_UNITS:
        return f"{baseline} {units.name}{'' if baseline == 1 else 's'} in the baseline; at least {MIN_UNITS} are needed"
    return ""


def _hopeless(declined: str, window: int) -> bool:
    """Returns True where not even the smallest visible change can be computed."""
    return bool(declined) and window < 2


def _evidence(
    samples: Sequence[ColumnSample],
    units: Units,
    one_sample: bool,
    level: float,
    shuffles: int,
    rng: np.random.Generator,
) -> RunEvidence:
    if one_sample:
        return evidence_of_table(samples, units, level, rng)
    if units.baseline_is_sample:
        return evidence_of_large_window(samples, units, level, rng)
    return evidence_of_units(samples, units, level, shuffles, rng)


def judge(
    sample: ColumnSample,
    evidence: ColumnEvidence | None,
    *,
    level: float,
    floor: float,
    declined: str,
    widest: float = WIDEST,
) -> ColumnDecision:
    """Returns the decision on one column from its evidence and its size.

    A column in which only a change of more than `widest` could have been seen, and that shows none, is not judged.
    """
    found = size.measure(sample, floor)
    visible = evidence.visible if evidence else None
    p_value = evidence.p_value if evidence and not declined else None
    real = p_value is not None and p_value <= level
    status, reason = _status(found, real, p_value, visible, floor, widest, declined)
    tests = dict(evidence.parts) if evidence and not declined else {}
    phrases = explain.moved(sample, found, tests, level) if real else ()
    return ColumnDecision(
        name=sample.name,
        status=status,
        grade=found.grade if status is Status.DRIFT else Grade.NONE,
        size=found.grade,
        linf=found.linf,
        p_value=p_value,
        shift=found.shift,
        detectable=visible.linf if visible else None,
        detectable_mean=visible.mean if visible else None,
        reason=reason,
        summary=" and ".join(phrases[:2]),
        moved=phrases,
        tests=tests,
        distances=_distances(sample),
    )


def _status(
    found: size.Size,
    real: bool,
    p_value: float | None,
    visible: Detectable | None,
    floor: float,
    widest: float,
    declined: str,
) -> tuple[Status, str]:
    if declined:
        could = f"; only an L-infinity distance of {visible.linf:.2f} or more could have been seen" if visible else ""
        return Status.NOT_JUDGED, declined + could
    if p_value is None:
        return Status.NOT_JUDGED, "no rows on one side"
    if real and found.grade is not Grade.NONE:
        return Status.DRIFT, ""
    if visible is not None and visible.linf > widest and not real:
        return Status.NOT_JUDGED, f"only an L-infinity distance of {visible.linf:.2f} or more could have been seen"
    if real and found.linf < floor:
        return Status.NO_DRIFT, f"real but small: L-infinity {found.linf:.3f} is below the floor of {floor:g}"
    if real and found.shift is not None:
        return Status.NO_DRIFT, f"real but small: values moved by {found.shift:.2g} standard deviations"
    return Status.NO_DRIFT, ""


def _distances(sample: ColumnSample) -> dict[str, float]:
    """Returns the distances by name, of present values as Deequ takes them, but PSI and Jensen-Shannon of all rows."""
    base, wind = sample.baseline_fine[:-1], sample.window_fine[:-1]
    found: dict[str, float | None] = {}
    linf = distances.linf_shares(wind, base) if sample.categorical else distances.linf_cdf(wind, base)
    if linf is not None:
        found["linf_simple"] = linf
        found["linf_robust"] = distances.robust(linf, float(wind.sum()), float(base.sum()))
    if sample.categorical and (test := distances.chi_square(wind, base)) is not None:
        found["chi_square"], found["chi_square_p"] = test
    coarse_w, coarse_b = sample.coarse_counts(sample.window_fine), sample.coarse_counts(sample.baseline_fine)
    found["psi"] = distances.psi(coarse_w, coarse_b)
    found["jensen_shannon"] = distances.jensen_shannon(coarse_w, coarse_b)
    return {name: value for name, value in found.items() if value is not None}


def _method(units: Units, one_sample: bool, window: int, baseline: int, level: float, declined: str) -> DriftMethod:
    promise = (
        f"Where nothing changed, at most {level * 100:g} % of windows report any column, "
        f"if the window's {units.name}s are like {units.name}s drawn at random from the baseline's period"
    )
    if one_sample:
        promise += ", and if rows of the baseline resemble each other no more than rows of one request of the window do"
    elif units.baseline_is_sample:
        promise += ", and if rows of the window resemble each other no more than rows of one request of the baseline do"
    return DriftMethod(
        question=f"Do this window's {units.name}s differ from {units.name}s of the baseline's period?",
        unit=units.name,
        units_baseline=baseline,
        units_window=window,
        level=level,
        promise=promise + ".",
        one_sample=one_sample or units.baseline_is_sample,
        declined=declined,
    )

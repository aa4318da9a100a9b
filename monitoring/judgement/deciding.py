"""Which question a window is asked, and the answer: by hours or days where the baseline allows it, by requests elsewhere."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from monitoring.baseline.sidecar import BaselineUnits
from monitoring.drift.by_time import TimeDecision, choose, decide_by_time
from monitoring.drift.decision import DriftDecision, decide
from monitoring.drift.sample import Units
from monitoring.judgement.samples import make_samples
from monitoring.judgement.time_samples import HOURS, longest_unit, time_samples
from monitoring.states.units import UnitKind, UnitTable

if TYPE_CHECKING:
    from monitoring.baseline.baseline import Baseline
    from monitoring.baseline.constraints import Constraints
    from monitoring.judgement.samples import Samples
    from monitoring.settings import MonitorSettings
    from monitoring.states.profile import Profile
    from monitoring.window import Window

SEED = 20_240_229
"""Shuffles are seeded, so that a window judged twice gives the same p-values."""


def decide_window(
    baseline: Baseline,
    constraints: Constraints,
    profile: Profile,
    window: Window,
    settings: MonitorSettings,
    ignored: frozenset[str],
    reference: Profile | None = None,
) -> DriftDecision:
    """Returns the decision that carries the alarm.

    `settings.unit` is `auto`, `request`, `hour`, `day` or a column. `auto` asks whether the window's days (or hours, where it
    has no whole day) are unlike ordinary ones, and falls back to requests where that cannot be judged. `reference`: the
    profile of the days before the window; its hours and days are the ordinary ones then, not the baseline's.
    """
    quiet = {name for name in baseline.binning if not constraints.compares(name)}
    samples = make_samples(baseline, profile, ignored | quiet | profile.hashed)
    floors = _floors(samples, constraints, settings)
    unit = settings.unit
    longest = longest_unit(window, settings.time_zone)
    if reference is not None and unit in ("auto", *HOURS):
        rolling = _by_reference(
            baseline, reference, profile, window, settings, ignored | quiet, floors, longest if unit == "auto" else unit
        )
        if unit != "auto" or rolling.decision.judged:
            return _with_unit_p(rolling)
        return choose(rolling, _by_requests(samples, settings, floors))
    if unit in HOURS:
        return _with_unit_p(_by_time(baseline, profile, window, samples, settings, floors, unit))
    if unit not in ("auto", "request"):
        return _by_group(baseline, profile, samples, settings, floors)
    by_requests = _by_requests(samples, settings, floors)
    if unit == "request" or not len(profile.total().hours):
        return by_requests
    by_time = None
    if len(baseline.units.hours):
        by_time = _by_time(baseline, profile, window, samples, settings, floors, longest)
    if by_time is not None and by_time.decision.judged:
        return _with_unit_p(by_time)
    return choose(by_time, by_requests)


def _with_unit_p(found: TimeDecision) -> DriftDecision:
    """Returns the decision, its method with the p-values that the month's budget needs: of the window's most unusual unit."""
    if not found.p_units:
        return found.decision
    method = msgspec.structs.replace(
        found.decision.method, p_rank=min(found.p_units), p_tail=min(found.p_tails), neighbours=found.neighbours
    )
    return DriftDecision(found.decision.columns, method)


def _by_requests(samples: Samples, settings: MonitorSettings, floors: dict[str, float]) -> DriftDecision:
    return decide(
        samples.columns,
        rng=np.random.default_rng(SEED),
        units=samples.units,
        level=settings.level,
        floor=settings.floor,
        floors=floors,
        shuffles=settings.shuffles,
    )


def _by_time(
    baseline: Baseline,
    profile: Profile,
    window: Window,
    samples: Samples,
    settings: MonitorSettings,
    floors: dict[str, float],
    unit: str,
    *,
    rolling: bool = False,
) -> TimeDecision:
    columns, ordinary, ours = time_samples(samples, baseline, profile, window, unit, settings.time_zone)
    return decide_by_time(
        columns, ordinary, ours, level=settings.level, floor=settings.floor, floors=floors, rolling=rolling
    )


def _by_reference(
    baseline: Baseline,
    reference: Profile,
    profile: Profile,
    window: Window,
    settings: MonitorSettings,
    leave_out: frozenset[str],
    floors: dict[str, float],
    unit: str,
) -> TimeDecision:
    """Returns the decision against the days before the window, counted in the baseline's bins."""
    hours = reference.total().hours
    units = BaselineUnits(reference.events, (), hours, UnitTable(UnitKind.COLUMN))
    before = dataclasses.replace(baseline, profile=reference, units=units)
    samples = make_samples(before, profile, leave_out)
    return _by_time(before, profile, window, samples, settings, floors, unit, rolling=True)


def _by_group(
    baseline: Baseline, profile: Profile, samples: Samples, settings: MonitorSettings, floors: dict[str, float]
) -> DriftDecision:
    """Returns the decision with the values of a column as units: a customer, a device."""
    ours, theirs = profile.total().groups, baseline.units.groups
    columns = [
        dataclasses.replace(sample, window_units=ours.counts[sample.name], baseline_units=theirs.counts[sample.name])
        for sample in samples.columns
        if sample.name in ours.counts and sample.name in theirs.counts and sample.name != settings.unit
    ]
    units = Units(name=settings.unit, baseline_size=theirs.size or 1.0, window_size=ours.size or 1.0)
    return decide(
        columns,
        rng=np.random.default_rng(SEED),
        units=dataclasses.replace(units, window_requests=profile.events),
        level=settings.level,
        floor=settings.floor,
        floors=floors,
        shuffles=settings.shuffles,
    )


def _floors(samples: Samples, constraints: Constraints, settings: MonitorSettings) -> dict[str, float]:
    floors = {}
    for sample in samples.columns:
        given = settings.column(sample.name).floor
        floors[sample.name] = (
            constraints.floor_for(sample.name, categorical=sample.categorical) if given is None else given
        )
    return floors

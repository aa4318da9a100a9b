"""One window judged: states, constraints and completeness in, a result out. Nothing here reads or writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from monitoring.checks.run import ComparedStates, run_checks
from monitoring.findings import conclude
from monitoring.judgement.columns import extra_column, known_column
from monitoring.judgement.deciding import decide_window
from monitoring.judgement.segments import find_segment
from monitoring.judgement.stores import store_health
from monitoring.result import (
    ColumnResult,
    Outcome,
    RunResult,
    Status,
    Subject,
    Violation,
    WindowCompleteness,
)
from monitoring.states.binning import ColumnKind

if TYPE_CHECKING:
    import datetime as dt

    from monitoring.baseline.baseline import Baseline
    from monitoring.baseline.constraints import Constraints
    from monitoring.drift.decision import DriftDecision
    from monitoring.findings import QuerySource
    from monitoring.settings import MonitorSettings
    from monitoring.states.profile import Profile, SliceState
    from monitoring.window import Window


@dataclass(frozen=True, eq=False)
class Judged:
    """What is judged: the window's profile, its bounds, whether it is complete, and where its rows are."""

    subject: Subject
    window: Window
    profile: Profile
    completeness: WindowCompleteness
    source: str = ""
    rows: QuerySource | None = None


def judge(
    baseline: Baseline,
    constraints: Constraints,
    judged: Judged,
    settings: MonitorSettings,
    now: dt.datetime,
    reference: Profile | None = None,
) -> RunResult:
    """Returns the result of one window. `now` is the time that the result bears.

    `reference`: the profile of the days before the window, for a drift decision with a rolling reference. Checks and charts
    compare with the baseline all the same.
    """
    trained, window = baseline.profile.total(), judged.profile.total()
    ignored = _ignored(baseline, window, settings)
    decision = decide_window(baseline, constraints, judged.profile, judged.window, settings, ignored, reference)
    columns = _columns(baseline, trained, window, judged.profile, decision, ignored)
    stores = store_health(window, trained)
    violations = (
        run_checks(
            constraints,
            ComparedStates(
                columns=window.columns,
                rows=window.rows,
                events=window.events,
                binning=baseline.binning,
                baseline=trained.columns,
                baseline_events=trained.events,
                predictions=judged.profile.predictions,
                hashed=judged.profile.hashed,
                ignored=ignored,
            ),
            drift=columns,
            stores=stores,
            store_limits=settings.stale_after,
        )
        if window.rows
        else ()
    )
    draft = RunResult(
        subject=judged.subject,
        start=judged.window.start,
        end=judged.window.end,
        created=now,
        outcome=Outcome.NOT_JUDGED,
        verdict="",
        lead="",
        completeness=judged.completeness,
        rows=judged.profile.rows,
        events=judged.profile.events,
        columns=tuple(_with_violations(column, violations) for column in columns),
        violations=violations,
        causes=(),
        ruled_out=(),
        stores=stores,
        method=decision.method,
        baseline=baseline.source,
        baseline_rows=baseline.profile.rows,
        notes=tuple(
            dict.fromkeys(
                (
                    *baseline.notes,
                    *judged.profile.notes,
                    *_sampling_note(judged.profile),
                    *_rolling_note(reference, settings),
                )
            )
        ),
        source=judged.source,
        baseline_events=baseline.profile.events,
        sampling_percentage=min((key.sampling_percentage for key in judged.profile.slices), default=None),
        checks_off=checks_off(constraints),
        min_complete=settings.min_complete,
    )
    return conclude(draft, judged.rows)


def _columns(
    baseline: Baseline,
    trained: SliceState,
    window: SliceState,
    profile: Profile,
    decision: DriftDecision,
    ignored: frozenset[str],
) -> tuple[ColumnResult, ...]:
    """Returns the columns: predictions first, then the others in the baseline's order, then those that it lacks."""
    decided = {column.name: column for column in decision.columns}
    moved = {column.name for column in decision.drifted}
    found = []
    for name, binning in baseline.binning.items():
        if name in ignored or name not in trained.columns:
            continue
        state = window.columns.get(name)
        absent = state is None or (state.rows > 0 and state.absent >= state.rows)
        found.append(
            known_column(
                binning,
                trained.columns[name],
                None if absent else state,
                decided.get(name),
                window.sample,
                reason=_reason(
                    name, profile, binning.kind, absent=absent, had_values=trained.columns[name].completeness > 0
                ),
                segment=None
                if state is None or name not in moved
                else find_segment(
                    binning, trained.columns[name], state, baseline.binning, trained.sample, window.sample
                ),
            )
        )
    for name, state in window.columns.items():
        if name not in baseline.binning and name not in ignored and state.absent < state.rows:
            found.append(extra_column(name, state, is_prediction=name in profile.predictions))
    return tuple(sorted(found, key=lambda column: not column.is_prediction))


def _reason(name: str, profile: Profile, kind: ColumnKind, *, absent: bool, had_values: bool) -> str:
    if absent:
        return "the window does not have this column"
    if name in profile.hashed:
        return "it was captured as a hash"
    if kind is ColumnKind.UNKNOWN:
        return "its values are not compared" if had_values else "training has no value of it"
    return "the drift check is off"


def _ignored(baseline: Baseline, window: SliceState, settings: MonitorSettings) -> frozenset[str]:
    names = {*baseline.binning, *window.columns}
    return frozenset(name for name in names if settings.column(name).ignore)


def _with_violations(column: ColumnResult, violations: tuple[Violation, ...]) -> ColumnResult:
    own = tuple(violation for violation in violations if violation.feature_name == column.name)
    return msgspec.structs.replace(column, violations=own) if own else column


def _sampling_note(profile: Profile) -> tuple[str, ...]:
    percentages = sorted({key.sampling_percentage for key in profile.slices})
    if len(percentages) < 2:
        return ()
    texts = ", ".join(f"{percentage:g} %" for percentage in percentages)
    return (f"Rows were captured at {texts} of the requests; counts are weighted to the largest of these.",)


def _rolling_note(reference: Profile | None, settings: MonitorSettings) -> tuple[str, ...]:
    if reference is None:
        return ()
    days = settings.rolling_days
    return (
        f"Drift is judged against the {days} days before the window; charts, checks and numbers compare with the baseline. "
        f"A defect that lasts counts as ordinary after {days} days.",
    )


def checks_off(constraints: Constraints) -> tuple[str, ...]:
    """Returns the names of the checks that the constraints switch off for all columns."""
    if not constraints.config.evaluate_constraints:
        return ("every check",)
    return () if constraints.config.distribution_constraints.perform_comparison else ("baseline_drift_check",)


def drifted(result: RunResult) -> tuple[ColumnResult, ...]:
    """Returns the columns that drifted."""
    return tuple(column for column in result.columns if column.status is Status.DRIFT)

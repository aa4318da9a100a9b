"""Model Monitor's rule and ours over one window, violation by violation: where they differ, and why."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from monitoring.baseline.constraints import Constraints, DataType
from monitoring.baseline.data_type import matching
from monitoring.checks.model_monitor import EXTRA_COLUMNS, MISSING_COLUMNS, service_drift
from monitoring.checks.run import ComparedStates
from monitoring.findings import wording
from monitoring.result import ColumnResult, RunResult, Status, Violation
from monitoring.states.column import ColumnState

SERVICE_CHECKS = (
    "data_type_check",
    "completeness_check",
    "baseline_drift_check",
    "missing_column_check",
    "extra_column_check",
    "categorical_values_check",
)


class ViolatedCheck(msgspec.Struct, frozen=True):
    """One check of one column that either rule violates.

    `service` and `ours` are the descriptions of the two violations, "" where there is none. `sentence` and `grade` are ours.
    `why` says why the rules differ, "" where both are violated.
    """

    column: str
    check: str
    service: str = ""
    ours: str = ""
    sentence: str = ""
    grade: str = ""
    why: str = ""

    @property
    def agrees(self) -> bool:
        """Whether both rules are violated."""
        return bool(self.service and self.ours)


class RuleComparison(msgspec.Struct, frozen=True):
    """Both rules over one window: every violated check, ours of `result` first seen last."""

    rows: int
    events: int
    lines: tuple[ViolatedCheck, ...]

    @property
    def agreeing(self) -> int:
        """How many lines both rules violate."""
        return sum(line.agrees for line in self.lines)

    @property
    def service(self) -> int:
        """How many violations Model Monitor's rule has."""
        return sum(bool(line.service) for line in self.lines)

    @property
    def ours(self) -> int:
        """How many violations ours has."""
        return sum(bool(line.ours) for line in self.lines)


def compare(
    constraints: Constraints, window: ComparedStates, service: tuple[Violation, ...], result: RunResult
) -> RuleComparison:
    """Returns both rules side by side: what they agree on first, then what only the service says, then what only we say.

    `constraints` and `window` are what the service's rule was applied to, `result` is our run.
    """
    theirs = {_key(violation): violation for violation in service}
    ours = {_key(violation): violation for violation in result.violations}
    columns = {column.name: column for column in result.columns}
    lines = []
    for key in dict.fromkeys((*theirs, *ours)):
        name, check = key
        their, our = theirs.get(key), ours.get(key)
        if their is None and our is None:
            continue
        lines.append(
            ViolatedCheck(
                column=name,
                check=check,
                service=their.description if their else "",
                ours=our.description if our else "",
                sentence=our.sentence if our else "",
                grade=our.grade if our else "",
                why=_why(name, check, their, our, constraints, window, columns, ours),
            )
        )
    lines.sort(key=lambda line: (not line.agrees, not line.service))
    return RuleComparison(result.rows, result.events, tuple(lines))


def _key(violation: Violation) -> tuple[str, str]:
    return violation.feature_name, violation.constraint_check_type


def _why(
    name: str,
    check: str,
    their: Violation | None,
    our: Violation | None,
    constraints: Constraints,
    window: ComparedStates,
    columns: Mapping[str, ColumnResult],
    ours: Mapping[tuple[str, str], Violation],
) -> str:
    if their is not None and our is not None:
        return ""
    if check not in SERVICE_CHECKS:
        return "Model Monitor has no such check."
    if check in ("missing_column_check", "extra_column_check"):
        return _why_columns(name, ours)
    state = window.columns.get(name)
    feature = constraints.feature(name)
    if state is None or feature is None:
        return "The two baselines have different columns."
    if check == "data_type_check":
        return _why_type(feature.data_type, state, our is not None)
    if check == "completeness_check":
        return _why_completeness(state, window, our is not None)
    if check == "categorical_values_check":
        return "The two baselines list different categories."
    return _why_drift(name, constraints, window, columns.get(name), our is not None)


def _why_columns(name: str, ours: Mapping[tuple[str, str], Violation]) -> str:
    if name in (MISSING_COLUMNS, EXTRA_COLUMNS):
        named = [
            wording.column(column)
            for column, check in ours
            if check.endswith("_column_check") and "renamed" not in check
        ]
        return (
            f"Model Monitor counts columns. By name: {wording.joined(named, most=6)}."
            if named
            else (
                "Model Monitor counts columns. By name none is missing that training had with a value, and none is new."
            )
        )
    return "Model Monitor counts columns: it names none, and finds nothing where one is missing and another is new."


def _why_type(data_type: DataType, state: ColumnState, ours: bool) -> str:
    if ours:
        return f"Model Monitor does not check the type {data_type}."
    share = matching(state, data_type) / max(1, state.present)
    return f"Model Monitor counts whole numbers against {data_type}. Any number satisfies it here: {wording.percent(share)} do."


def _why_completeness(state: ColumnState, window: ComparedStates, ours: bool) -> str:
    if ours:
        return "The two baselines have different completeness."
    return (
        f"The window lacks {wording.percent(1 - state.completeness)} of the values. The difference from training is within the "
        f"sampling error of {wording.counted(min(state.rows, window.events or state.rows), 'request')}."
    )


def _why_drift(
    name: str, constraints: Constraints, window: ComparedStates, column: ColumnResult | None, ours: bool
) -> str:
    if not ours:
        return _why_no_drift(column)
    binning, before = window.binning.get(name), window.baseline.get(name)
    rule = (
        None
        if binning is None or before is None
        else service_drift(before, window.columns[name], binning, constraints.config_for(name))
    )
    p = (
        ""
        if column is None or column.p_value is None
        else f" It is real: p {_bounded(column.p_value)} over all columns."
    )
    if rule is None or rule.distance is None:
        return f"Model Monitor does not compare this column.{p}"
    if rule.is_p_value:
        return f"Model Monitor's p-value is {rule.distance:.3g}, not below {rule.threshold:g}.{p}"
    moved = (
        ""
        if column is None or column.linf is None
        else f" L-infinity over all rows, missing ones included: {column.linf:.3f}."
    )
    return f"Model Monitor's distance of present values is {rule.distance:.3f}, not over {rule.threshold:g}.{moved}{p}"


def _why_no_drift(column: ColumnResult | None) -> str:
    if column is None:
        return "The two baselines have different columns."
    if column.status is Status.NOT_JUDGED:
        return f"Not judged: {column.reason}." if column.reason else "Not judged."
    if column.reason:
        return f"{wording.capitalised(column.reason)}."
    if column.p_value is None:
        return "It is below the floor of our decision."
    return (
        f"The difference is not real: p {_bounded(column.p_value)} over all columns. Rows of one request resemble each other; "
        "Model Monitor takes them as independent."
    )


def _bounded(p_value: float) -> str:
    text = wording.p_value(p_value)
    return text if text.startswith("≤") else f"= {text}"

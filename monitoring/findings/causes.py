"""All causes of one window, in order of severity.

A broken store hides the drift that it causes; a type that changed hides the missing values that it makes; a renamed column
hides "missing" and "extra". What is left is described once: a column that moved by its missing values stands with the
missing values, one that moved otherwise with the drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from monitoring.findings import wording
from monitoring.findings.broken import (
    completeness_causes,
    range_causes,
    sign_causes,
    type_causes,
    value_causes,
    violated,
)
from monitoring.findings.drifted import drift_causes
from monitoring.findings.groups import assign_groups
from monitoring.findings.moved import by_missing_values, by_type, missing_change
from monitoring.findings.query import QuerySource
from monitoring.findings.renamed import column_causes
from monitoring.findings.severity import grade_of_rise, rank, urgency_of
from monitoring.findings.stores import lost_with, store_causes
from monitoring.result import (
    Cause,
    CauseKind,
    ColumnResult,
    Grade,
    Status,
    StoreHealth,
    Violation,
    WindowCompleteness,
)


def find_causes(
    columns: Sequence[ColumnResult],
    violations: Sequence[Violation],
    completeness: WindowCompleteness,
    stores: Sequence[StoreHealth],
    *,
    events: int,
    source: QuerySource | None = None,
) -> tuple[Cause, ...]:
    """Returns the causes of what was found in a window, the gravest first.

    `columns` are described (see `describe_columns`), `events` counts the events of the window, `source` says where the
    queries find the rows.
    """
    if not events:
        return () if completeness.proved else (_no_data(),)
    groups = assign_groups(columns, stores)
    broken_stores = store_causes(columns, violations, stores, groups, source)
    hidden = {name for cause in broken_stores for name in cause.columns}
    open_columns = [column for column in columns if column.name not in hidden]
    open_violations = [violation for violation in violations if violation.feature_name not in hidden]
    types = violated(open_violations, "data_type")
    gone = {v.feature_name for v in violations if v.constraint_check_type == "missing_column_check"}
    lost = lost_with(broken_stores, open_columns, groups)
    lacking, drifting = _split([c for c in open_columns if c.name not in lost], open_violations, types.keys() | gone)
    drifting += [c for c in open_columns if c.name in lost and c.status is Status.DRIFT]
    causes = [
        *(_incomplete(completeness) if completeness.proved is False else ()),
        *broken_stores,
        *column_causes(open_violations),
        *type_causes(open_columns, open_violations, source),
        *completeness_causes(lacking, open_violations, source),
        *drift_causes(drifting, groups, stores, one_level=_one_level(columns)),
        *value_causes(open_columns, open_violations, source),
        *sign_causes(open_columns, open_violations, source),
        *range_causes([c for c in open_columns if c.status is not Status.DRIFT], open_violations, source),
    ]
    by_name = {column.name: column for column in columns}
    causes = [_in_segment(cause, by_name) for cause in causes]
    predictions = frozenset(column.name for column in columns if column.is_prediction)
    return tuple(sorted(causes, key=lambda cause: rank(cause, predictions)))


def _one_level(columns: Sequence[ColumnResult]) -> bool:
    return len({column.request_level for column in columns if not column.is_prediction}) < 2


def _split(
    columns: Sequence[ColumnResult], violations: Sequence[Violation], explained: set[str]
) -> tuple[list[ColumnResult], list[ColumnResult]]:
    """Returns the columns whose missing values are a cause of their own, and those whose drift is."""
    fallen = violated(violations, "completeness")
    lacking, drifting = [], []
    for column in columns:
        by_missing = by_missing_values(column)
        if column.name in explained:
            if not by_missing and not by_type(column) and column.name not in fallen:
                drifting.append(column)
        elif column.status is Status.DRIFT and not (by_missing and _fell_far(column, fallen)):
            drifting.append(column)
        else:
            lacking.append(column)
    return lacking, drifting


def _fell_far(column: ColumnResult, fallen: dict[str, Violation]) -> bool:
    return column.name in fallen and grade_of_rise(missing_change(column)) is not Grade.SMALL


def _in_segment(cause: Cause, columns: Mapping[str, ColumnResult]) -> Cause:
    """Returns the cause with the segment in which all of its columns moved, where they have the same one."""
    segments = {columns[name].segment for name in cause.columns if name in columns}
    if cause.kind not in (CauseKind.DRIFT, CauseKind.COMPLETENESS) or len(segments) != 1:
        return cause
    segment = segments.pop()
    if segment is None:
        return cause
    name, value = segment
    sentence = f"{cause.sentence} Only rows with {wording.value(value)} in {wording.column(name)} changed."
    return msgspec.structs.replace(cause, sentence=sentence, slice=f"{name} = {value}")


def _no_data() -> Cause:
    return Cause(
        key="no_data",
        kind=CauseKind.NO_DATA,
        grade=Grade.LARGE,
        urgency=urgency_of(CauseKind.NO_DATA, Grade.LARGE),
        title="No data arrived in this window",
        sentence="No readable object lies in this window, and no ledger proves that no request came.",
        tonight="Check that the endpoint has traffic, that capture is switched on, and that it can write to S3.",
        tomorrow="Run the monitor again over the window: objects that arrive late are found.",
    )


def _incomplete(completeness: WindowCompleteness) -> tuple[Cause, ...]:
    if completeness.expected:
        share = max(0.0, 1 - completeness.found / completeness.expected)
        number = wording.percent(share)
        title = f"{number} of the records are not proved to be here"
    else:
        share, title = 1.0, "The window is not proved complete"
    grade = grade_of_rise(share)
    gaps = wording.joined([gap.rstrip(".") for gap in completeness.gaps], most=4)
    return (
        Cause(
            key="incomplete",
            kind=CauseKind.INCOMPLETE,
            grade=grade,
            urgency=urgency_of(CauseKind.INCOMPLETE, grade),
            title=title,
            sentence=f"{wording.capitalised(gaps)}." if gaps else "What arrived may be a biased part of the traffic.",
            tonight="Find the instance whose ledger is missing: its log names records that it could not ship.",
            tomorrow="Run the monitor again over the window when the records have arrived.",
        ),
    )

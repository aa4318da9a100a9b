"""From measured columns to causes, verdict and advice, over one run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitoring.findings.causes import find_causes
from monitoring.findings.columns import describe_columns
from monitoring.findings.groups import assign_groups
from monitoring.findings.query import QuerySource
from monitoring.findings.ruled_out import rule_out
from monitoring.findings.severity import rank
from monitoring.findings.verdict import outcome_of, write_action, write_lead, write_verdict
from monitoring.result import Cause, RunResult


def conclude(draft: RunResult, source: QuerySource | None = None) -> RunResult:
    """Returns `draft` with columns described and causes, ruled-out list, outcome, verdict, lead and action filled in.

    `draft` holds what was measured: columns, violations, completeness, stores, counts, method. `source` says where the
    queries find the rows, None for no queries.
    """
    columns = describe_columns(draft.columns, assign_groups(draft.columns, draft.stores), source)
    run = msgspec.structs.replace(draft, columns=columns)
    causes = find_causes(columns, run.violations, run.completeness, run.stores, events=run.events, source=source)
    return msgspec.structs.replace(_over(run, causes), ruled_out=rule_out(run, causes))


def with_causes(result: RunResult, more: Sequence[Cause]) -> RunResult:
    """Returns a result with further causes in their place by severity, and its sentences over all of them."""
    if not more:
        return result
    predictions = frozenset(column.name for column in result.columns if column.is_prediction)
    causes = tuple(sorted((*result.causes, *more), key=lambda cause: rank(cause, predictions)))
    return _over(result, causes)


def _over(run: RunResult, causes: tuple[Cause, ...]) -> RunResult:
    """Returns the run with these causes, and its outcome and sentences over all of them."""
    return msgspec.structs.replace(
        run,
        causes=causes,
        outcome=outcome_of(run, causes),
        verdict=write_verdict(run, causes),
        lead=write_lead(run, causes),
        action=write_action(run, causes),
    )

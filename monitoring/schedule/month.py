"""The month's budget of false alarms over the windows of a schedule.

A monitor that judges hours at 5 % alarms falsely every day. So a window of a schedule sends a message about drift only where the
budget says so: a third of it for hours, a third for days, a third for a running sum over days (docs/drift.md). Drift that the
budget does not carry stays in the report, as a note. The shares hold for windows that requests decided too, but without a promise.
The running sum of each model version is kept in `budget/{endpoint}/{variant}/{monitor}/{version}.json`.
"""

from __future__ import annotations

import datetime as dt
from urllib.parse import quote

import msgspec

from monitoring.drift.budget import AlarmBudget, BudgetState, judge_day, judge_hour
from monitoring.result import CauseKind, RunResult, Urgency
from monitoring.storage import Conflict, MissingKey, Storage
from monitoring.window import zone_of

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HOUR = dt.timedelta(hours=1)
_TRIES = 8


def budgeted(
    result: RunResult,
    state: BudgetState,
    budget: AlarmBudget = AlarmBudget(),  # noqa: B008
    zone: str = "UTC",
) -> tuple[RunResult, BudgetState]:
    """Returns the result with the budget applied, and the state after its window. `zone` is that of the schedule's days."""
    method = result.method
    if method is None or method.p_tail is None or method.p_rank is None:
        return result, state
    if result.end - result.start > _HOUR and method.unit != "hour":
        day = result.start.astimezone(zone_of(zone)).toordinal() - _EPOCH.toordinal()
        state, alarm = judge_day(budget, state, day, method.p_rank, method.p_tail)
    else:
        alarm = judge_hour(budget, method.p_tail)
    causes = result.causes
    if not alarm.alarm:
        causes = tuple(
            msgspec.structs.replace(cause, urgency=Urgency.NOTE) if cause.kind is CauseKind.DRIFT else cause
            for cause in causes
        )
    by_time = method.unit in ("hour", "day")
    said = msgspec.structs.replace(
        method, budget=budget.promise(method.neighbours) if by_time else budget.shares(method.unit)
    )
    return msgspec.structs.replace(result, method=said, causes=causes), state


class Month:
    """The budget of one storage. A day is counted once: judged again after a crash it changes nothing and says the same."""

    def __init__(self, storage: Storage, budget: AlarmBudget = AlarmBudget(), zone: str = "UTC") -> None:  # noqa: B008
        self._storage = storage
        self._budget = budget
        self._zone = zone

    def apply(self, result: RunResult) -> RunResult:
        """Returns the result with the budget applied, and keeps the state. Raises Conflict where others change it all the time."""
        subject = result.subject
        version = quote(subject.model_version or "all", safe="")
        key = f"budget/{subject.endpoint}/{subject.variant}/{subject.monitor}/{version}.json"
        for _ in range(_TRIES):
            try:
                stored = self._storage.get(key)
                state, tag = msgspec.json.decode(stored.body, type=BudgetState), stored.tag
            except MissingKey:
                state, tag = BudgetState(), ""
            found, after = budgeted(result, state, self._budget, self._zone)
            if after == state:
                return found
            try:
                body = msgspec.json.encode(after)
                self._storage.replace(key, body, tag) if tag else self._storage.create(key, body)
            except Conflict:
                continue
            return found
        raise Conflict(f"{self._storage.uri}/{key} is changed by other monitors all the time")

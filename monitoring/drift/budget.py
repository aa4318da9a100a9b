"""The false alarms of a month, shared between hours, days and a running sum over days.

A monitor that judges every hour at 5 % alarms falsely every day. The budget gives a third of the month's share to hourly
windows, a third to days (Bonferroni: it holds under any dependence), and a third to an e-CUSUM of the daily p-values, which
finds small changes that last (Shin, Ramdas & Rinaldo 2023; the calibrator e = 1 / (2 sqrt p) of Vovk & Wang 2021). Its
threshold of 600 days bounds false alarms where daily p-values are independent; `docs/decisions/0034` says where they are not.
"""

from __future__ import annotations

import math

import msgspec

HOURS, DAYS = 720, 30
E_THRESHOLD = 600.0
_PARTS = 3
MAX_CORRELATION = 0.5
"""No promise for a month where neighbouring days are more correlated than this."""


class AlarmBudget(msgspec.Struct, frozen=True):
    """How a month's false alarms are shared. `level`: the share of months without a change that may alarm."""

    level: float = 0.05
    hours: int = HOURS
    days: int = DAYS

    @property
    def of_hour(self) -> float:
        """The p-value at which an hour alarms."""
        return self.level * 0.3 / self.hours

    @property
    def of_day(self) -> float:
        """The p-value at which a day alarms."""
        return self.level * 0.3 / self.days

    def promise(self, neighbours: float) -> str:
        """Returns the promise as a sentence. `neighbours`: the correlation of neighbouring days."""
        if neighbours > MAX_CORRELATION:
            return (
                f"No promise is made for a month: neighbouring days are correlated by {neighbours:.2f}, "
                f"and the budget holds up to {MAX_CORRELATION:g}."
            )
        return (
            f"Of months without a change at most {self.level * 100:g} % alarm: hours at p {self.of_hour:.2g}, "
            f"days at p {self.of_day:.2g}, a running sum over days at {E_THRESHOLD:.0f}."
        )

    def shares(self, unit: str) -> str:
        """Returns a sentence about windows that are not held against ordinary hours or days, for which no promise is made."""
        return (
            f"No promise is made for a month: {unit}s of one hour or day are no random sample of the baseline's. Drift of an hour "
            f"sends a message at p {self.of_hour:.2g}, of a day at p {self.of_day:.2g}."
        )


class BudgetState(msgspec.Struct, frozen=True):
    """What is kept between runs: the e-CUSUM, the last day in it (days since 1970-01-01, -1 before the first), and its alarm.

    `last_alarm` is the part that alarmed on the last day, "" for none: a monitor that dies after it wrote the state judges the
    day again, and must say the same.
    """

    evidence: float = 0.0
    last_day: int = -1
    last_alarm: str = ""


class BudgetAlarm(msgspec.Struct, frozen=True):
    """Whether the budget alarms and by which part: "hour", "day" or "running sum"."""

    alarm: bool
    by: str = ""


def judge_hour(budget: AlarmBudget, p_tail: float) -> BudgetAlarm:
    """Judges one hour by its extrapolated p-value."""
    return BudgetAlarm(True, "hour") if p_tail <= budget.of_hour else BudgetAlarm(False)


def judge_day(
    budget: AlarmBudget, state: BudgetState, day: int, p_rank: float, p_tail: float
) -> tuple[BudgetState, BudgetAlarm]:
    """Judges one day and adds it to the running sum.

    The last day judged again gets the same answer, an earlier day is judged by its own p-value; neither changes the sum.
    `p_rank` feeds the sum: an extrapolated p-value is no bound, and one wrong day would alarm. After an alarm of the sum it
    starts again.
    """
    if day == state.last_day:
        return state, BudgetAlarm(bool(state.last_alarm), state.last_alarm)
    by_day = "day" if p_tail <= budget.of_day else ""
    if day < state.last_day:
        return state, BudgetAlarm(bool(by_day), by_day)
    evidence = max(state.evidence, 1.0) / (2 * math.sqrt(p_rank))
    if evidence >= E_THRESHOLD:
        return BudgetState(0.0, day, "running sum"), BudgetAlarm(True, "running sum")
    return BudgetState(evidence, day, by_day), BudgetAlarm(bool(by_day), by_day)

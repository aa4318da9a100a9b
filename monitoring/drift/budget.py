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


class Budget(msgspec.Struct, frozen=True):
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


class BudgetState(msgspec.Struct, frozen=True):
    """What is kept between runs: the e-CUSUM and the last day in it (days since 1970-01-01), -1 before the first."""

    evidence: float = 0.0
    last_day: int = -1


class BudgetAlarm(msgspec.Struct, frozen=True):
    """Whether the budget alarms and by which part: "hour", "day" or "running sum"."""

    alarm: bool
    by: str = ""


def judge_hour(budget: Budget, p_tail: float) -> BudgetAlarm:
    """Judges one hour by its extrapolated p-value."""
    return BudgetAlarm(True, "hour") if p_tail <= budget.of_hour else BudgetAlarm(False)


def judge_day(
    budget: Budget, state: BudgetState, day: int, p_rank: float, p_tail: float
) -> tuple[BudgetState, BudgetAlarm]:
    """Judges one day and adds it to the running sum. A day that is in the sum already changes nothing.

    `p_rank` feeds the sum: an extrapolated p-value is no bound, and one wrong day would alarm. After an alarm of the sum it
    starts again.
    """
    if day <= state.last_day:
        return state, BudgetAlarm(False)
    evidence = max(state.evidence, 1.0) / (2 * math.sqrt(p_rank))
    if evidence >= E_THRESHOLD:
        return BudgetState(0.0, day), BudgetAlarm(True, "running sum")
    by_day = p_tail <= budget.of_day
    return BudgetState(evidence, day), BudgetAlarm(by_day, "day" if by_day else "")

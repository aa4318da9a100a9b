"""Open causes and earlier starts to a decision: start, wait, ask a person, or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitoring.alarms.policy import grade_rank
from monitoring.alarms.state import CauseState
from monitoring.retraining.guard import Guard, StartStage
from monitoring.retraining.settings import Rule


class Verdict(StrEnum):
    """What a rule asks for."""

    NOTHING = "nothing"
    WAIT = "wait"
    START = "start"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class RetrainingDecision:
    """What a rule asks for, for which cause, as which attempt of its episode, and why."""

    verdict: Verdict
    reason: str
    cause: CauseState | None = None
    attempt: int = 1


def decide(rule: Rule, causes: Sequence[CauseState], earlier: Sequence[Guard], now: dt.datetime) -> RetrainingDecision:
    """Returns what `rule` asks for, at `now`, of the causes that are open. The largest one comes first.

    A start that was claimed and not recorded is asked for again: the guard decides whether its holder is gone.
    """
    matching = [held for held in causes if held.is_open and rule.matches(held.cause, held.grade)]
    matching.sort(key=lambda held: (-grade_rank(held.grade), held.first, held.cause.key))
    if not matching:
        return RetrainingDecision(Verdict.NOTHING, "no open cause matches")
    decisions = [_for_cause(rule, held, earlier, now) for held in matching]
    order = (Verdict.START, Verdict.PERSON, Verdict.WAIT, Verdict.NOTHING)
    return min(decisions, key=lambda decision: order.index(decision.verdict))


def _for_cause(rule: Rule, held: CauseState, earlier: Sequence[Guard], now: dt.datetime) -> RetrainingDecision:
    memory = dt.timedelta(days=rule.memory_days)
    starts = [guard for guard in earlier if guard.rule == rule.name and now - guard.claimed < memory]
    same = [guard for guard in starts if guard.cause.key == held.cause.key]
    of_episode = [guard for guard in same if guard.episode == held.episode]
    unfinished = [guard for guard in of_episode if guard.stage is StartStage.CLAIMED]
    if unfinished:
        return RetrainingDecision(Verdict.START, "a start was claimed and not recorded", held, unfinished[0].attempt)
    lasted = held.seen - held.first
    if lasted < dt.timedelta(hours=rule.for_hours):
        return RetrainingDecision(
            Verdict.WAIT, f"it lasts {_hours(lasted)}, the rule asks for {rule.for_hours:g} h", held
        )
    rest = dt.timedelta(hours=rule.rest_hours)
    resting = [guard for guard in starts if abs(now - guard.claimed) < rest]
    if resting:
        return RetrainingDecision(
            Verdict.WAIT, f"the rule rests until {resting[-1].claimed + rest:%b %-d %H:%M} UTC", held
        )
    if len(same) >= rule.attempts:
        return RetrainingDecision(Verdict.PERSON, f"{len(same)} starts did not end the cause", held)
    return RetrainingDecision(Verdict.START, f"it lasts {_hours(lasted)}", held, len(of_episode) + 1)


def _hours(lasted: dt.timedelta) -> str:
    return f"{lasted.total_seconds() / 3600:.0f} h"

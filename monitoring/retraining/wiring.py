"""Rules to their starters, and what came of them to the alarms and their message."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from monitoring.alarms.composer import context_of_observation
from monitoring.alarms.observation import of_retraining
from monitoring.alarms.register import AlarmRegister
from monitoring.result import Subject
from monitoring.retraining.command import CommandStarter
from monitoring.retraining.controller import RetrainingOutcome
from monitoring.retraining.event import EventStarter
from monitoring.retraining.pipeline import PipelineStarter
from monitoring.retraining.settings import Rule
from monitoring.retraining.starter import Starter


def starter_of(folder: Path) -> Callable[[Rule], Starter]:
    """Returns a function that makes a rule's starter. `folder` receives the output of local commands."""

    def make(rule: Rule) -> Starter:
        if rule.pipeline:
            return PipelineStarter(rule)
        if rule.event_bus:
            return EventStarter(rule)
        return CommandStarter(rule, folder)

    return make


def report(register: AlarmRegister, subject: Subject, outcomes: Sequence[RetrainingOutcome], now: dt.datetime) -> None:
    """Announces what was started, and opens or closes the causes of retrainings that need a person."""
    causes = tuple(outcome.cause for outcome in outcomes if outcome.cause is not None)
    seen = of_retraining(subject.endpoint, subject.variant, now, causes)
    said = " ".join(outcome.sentence for outcome in outcomes if outcome.sentence)
    context = replace(context_of_observation(seen), subject=subject)
    register.apply(seen, context, proves_life=False)
    if any(outcome.guard is not None and outcome.cause is None for outcome in outcomes) and said:
        register.announce(replace(context, retraining=said))

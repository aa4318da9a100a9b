"""Decision, guard and starter in order, for every rule of a monitor."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from monitoring.alarms.state import CauseState, SubjectState
from monitoring.errors import MonitoringError
from monitoring.result import Cause, CauseKind, Grade, Urgency
from monitoring.retraining.decision import RetrainingDecision, Verdict, decide
from monitoring.retraining.guard import Guard, Guards, Held, StartStage, guard_key, token_of
from monitoring.retraining.settings import Rule
from monitoring.retraining.starter import Starter, StartRefused, StartRequest
from monitoring.storage import Storage
from monitoring.storage.lease import Lease


@dataclass(frozen=True, slots=True)
class RetrainingOutcome:
    """What came of a rule: the sentence for the message, the guard of a start, and a cause where a person must decide."""

    rule: str
    verdict: Verdict
    sentence: str
    guard: Guard | None = None
    cause: Cause | None = None


class Retraining:
    """Considers the rules after a run. `starter_of` makes the starter of a rule."""

    def __init__(
        self,
        storage: Storage,
        rules: tuple[Rule, ...],
        starter_of: Callable[[Rule], Starter],
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        holder: str = "",
    ) -> None:
        self._storage = storage
        self._rules = rules
        self._starter_of = starter_of
        self._now = now
        self._holder = holder or uuid.uuid4().hex

    def consider(self, state: SubjectState, manifest: str | Callable[[], str] = "") -> list[RetrainingOutcome]:
        """Returns what came of each rule, given the state of the causes.

        `manifest` is the URI of the training set's manifest, or a function that writes it and returns its URI; the function is
        called only where something starts.
        """
        guards = Guards(self._storage, state.endpoint, state.variant, self._holder)
        outcomes = []
        for rule in self._rules:
            decision = decide(rule, state.open_causes(), list(guards.all()), self._now())
            outcomes.append(self._follow(rule, decision, state, guards, manifest))
        return outcomes

    def _follow(
        self,
        rule: Rule,
        decision: RetrainingDecision,
        state: SubjectState,
        guards: Guards,
        manifest: str | Callable[[], str],
    ) -> RetrainingOutcome:
        held = decision.cause
        if held is None or decision.verdict in (Verdict.NOTHING, Verdict.WAIT):
            return RetrainingOutcome(rule.name, decision.verdict, "")
        if decision.verdict is Verdict.PERSON:
            sentence = f"Retraining did not help: {decision.reason}. A person must decide."
            return RetrainingOutcome(rule.name, Verdict.PERSON, sentence, cause=_for_a_person(held, decision.reason))
        key = guard_key(state.endpoint, state.variant, held.cause.key, held.episode, decision.attempt)
        now = self._now()
        until = guards.take_turn(rule.name, key, dt.timedelta(hours=rule.rest_hours), now)
        if until is not None:
            return RetrainingOutcome(rule.name, Verdict.WAIT, "")
        claimed, is_new = guards.claim(key, _claim(rule, held, state, decision.attempt, key, self._holder, now), now)
        if claimed is None:
            return RetrainingOutcome(rule.name, Verdict.WAIT, "")
        return self._start(rule, guards, claimed, is_new, manifest)

    def _start(
        self, rule: Rule, guards: Guards, claimed: Held, is_new: bool, manifest: str | Callable[[], str]
    ) -> RetrainingOutcome:
        guard = claimed.guard
        request = StartRequest(
            key=claimed.key,
            token=guard.token,
            rule=rule.name,
            cause=guard.cause.key,
            episode=guard.episode,
            attempt=guard.attempt,
            endpoint=guard.endpoint,
            variant=guard.variant,
            cause_uri=guards.uri(claimed.key),
            manifest_uri=manifest if isinstance(manifest, str) else manifest(),
            parameters=dict(rule.parameters),
        )
        starter = self._starter_of(rule)
        try:
            reference = None if is_new else starter.find(request, guard.claimed)
            if reference is None:
                reference = starter.start(request)
        except StartRefused as problem:
            settled = guards.settle(claimed, StartStage.REFUSED, self._now(), problem=str(problem))
            sentence = f"Retraining was refused for episode {guard.cause.key} {guard.episode}: {problem}"
            return RetrainingOutcome(rule.name, Verdict.PERSON, sentence, settled, _refused(guard, str(problem)))
        except MonitoringError as problem:
            sentence = f"Retraining could not start, the next run tries again: {problem}"
            return RetrainingOutcome(rule.name, Verdict.WAIT, sentence, guard)
        now = self._now()
        settled = guards.settle(claimed, StartStage.STARTED, now, reference)
        sentence = (
            f"Retraining started at {now:%b %-d %H:%M} UTC for {guard.cause.key}, episode {guard.episode}: {reference}"
        )
        return RetrainingOutcome(rule.name, Verdict.START, sentence, settled)


def _claim(
    rule: Rule, held: CauseState, state: SubjectState, attempt: int, key: str, holder: str, now: dt.datetime
) -> Guard:
    return Guard(
        rule=rule.name,
        endpoint=state.endpoint,
        variant=state.variant,
        model_version=held.version,
        episode=held.episode,
        attempt=attempt,
        cause=held.cause,
        claimed=now,
        lease=Lease(holder, now),
        token=token_of(key),
    )


def _for_a_person(held: CauseState, reason: str) -> Cause:
    return Cause(
        key=f"retraining:{held.cause.key}",
        kind=CauseKind.RETRAINING,
        grade=Grade.LARGE,
        urgency=Urgency.MESSAGE,
        title=f"Retraining did not end {held.cause.key}",
        sentence=f"{reason}. The monitor starts no other one. {held.cause.sentence}",
        columns=held.cause.columns,
        tomorrow="Look at what was trained on and at the candidate's replay. Decide whether the features still fit.",
    )


def _refused(guard: Guard, problem: str) -> Cause:
    return Cause(
        key=f"retraining:{guard.cause.key}",
        kind=CauseKind.RETRAINING,
        grade=Grade.MEDIUM,
        urgency=Urgency.MESSAGE,
        title=f"Retraining for {guard.cause.key} was refused",
        sentence=problem,
        tomorrow="Correct the rule or the pipeline, then start the training by hand.",
    )

"""Messages of runs for the tests of texts and channels."""

from __future__ import annotations

from typing import Any

from monitoring.alarms.composer import Context, compose
from monitoring.alarms.message import NotJudged, RunMessage
from monitoring.alarms.policy import Policy
from monitoring.alarms.state import SubjectState
from monitoring.alarms.transition import observe
from monitoring.result import Subject
from tests.monitoring.alarms.examples import window


def conversation(*windows: Any, policy: Policy | None = None, **context: Any) -> list[RunMessage]:
    """The messages that these windows lead to, one for each window that changes something."""
    policy = policy or Policy()
    state = SubjectState("flights", "AllTraffic")
    messages = []
    for seen in windows:
        state, changes = observe(state, seen, policy)
        if changes:
            messages.append(compose(state, changes, context_for(seen, **context), policy))
    return messages


def context_for(seen: Any, **more: Any) -> Context:
    subject = Subject(seen.endpoint, seen.variant, "flights-delay", seen.model_version, seen.monitor)
    given = {
        "verdict": "The weather is unlike training, and the predicted risk is too low",
        "lead": "The order of the flights is still good.",
        "completeness": "complete, 1,664 of 1,664 records",
        "rows": 29_425,
        "events": 1_664,
        "not_judged": (NotJudged("weekday", "too few hours"),),
        "ruled_out": ("Capture: 1,664 of 1,664 records proved.",),
        "promise": "At most 5 in 100 such runs raise a false alarm.",
        "report": "https://reports.example/1.html",
        "trend": "s3://acme/trend.html",
    }
    return Context(subject, seen.start, seen.end, seen.created, **{**given, **more})


def one(*causes: Any, **context: Any) -> RunMessage:
    """The message of one window."""
    [message] = conversation(window(0, *causes), **context)
    return message

"""A cause as a PagerDuty event: what, how bad, since when, likely cause, what to do tonight, within the service's limits."""

from __future__ import annotations

from typing import Any

import msgspec

from monitoring.alarms.message import Change, Item, RunMessage, clean
from monitoring.result import CauseKind, Grade, Urgency

MAX_SUMMARY = 1_024
MAX_BODY = 400_000
"""PagerDuty takes 512 KB; the client adds the routing key."""
DOCS = "docs/alarms.md"
_SEVERITY = {Grade.LARGE: "error", Grade.MEDIUM: "warning", Grade.SMALL: "warning", Grade.NONE: "info"}
_CRITICAL = {CauseKind.NO_DATA, CauseKind.HEARTBEAT}
_GROUPS = {
    CauseKind.DRIFT: "drift", CauseKind.QUALITY: "quality", CauseKind.CONCEPT: "quality", CauseKind.HEARTBEAT: "monitor",
    CauseKind.NO_DATA: "capture", CauseKind.INCOMPLETE: "capture", CauseKind.STALE_STORE: "store",
    CauseKind.MISSING_ENTITIES: "store",
}  # fmt: skip


def event_of(message: RunMessage, item: Item) -> dict[str, Any]:
    """Returns the event that opens the incident of one cause, without routing key, action and dedup_key."""
    subject = message.subject
    where = f"{subject.endpoint} / {subject.variant}"
    grade = "" if item.grade is Grade.NONE else f" ({item.grade})"
    again = "Worse: " if item.change is Change.WORSE else ""
    return _event(
        message,
        summary=f"{where}: {again}{item.title}{grade}",
        severity="critical" if item.kind in _CRITICAL else _SEVERITY[item.grade],
        group=_GROUPS.get(item.kind, "data quality"),
        name=str(item.kind),
        anchor=str(item.kind).replace("_", "-"),
        details=_details(message, item),
    )


def summary_event(message: RunMessage, item: Item) -> dict[str, Any]:
    """Returns the event of the month's summary: the budget of pages is used up, and what asks for a page now."""
    subject, budget = message.subject, message.budget
    asking = [entry for entry in message.items if entry.is_open and entry.urgency is Urgency.PAGE]
    details = {
        "What": f"{budget.pages} of {budget.allowed} pages of {budget.month} are used. Further causes of this month come in "
        "Slack only.",
        "Open now": "; ".join(f"{entry.title} ({entry.grade})" for entry in asking) or item.title,
        "Do tonight": item.tonight or "Open the report and look at the causes above.",
        "Do tomorrow": "Fix the causes that page most often, or raise alarms.pages_per_month in monitor.toml.",
        "Window": _window(message),
    }
    return _event(
        message,
        summary=f"{subject.endpoint} / {subject.variant}: the page budget of {budget.month} is used up, {item.title}",
        severity="error",
        group="monitor",
        name="over-budget",
        anchor="over-budget",
        details=details,
    )


def _event(
    message: RunMessage, *, summary: str, severity: str, group: str, name: str, anchor: str, details: dict[str, Any]
) -> dict[str, Any]:
    subject = message.subject
    version = f" {subject.model_version}" if subject.model_version else ""
    links = [("Report", message.report), ("Trend", message.trend)]
    event: dict[str, Any] = {
        "payload": {
            "summary": clean(summary, MAX_SUMMARY),
            "source": f"{subject.endpoint}/{subject.variant}",
            "severity": severity,
            "timestamp": message.created.isoformat(),
            "component": f"{subject.model_name}{version}".strip() or subject.monitor,
            "group": group,
            "class": name,
            "custom_details": {**details, "Help": f"{DOCS}#{anchor}"},
        },
        "links": [{"href": uri, "text": text} for text, uri in links if uri.startswith(("https://", "http://"))],
        "client": "endpoint monitor",
    }
    for field in ("Query", "Five events", "Not the cause", "Also open"):
        if len(msgspec.json.encode(event)) <= MAX_BODY:
            break
        event["payload"]["custom_details"].pop(field, None)
    return event


def _details(message: RunMessage, item: Item) -> dict[str, Any]:
    """Returns the fields of the incident's body, in reading order, without empty ones."""
    also = [entry for entry in message.items if entry.is_open and entry.key != item.key]
    report = [uri for uri in (message.report, message.trend) if uri and not uri.startswith("http")]
    rows = {
        "What": item.sentence,
        "Where": item.slice,
        "How bad": _how_bad(item),
        "Since": item.since or f"{item.first:%b %-d %H:%M} UTC",
        "Not the cause": " ".join(message.ruled_out),
        "Do tonight": item.tonight or "Acknowledge, then open the report. Nothing else is known to help tonight.",
        "Do tomorrow": item.tomorrow,
        "Also open": ", ".join(f"{entry.key} ({entry.grade})" for entry in also[:10]),
        "Retraining": message.retraining,
        "Window": _window(message),
        "Five events": list(item.event_ids),
        "Query": item.query,
        "Report": " ".join(report),
    }
    return {name: value for name, value in rows.items() if value}


def _how_bad(item: Item) -> str:
    columns = ", ".join(item.columns[:10])
    more = f" and {len(item.columns) - 10} more" if len(item.columns) > 10 else ""
    return f"{item.grade}: {columns}{more}" if columns else str(item.grade)


def _window(message: RunMessage) -> str:
    return f"{message.start:%b %-d %H:%M} to {message.end:%b %-d %H:%M} UTC, {message.rows:,} rows in {message.events:,} events"

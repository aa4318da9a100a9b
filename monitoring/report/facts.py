"""The facts below the verdict, and the word for the state of a window."""

from __future__ import annotations

from monitoring.findings import wording
from monitoring.findings.severity import gravest, is_broken
from monitoring.findings.verdict import has_verdict
from monitoring.findings.visible import visible, visible_value
from monitoring.result import CauseKind, Grade, Outcome, RunResult, WindowCompleteness
from monitoring.window import is_timeless

LONG = 72
"""Hours from which a window of whole days is written in days."""
KIND_WORDS = {
    CauseKind.DRIFT: "Drift",
    CauseKind.DATA_TYPE: "Type",
    CauseKind.COMPLETENESS: "Missing values",
    CauseKind.MISSING_COLUMN: "Missing column",
    CauseKind.EXTRA_COLUMN: "New column",
    CauseKind.CATEGORICAL_VALUES: "New values",
    CauseKind.NON_NEGATIVE: "Negative values",
    CauseKind.RANGE: "Range",
    CauseKind.RENAMED_COLUMN: "Renamed column",
    CauseKind.STALE_STORE: "Stale store",
    CauseKind.MISSING_ENTITIES: "Lookups fail",
    CauseKind.NO_DATA: "No data",
    CauseKind.INCOMPLETE: "Not complete",
    CauseKind.QUALITY: "Quality",
    CauseKind.CONCEPT: "Concept",
    CauseKind.HEARTBEAT: "Monitor",
    CauseKind.RETRAINING: "Retraining",
}


def state_word(result: RunResult) -> str:
    """Returns the state of a window in one to two words: "Large drift", "Stale store", "No traffic"."""
    if not result.events:
        return "No traffic" if result.completeness.proved else "No data"
    if not has_verdict(result):
        return "No verdict"
    broken = [cause for cause in result.causes if is_broken(cause)]
    if broken:
        return KIND_WORDS[broken[0].kind]
    if result.outcome is Outcome.NOT_JUDGED:
        return "Not judged"
    if result.causes and result.causes[0].kind is CauseKind.QUALITY:
        return "Quality fell"
    drift = gravest([cause.grade for cause in result.causes if cause.kind is CauseKind.DRIFT])
    if drift is not Grade.NONE:
        return f"{wording.capitalised(str(drift))} drift"
    return KIND_WORDS[result.causes[0].kind] if result.causes else "No drift"


def facts(result: RunResult) -> list[tuple[str, str, bool]]:
    """Returns (label, text, whether it is a proof) for each fact."""
    subject, method = result.subject, result.method
    version = f", version {visible_value(subject.model_version)}" if subject.model_version else ""
    sampling = f", sampling {result.sampling_percentage:g} %" if result.sampling_percentage is not None else ""
    hours = (result.end - result.start).total_seconds() / 3600
    length = wording.counted(round(hours), "hour") if hours == round(hours) else wording.duration(hours * 3600)
    length = wording.counted(round(hours / 24), "day") if hours >= LONG and hours % 24 == 0 else length
    window, timeless = wording.span(result.start, result.end, result.created), is_timeless(result.start, result.end)
    events = f" in {wording.counted(result.events, 'event')}"
    rows = [
        ("Endpoint", f"{visible_value(subject.endpoint)} / {visible_value(subject.variant)}", False),
        ("Model", f"{visible_value(subject.model_name)}{version}", False),
        ("Window", window if timeless else f"{window}, {length}", False),
        ("Volume", f"{wording.counted(result.rows, 'row')}{events}{sampling}", False),
        ("Completeness", completeness_text(result.completeness), bool(result.completeness.proved)),
        ("Baseline", _baseline(result), False),
    ]
    if method is not None:
        units = f"{wording.count(method.units_baseline)} in the baseline, {wording.count(method.units_window)} here"
        rows.append(("Question answered", visible(f"{method.question} Unit: {method.unit}; {units}."), False))
        promise = " ".join(part for part in (method.declined, method.promise, method.budget) if part)
        rows.append(("False alarms", visible(promise), False))
    return [row for row in rows if row[1].strip()]


def completeness_text(held: WindowCompleteness) -> str:
    """Returns the completeness of a window as a sentence."""
    found = wording.counted(held.found, "record")
    if held.proved is None:
        return f"Unknown: no ledger lies beside the data. {found} found."
    if held.proved:
        expected = held.found if held.expected is None else held.expected
        return f"Proved: {wording.count(held.found)} of {wording.counted(expected, 'record')}."
    if held.expected is None:
        return f"Not proved. {found} found."
    return f"Not proved: {wording.count(held.found)} of {wording.counted(held.expected, 'record')}."


def _baseline(result: RunResult) -> str:
    events = f" in {wording.counted(result.baseline_events, 'event')}" if result.baseline_events else ""
    rows = f", {wording.counted(result.baseline_rows, 'row')}{events}" if result.baseline_rows else ""
    return f"{visible_value(result.baseline, 80)}{rows}"

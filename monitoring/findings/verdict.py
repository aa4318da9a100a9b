"""Verdict, lead and action: the sentences that a person reads first.

The verdict has at most 14 words: the gravest one or two causes, joined. The lead says first whether anything is broken, then
how much moved. The action says what to do now. A window that is empty, not proved or too small has a verdict of its own and
never reads "0 violations".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from monitoring.findings import wording
from monitoring.findings.severity import GRADES, is_broken
from monitoring.result import Cause, ColumnResult, Grade, Outcome, RunResult, Status, Urgency

WORDS = 14


def outcome_of(result: RunResult, causes: Sequence[Cause]) -> Outcome:
    """Returns what a run says of its window."""
    if not result.events or not has_verdict(result):
        return Outcome.NOT_JUDGED
    drifted = any(column.status is Status.DRIFT for column in result.columns)
    if result.violations or drifted or any(cause.urgency is not Urgency.NOTE for cause in causes):
        return Outcome.VIOLATIONS
    judged = any(column.status is not Status.NOT_JUDGED for column in result.columns)
    return Outcome.OK if judged else Outcome.NOT_JUDGED


def has_verdict(result: RunResult) -> bool:
    """Returns True if enough of a window is there to judge it. An unknown completeness is enough; it is stated."""
    held = result.completeness
    if held.proved is not False:
        return True
    return bool(held.expected) and held.found >= result.min_complete * (held.expected or 0)


def write_verdict(result: RunResult, causes: Sequence[Cause]) -> str:
    """Returns the verdict: one sentence of at most 14 words, or two that have 14 together."""
    held = result.completeness
    if not result.events:
        if held.proved:
            return "No traffic: the ledgers prove that no request came."
        return "No data: nothing readable arrived, and nothing proves that nothing was sent."
    if not has_verdict(result):
        if held.expected:
            share = wording.percent(max(0.0, 1 - held.found / held.expected))
            return f"No verdict: {share} of the records are not proved to be here."
        return "No verdict: the window is not proved complete."
    unknown = " Completeness is unknown." if held.proved is None else ""
    if causes:
        return _fitting(causes, unknown)
    if result.columns and all(column.status is Status.NOT_JUDGED for column in result.columns):
        return f"Not judged: {wording.counted(result.events, 'request')} {_be(result.events)} too few."
    if not result.columns:
        return "Not judged: the window has no column that the baseline knows."
    return f"Nothing to do: this window looks like {_ordinary(result)}."


def write_lead(result: RunResult, causes: Sequence[Cause]) -> str:
    """Returns the sentences after the verdict, without the action."""
    held = result.completeness
    if not result.events:
        return (
            "There is nothing to judge." if held.proved else "Without a proof, an empty window may be a broken capture."
        )
    if not has_verdict(result):
        gaps = " ".join(f"{wording.capitalised(gap.rstrip('.'))}." for gap in held.gaps[:2])
        return f"{gaps} What arrived is shown below and may be a biased part.".strip()
    sentences = []
    broken = [cause for cause in causes if is_broken(cause)]
    if broken:
        sentences.append(first_sentence(broken[0].sentence))
    elif held.proved:
        sentences.append("Nothing is broken and nothing is lost." if not held.duplicates else "Nothing is broken.")
    elif causes:
        sentences.append("No broken type, column or store was found.")
    if held.proved is None:
        sentences.append("No ledger proves that all records are here; the numbers hold for the rows that are.")
    sentences.append(column_counts(result.columns))
    moved = [cause for cause in causes if not is_broken(cause) and cause.grade in (Grade.MEDIUM, Grade.LARGE)]
    if moved and not broken:
        sentences.append(first_sentence(moved[0].sentence))
    if not causes:
        sentences.append(_could_have_seen(result.columns))
    return " ".join(sentence for sentence in sentences if sentence)


def write_action(result: RunResult, causes: Sequence[Cause]) -> str:
    """Returns what to do now, "" where there is nothing."""
    if result.events and not has_verdict(result):
        return "Find the missing records before you trust any number."
    urgent = [cause for cause in causes if cause.urgency is Urgency.PAGE]
    if urgent:
        return urgent[0].tonight
    if any(cause.urgency is Urgency.MESSAGE for cause in causes):
        return "It can wait until morning."
    return "There is nothing to do tonight." if causes else ""


def column_counts(columns: Sequence[ColumnResult]) -> str:
    """Returns how many columns drifted and how many could not be judged."""
    if not columns:
        return ""
    drifted = sum(column.status is Status.DRIFT for column in columns)
    open_ = sum(column.status is Status.NOT_JUDGED for column in columns)
    rest = f", {wording.count(open_)} could not be judged" if open_ else ""
    return f"{drifted} of {wording.counted(len(columns), 'column')} drifted{rest}."


def words(text: str) -> int:
    """Returns the number of words of a sentence. A name in backticks is one word, whatever it holds."""
    return len(re.sub("`[^`]*`", "`", text).split())


def first_sentence(text: str) -> str:
    """Returns the first sentence of a text. A full stop inside backticks does not end it."""
    for match in re.finditer(r"[.?](?=\s+[A-Z`])", text):
        if text.count("`", 0, match.end()) % 2 == 0:
            return text[: match.end()]
    return text


def _fitting(causes: Sequence[Cause], ending: str) -> str:
    first = causes[0].title
    serious = [cause for cause in causes[1:] if GRADES.index(cause.grade) >= GRADES.index(Grade.MEDIUM)]
    for second in serious[:2]:
        both = f"{_both(first, second.title)}.{ending}"
        if second.grade is causes[0].grade and words(both) <= WORDS:
            return wording.capitalised(both)
    alone = f"{wording.capitalised(first)}.{ending}"
    return alone if words(alone) <= WORDS else f"{wording.capitalised(first)}."


def _both(first: str, second: str) -> str:
    """Returns two titles as one clause; a predicate that they share stands once."""
    for ending in ("unlike training", "moved away from training"):
        ends = tuple(f" {verb}{ending}" for verb in ("is ", "are ", ""))
        if first.endswith(ends) and second.endswith(ends):
            subjects = [title.removesuffix(next(e for e in ends if title.endswith(e))) for title in (first, second)]
            verb = "are " if ending == "unlike training" else ""
            return f"{subjects[0]} and {wording.lowered(subjects[1])} {verb}{ending}"
    return f"{first}, and {wording.lowered(second)}"


def _ordinary(result: RunResult) -> str:
    unit = result.method.unit if result.method is not None else ""
    return f"ordinary {unit}s" if unit in ("hour", "day") else "training"


def _could_have_seen(columns: Sequence[ColumnResult]) -> str:
    sizes = [column.detectable for column in columns if column.detectable is not None]
    return f"A change of L∞ {max(sizes):.2f} or more in any column would have been seen 8 times in 10." if sizes else ""


def _be(number: int) -> str:
    return "is" if number == 1 else "are"

"""The four questions at the top of the report, each with a mark, a word and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.findings import wording
from monitoring.findings.severity import gravest, is_broken
from monitoring.findings.verdict import first_sentence, has_verdict
from monitoring.result import ColumnResult, Grade, RunResult, Status

_MOVED = {Grade.SMALL: "A little", Grade.MEDIUM: "Yes, medium", Grade.LARGE: "Yes, large", Grade.NONE: "No"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. `grade` is the mark beside it, None for "not judged"."""

    question: str
    grade: Grade | None
    word: str
    text: str


UNLABELLED = Answer("Is the model still right?", None, "Not known yet", "This run joined no ground truth.")


def answers(result: RunResult, quality: Answer | None = None) -> tuple[Answer, Answer, Answer, Answer]:
    """Returns the answers of a run. `quality` answers the fourth question where ground truth was joined."""
    features = [column for column in result.columns if not column.is_prediction]
    predictions = [column for column in result.columns if column.is_prediction]
    judged = bool(result.events) and has_verdict(result)
    return (
        _broken(result),
        _moved("Did the inputs move?", features, judged),
        _moved("Did the predictions move?", predictions, judged),
        quality or UNLABELLED,
    )


def _broken(result: RunResult) -> Answer:
    question = "Is anything broken?"
    broken = [cause for cause in result.causes if is_broken(cause)]
    if broken:
        return Answer(question, gravest([c.grade for c in broken]), "Yes", first_sentence(broken[0].sentence))
    held = result.completeness
    if held.proved is None:
        return Answer(question, None, "Unknown", "No ledger lies beside the data. Types and columns show no fault.")
    found = wording.count(held.found)
    expected = found if held.expected is None else wording.count(held.expected)
    stores = " Stores answered." if result.stores else ""
    types = "" if not result.events else " Types and columns are as in training."
    return Answer(question, Grade.NONE, "No", f"{found} of {expected} records proved.{types}{stores}")


def _moved(question: str, columns: Sequence[ColumnResult], judged: bool) -> Answer:
    if not judged or not columns:
        text = "There is no such column." if judged else ""
        return Answer(question, None, "Not judged", text)
    drifted = [column for column in columns if column.status is Status.DRIFT]
    if not drifted and all(column.status is Status.NOT_JUDGED for column in columns):
        sizes = [column.detectable for column in columns if column.detectable is not None]
        text = f"Could only have seen {min(sizes):.2f} or more." if sizes else columns[0].reason
        return Answer(question, None, "Not judged", text)
    grade = gravest([column.grade for column in drifted])
    return Answer(question, grade, _MOVED[grade], _counted(columns, drifted))


def _counted(columns: Sequence[ColumnResult], drifted: Sequence[ColumnResult]) -> str:
    most = max(columns, key=lambda column: (column.status is Status.DRIFT, column.linf or 0.0))
    if len(columns) == 1 or columns[0].is_prediction:
        return f"{len(drifted)} of {wording.counted(len(columns), 'column')}. {_means(most)}".strip()
    large = sum(column.grade is Grade.LARGE for column in drifted)
    sizes = f", {large} of them large" if large and large < len(drifted) else ""
    groups = {column.group for column in drifted if column.grade is Grade.LARGE}
    group = groups.pop() if len(groups) == 1 else ""
    where = f": features of {wording.column(group)}" if group and large else ""
    return f"{len(drifted)} of {wording.counted(len(columns), 'column')}{sizes}{where}."


def _means(column: ColumnResult) -> str:
    baseline, window = column.baseline, column.window
    if baseline is None or window is None or baseline.mean is None or window.mean is None:
        return ""
    p = wording.p_value(column.p_value)
    spread = baseline.std_dev or abs(baseline.mean)
    return (
        f"Mean of {wording.column(column.name)} {wording.number(window.mean, spread)}, was "
        f"{wording.number(baseline.mean, spread)}{f' (p {p})' if p else ''}."
    )

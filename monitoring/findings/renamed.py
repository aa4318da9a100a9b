"""Columns that are gone, columns that are new, and pairs of them that are one column under another name.

`renamed_column_check` finds the pairs; a pair hides "missing" and "extra".
"""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.findings import wording
from monitoring.findings.severity import urgency_of
from monitoring.result import Cause, CauseKind, Grade, Violation

RENAMED_TO = "Column is missing and may have been renamed to: "
"""The start of the description of a `renamed_column_check`; the new name follows."""


def column_causes(violations: Sequence[Violation]) -> tuple[Cause, ...]:
    """Returns causes for columns that are missing, extra or renamed."""
    gone = [v.feature_name for v in violations if v.constraint_check_type == "missing_column_check"]
    new = [v.feature_name for v in violations if v.constraint_check_type == "extra_column_check"]
    pairs = [v for v in violations if v.constraint_check_type == "renamed_column_check"]
    renamed = tuple(
        _renamed(pair.feature_name, pair.description.removeprefix(RENAMED_TO), pair.sentence) for pair in pairs
    )
    taken = {name for cause in renamed for name in cause.columns}
    return (
        *renamed,
        *_missing([name for name in gone if name not in taken]),
        *_extra([name for name in new if name not in taken]),
    )


def _renamed(name: str, other: str, sentence: str) -> Cause:
    old, new = wording.column(name), wording.column(other)
    return Cause(
        key=f"renamed_column:{name}",
        kind=CauseKind.RENAMED_COLUMN,
        grade=Grade.LARGE,
        urgency=urgency_of(CauseKind.RENAMED_COLUMN, Grade.LARGE),
        title=f"{old} arrives as {new}",
        sentence=f"{sentence.rstrip('.')}. The model reads {old} as missing.".replace("?.", "?"),
        columns=(name, other),
        tonight=f"Ask the caller to send {old} again, or map {new} to it in `input_fn`.",
        tomorrow="Agree on the names with the caller, then make a new baseline.",
    )


def _missing(names: Sequence[str]) -> tuple[Cause, ...]:
    if not names:
        return ()
    shown = wording.joined([wording.column(name) for name in names], most=8)
    title = f"Column {shown} is missing" if len(names) == 1 else f"{len(names)} columns are missing"
    return (
        Cause(
            key=f"missing_column:{names[0]}",
            kind=CauseKind.MISSING_COLUMN,
            grade=Grade.LARGE,
            urgency=urgency_of(CauseKind.MISSING_COLUMN, Grade.LARGE),
            title=title,
            sentence=f"Training had {shown}; the window does not. Likely cause: a new version of the caller.",
            columns=tuple(names),
            tonight=f"Ask the caller why {shown} {'is' if len(names) == 1 else 'are'} no longer sent.",
            tomorrow=(
                "If the model must do without, train it without. If it is the label, which an endpoint does not see, leave it "
                "out: `--label` of `monitoring baseline`, or `--ignore`."
            ),
        ),
    )


def _extra(names: Sequence[str]) -> tuple[Cause, ...]:
    if not names:
        return ()
    shown = wording.joined([wording.column(name) for name in names], most=8)
    title = f"Column {shown} is new" if len(names) == 1 else f"{len(names)} columns are new"
    return (
        Cause(
            key=f"extra_column:{names[0]}",
            kind=CauseKind.EXTRA_COLUMN,
            grade=Grade.SMALL,
            urgency=urgency_of(CauseKind.EXTRA_COLUMN, Grade.SMALL),
            title=title,
            sentence=f"The window has {shown}; training did not. The model ignores what it was not trained on.",
            columns=tuple(names),
            tomorrow="Make a new baseline when the model uses it.",
        ),
    )

"""Columns that are gone, columns that are new, and pairs of them that are one column under another name.

A pair is renamed when the names are equal but for case and separators, or when the new column's values look like those of
the one that is gone: the same kind, and mean, spread and missing values alike. The second is a question, not a statement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from monitoring.findings import wording
from monitoring.findings.moved import missing_share
from monitoring.findings.severity import urgency_of
from monitoring.result import Cause, CauseKind, ColumnResult, Grade, Violation

MEAN_NEAR, SPREAD_NEAR, MISSING_NEAR = 0.25, 1.25, 0.05
"""How near mean (in standard deviations), spread (ratio) and share of missing values of a renamed column are."""


def column_causes(columns: Sequence[ColumnResult], violations: Sequence[Violation]) -> tuple[Cause, ...]:
    """Returns causes for columns that are missing, extra or renamed."""
    by_name = {column.name: column for column in columns}
    gone = [v.feature_name for v in violations if v.constraint_check_type == "missing_column_check"]
    new = [v.feature_name for v in violations if v.constraint_check_type == "extra_column_check"]
    causes: list[Cause] = []
    for name in list(gone):
        found = _pair(name, new, by_name)
        if found is not None:
            other, why = found
            gone.remove(name)
            new.remove(other)
            causes.append(_renamed(name, other, why))
    return (*causes, *_missing(gone), *_extra(new))


def _pair(name: str, new: Sequence[str], by_name: dict[str, ColumnResult]) -> tuple[str, str] | None:
    plain = _plain(name)
    for other in new:
        if other.lower() == name.lower():
            return other, "The names differ only by case."
        if _plain(other) == plain:
            return other, "The names differ only by case and separators."
    alike = [other for other in new if _alike(by_name.get(name), by_name.get(other))]
    if len(alike) == 1:
        return alike[0], "Its values have the distribution that the missing column had in training: was it renamed?"
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _alike(before: ColumnResult | None, after: ColumnResult | None) -> bool:
    old, new = before.baseline if before else None, after.window if after else None
    if before is None or after is None or old is None or new is None or before.kind != after.kind:
        return False
    if abs(missing_share(old) - missing_share(new)) > MISSING_NEAR:
        return False
    if before.kind == "categorical":
        known = {bar.label: bar.baseline for bar in before.bins if not bar.is_other}
        return bool(known) and sum(abs(known.pop(b.label, 0.0) - b.window) for b in after.bins if not b.is_other) < 0.2
    if old.mean is None or new.mean is None or not old.std_dev or not new.std_dev:
        return False
    ratio = new.std_dev / old.std_dev
    return abs(new.mean - old.mean) <= MEAN_NEAR * old.std_dev and 1 / SPREAD_NEAR <= ratio <= SPREAD_NEAR


def _renamed(name: str, other: str, why: str) -> Cause:
    old, new = wording.column(name), wording.column(other)
    return Cause(
        key=f"renamed_column:{name}",
        kind=CauseKind.RENAMED_COLUMN,
        grade=Grade.LARGE,
        urgency=urgency_of(CauseKind.RENAMED_COLUMN, Grade.LARGE),
        title=f"{old} arrives as {new}",
        sentence=f"The window has no column {old} and a new column {new}. {why} The model reads {old} as missing.",
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
            tomorrow="If the model must do without, train it without.",
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

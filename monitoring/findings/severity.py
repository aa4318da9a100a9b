"""How grave a finding is, and what it asks of a person. Urgency is not size.

What is broken now pages: a type that changed, a column that is gone, values that were always there and are not, a stale or
silent store, no data. Drift of the inputs alone never pages, however large. Thresholds are shares of rows.
"""

from __future__ import annotations

from monitoring.result import Cause, CauseKind, Grade, Urgency

GRADES = (Grade.NONE, Grade.SMALL, Grade.MEDIUM, Grade.LARGE)
LARGE_RISE, MEDIUM_RISE = 0.10, 0.05
"""A rise of a share of missing values, or of new values, by this much is large or medium."""
LARGE_TYPE, MEDIUM_TYPE = 0.10, 0.01
"""The share of values of another type that is large or medium."""
MOSTLY_PRESENT = 0.95
"""A column that had at least this share of values in training is broken when they go missing; others are missed often."""

BROKEN = frozenset(
    {
        CauseKind.DATA_TYPE,
        CauseKind.MISSING_COLUMN,
        CauseKind.RENAMED_COLUMN,
        CauseKind.STALE_STORE,
        CauseKind.MISSING_ENTITIES,
        CauseKind.NO_DATA,
        CauseKind.INCOMPLETE,
        CauseKind.HEARTBEAT,
    }
)
"""Kinds of causes that mean that something does not work, not that the world changed."""

_ORDER = tuple(CauseKind)
_URGENCIES = (Urgency.PAGE, Urgency.MESSAGE, Urgency.NOTE)


def grade_of_rise(rise: float) -> Grade:
    """Returns the grade of a share that rose by `rise`."""
    return _grade(rise, LARGE_RISE, MEDIUM_RISE)


def grade_of_types(share: float) -> Grade:
    """Returns the grade of a share of values whose type is wrong."""
    return _grade(share, LARGE_TYPE, MEDIUM_TYPE)


def gravest(grades: list[Grade]) -> Grade:
    """Returns the largest of the grades, NONE where there are none."""
    return max(grades, key=GRADES.index, default=Grade.NONE)


def is_broken(cause: Cause) -> bool:
    """Returns True if a cause means that something does not work: its kind says so, or it pages."""
    return cause.kind in BROKEN or (cause.urgency is Urgency.PAGE and cause.kind is CauseKind.COMPLETENESS)


def urgency_of(kind: CauseKind, grade: Grade, *, mostly_present: bool = True) -> Urgency:
    """Returns what a cause of this kind and grade asks of a person."""
    if kind in BROKEN:
        return Urgency.MESSAGE if grade is Grade.SMALL else Urgency.PAGE
    if kind is CauseKind.COMPLETENESS and grade is Grade.LARGE and mostly_present:
        return Urgency.PAGE
    return Urgency.MESSAGE if GRADES.index(grade) >= GRADES.index(Grade.MEDIUM) else Urgency.NOTE


def rank(cause: Cause, predictions: frozenset[str]) -> tuple[int, int, int, int, str]:
    """Returns the sort key of a cause: broken first, then grade, predictions, urgency, kind."""
    return (
        0 if is_broken(cause) and cause.urgency is Urgency.PAGE else 1,
        -GRADES.index(cause.grade),
        0 if predictions.intersection(cause.columns) else 1,
        _URGENCIES.index(cause.urgency) * len(_ORDER) + _ORDER.index(cause.kind),
        cause.key,
    )


def _grade(share: float, large: float, medium: float) -> Grade:
    if share >= large:
        return Grade.LARGE
    return Grade.MEDIUM if share >= medium else Grade.SMALL

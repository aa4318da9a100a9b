"""Columns that moved together, as one cause.

Predictions come first and apart. Columns of one feature group of the online store are one cause. Of the others, small
changes are one cause, medium and large ones stay apart unless there are more than three of one level: then the columns of
the request, or of the items, are one cause. A column in another unit, or of one value only, is always a cause of its own. A column that moved by its missing values only belongs to the completeness
causes, where it has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from monitoring.findings import wording
from monitoring.findings.moved import Movement, what_moved
from monitoring.findings.severity import GRADES, gravest, urgency_of
from monitoring.findings.stores import missing_shares
from monitoring.result import Cause, CauseKind, ColumnResult, Grade, Status, StoreHealth

APART = 3
OWN_CAUSES = ("unit", "one value")
"""Movements that have a cause of their own, whatever else moved."""
_HOW_FAR = {Grade.SMALL: "moved a little", Grade.MEDIUM: "moved away from training", Grade.LARGE: "are unlike training"}
_HOW_FAR_ONE = {
    Grade.SMALL: "moved a little",
    Grade.MEDIUM: "moved away from training",
    Grade.LARGE: "is unlike training",
}


def drift_causes(
    columns: Sequence[ColumnResult],
    groups: Mapping[str, str],
    stores: Sequence[StoreHealth],
    *,
    one_level: bool = False,
) -> tuple[Cause, ...]:
    """Returns the causes of the drifted columns among `columns`.

    `one_level` says that the run has columns of the request only, or of items only: then titles do not name the level.
    """
    drifted = sorted((c for c in columns if c.status is Status.DRIFT), key=_size, reverse=True)
    predictions = [column for column in drifted if column.is_prediction]
    features = [column for column in drifted if not column.is_prediction]
    causes = [_cause("predictions", predictions, _predictions_title(predictions), "")] if predictions else []
    for store in stores:
        members = [column for column in features if groups.get(column.name) == store.group]
        if members and gravest([column.grade for column in members]) is not Grade.SMALL:
            title = f"Features of {wording.column(store.group)} {_HOW_FAR[gravest([c.grade for c in members])]}"
            every = [column for column in columns if groups.get(column.name) == store.group]
            causes.append(_cause(store.group, members, title, _store_excuse(store, every)))
            features = [column for column in features if column not in members]
    causes += [_single(column) for column in features if what_moved(column).part in OWN_CAUSES]
    features = [column for column in features if what_moved(column).part not in OWN_CAUSES]
    for level, noun in ((True, "request"), (False, "item")):
        moved = [c for c in features if c.request_level is level and c.grade in (Grade.MEDIUM, Grade.LARGE)]
        if len(moved) > APART:
            kind = "" if one_level else f"{noun} "
            title = f"{wording.capitalised(wording.spelled(len(moved)))} {kind}columns {_HOW_FAR[moved[0].grade]}"
            causes.append(_cause(f"{noun}_columns", moved, title, ""))
        else:
            causes += [_single(column) for column in moved]
    small = [column for column in features if column.grade not in (Grade.MEDIUM, Grade.LARGE)]
    if len(small) == 1:
        causes.append(_single(small[0]))
    elif small:
        causes.append(_small(small))
    return tuple(causes)


def _single(column: ColumnResult) -> Cause:
    title = f"{wording.column(column.name)} {_HOW_FAR_ONE.get(column.grade, 'moved a little')}"
    return _cause(column.name, [column], title, "")


def _small(columns: Sequence[ColumnResult]) -> Cause:
    number = wording.capitalised(wording.spelled(len(columns)))
    title = f"{number} columns moved a little"
    names = wording.joined([wording.column(column.name) for column in columns], most=8)
    low, high = columns[-1].linf, columns[0].linf
    span = f" by {low:.2f} to {high:.2f}" if low is not None and high is not None else ""
    cause = _cause("small_changes", columns, title, "")
    first = what_moved(columns[0]).sentence
    sentence = f"L∞ moved{span}: {names}. Most of all: {wording.lowered(first) if first[:1] != '`' else first}"
    return msgspec.structs.replace(cause, sentence=sentence)


def _predictions_title(columns: Sequence[ColumnResult]) -> str:
    if not columns:
        return ""
    if len(columns) == 1:
        return f"{wording.column(columns[0].name)} {_HOW_FAR_ONE.get(columns[0].grade, 'moved a little')}"
    return f"The predictions {_HOW_FAR.get(columns[0].grade, 'moved a little')}"


def _cause(name: str, columns: Sequence[ColumnResult], title: str, excuse: str) -> Cause:
    first = columns[0]
    grade = gravest([column.grade for column in columns])
    movement = what_moved(first)
    others = [wording.column(column.name) for column in columns[1:]]
    with_it = f" {wording.joined(others, most=6)} moved with it." if others else ""
    likely = _likely(movement, grade)
    since = f" Since {first.since} UTC." if first.since and first.since != "gradual" else ""
    return Cause(
        key=f"drift:{name}",
        kind=CauseKind.DRIFT,
        grade=grade if grade is not Grade.NONE else Grade.SMALL,
        urgency=urgency_of(CauseKind.DRIFT, grade),
        title=title,
        sentence=" ".join(f"{movement.sentence}{with_it}{likely}{excuse}{since}".split()),
        columns=tuple(column.name for column in columns),
        since=first.since,
        event_ids=first.event_ids,
        query=first.query,
        tomorrow=_tomorrow(movement, first),
    )


def _likely(movement: Movement, grade: Grade) -> str:
    if not movement.likely:
        return ""
    return f" Likely cause: {movement.likely}." if GRADES.index(grade) >= GRADES.index(Grade.SMALL) else ""


def _tomorrow(movement: Movement, column: ColumnResult) -> str:
    shown = wording.column(column.name)
    if movement.part == "unit":
        return f"Ask the source of {shown} whether its unit changed; convert it before the model."
    if movement.part == "rounding":
        return f"Ask the source of {shown} whether its precision changed. The model hardly notices."
    if movement.part == "one value":
        return f"Ask the source of {shown} why it sends one value only."
    if column.is_prediction:
        return "Look at the inputs that moved; when labels arrive, look at the quality."
    return "If the change lasts, retrain with data of this period."


def _store_excuse(store: StoreHealth, members: Sequence[ColumnResult]) -> str:
    """Returns why the store is not the cause, "" where its health does not show that."""
    shares = missing_shares(store, members)
    if shares is None or not store.events:
        return ""
    answered = 1 - store.events_with_missing / store.events
    old = store.age_median is not None and store.baseline_age_median is not None
    current = "its records are as old as in the baseline, and " if old else ""
    if members and members[0].request_level:
        return f" The store is not the cause: {current}it answered {wording.percent(answered)} of the lookups."
    lacking = f"{wording.percent(shares[0])} of rows lack a record, {wording.percent(shares[1])} in training"
    return f" The store is not the cause: {current}{lacking}."


def _size(column: ColumnResult) -> tuple[int, float]:
    return GRADES.index(column.grade), column.linf or 0.0

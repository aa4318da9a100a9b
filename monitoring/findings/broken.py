"""Types, missing values, missing and renamed columns, new values and values out of range, as causes.

Columns that lack values in the same number of rows are one cause. Small findings of one kind are one cause together, so
that sixty columns with a few missing values are one line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from monitoring.findings import wording
from monitoring.findings.moved import missing_change, missing_share, new_values, unit_of_count
from monitoring.findings.query import QuerySource, identifier, rescued, select
from monitoring.findings.severity import MOSTLY_PRESENT, grade_of_rise, grade_of_types, gravest, urgency_of
from monitoring.result import Cause, CauseKind, ColumnResult, Grade, Status, Urgency, Violation

HARDLY = 0.005
"""A rise of the share of missing values that is no cause, in a column that lacked values in training."""


def violated(violations: Iterable[Violation], check: str) -> dict[str, Violation]:
    """Returns the violations of one check by column. `check` is a part of the check's name."""
    return {v.feature_name: v for v in violations if check in v.constraint_check_type}


def type_causes(
    columns: Sequence[ColumnResult], violations: Sequence[Violation], source: QuerySource | None
) -> tuple[Cause, ...]:
    """Returns a cause for each column whose values have another type than in training."""
    by_name = {column.name: column for column in columns}
    causes = []
    for name, violation in violated(violations, "data_type").items():
        column = by_name.get(name)
        texts, others = _foreign(column)
        rows = column.window.rows if column is not None and column.window is not None else 0
        share = max(texts, others) / rows if rows else 0.0
        grade = grade_of_types(share)
        shown = wording.column(name)
        noun = unit_of_count(column) if column is not None else "rows"
        what = "is text" if texts and texts >= others else "has another type"
        title = f"{shown} {what} in {wording.percent(share)} of the {noun}" if share else f"{shown} {what}"
        evidence = (
            f"{wording.count(max(texts, others))} of {wording.count(rows)} {noun}. "
            if share and not violation.sentence
            else ""
        )
        causes.append(
            Cause(
                key=f"data_type:{name}",
                kind=CauseKind.DATA_TYPE,
                grade=grade,
                urgency=urgency_of(CauseKind.DATA_TYPE, grade),
                title=title,
                sentence=f"{evidence}{violation.sentence or violation.description} Likely cause: the caller changed.",
                columns=(name,),
                since=column.since if column is not None else "",
                event_ids=column.event_ids if column is not None else (),
                query=select(source, "capture_rescued_data", rescued(name)) if source and source.keys else "",
                tonight=f"Find the caller that sends {shown} with another type; the model reads these values as missing.",
                tomorrow=f"Reject or convert such values of {shown} in `input_fn`.",
            )
        )
    return tuple(causes)


def completeness_causes(
    columns: Sequence[ColumnResult], violations: Sequence[Violation], source: QuerySource | None
) -> tuple[Cause, ...]:
    """Returns causes for columns that lack more values than in training."""
    fallen = violated(violations, "completeness")
    together: dict[tuple[bool, int, int], list[ColumnResult]] = defaultdict(list)
    small = []
    for column in columns:
        if column.name not in fallen or column.window is None or not _worth_a_cause(column):
            continue
        if grade_of_rise(missing_change(column)) is Grade.SMALL:
            small.append(column)
        else:
            together[(column.request_level, column.window.rows, column.window.missing)].append(column)
    causes = [_missing_together(group, fallen, source) for group in together.values()]
    if small:
        causes.append(_slightly_missing(small, fallen, source))
    return tuple(causes)


def _worth_a_cause(column: ColumnResult) -> bool:
    """Returns False for a column that was incomplete already and hardly changed: the table of checks lists it."""
    complete = column.baseline is None or not column.baseline.missing
    return complete or missing_change(column) >= HARDLY


def _is_certain(column: ColumnResult) -> bool:
    """Returns True where missing values are unlike training's beyond doubt.

    Training never lacked the value, or the drift decision, which knows what ordinary hours and days look like, agrees. Values that
    are missing at times come in runs (a calm night has no wind direction), which the count of requests alone does not know.
    """
    return column.baseline is None or not column.baseline.missing or column.status is Status.DRIFT


def _missing_together(group: list[ColumnResult], fallen: dict[str, Violation], source: QuerySource | None) -> Cause:
    first = group[0]
    present = all(missing_share(column.baseline) <= 1 - MOSTLY_PRESENT for column in group)
    certain = any(_is_certain(column) for column in group)
    ordinary = not certain and all(column.status is Status.NO_DRIFT for column in group)
    grade = grade_of_rise(max(missing_change(column) for column in group))
    shown = wording.column(first.name)
    if len(group) == 1:
        title = f"{shown} is missing more often"
        sentence = _lacking(first) or fallen[first.name].sentence or fallen[first.name].description
    else:
        title = f"{wording.capitalised(wording.spelled(len(group)))} columns are missing together, among them {shown}"
        names = wording.joined([wording.column(column.name) for column in group], most=8)
        sentence = f"{_lacking(first)} The same {unit_of_count(first)} lack {names}."
    if present:
        sentence += " Likely cause: the caller, or the store that the values come from, stopped sending them."
    else:
        sentence += " Training lacked them often too, so this may be a change of the world."
    return Cause(
        key=f"completeness:{first.name}",
        kind=CauseKind.COMPLETENESS,
        grade=grade,
        urgency=Urgency.NOTE
        if ordinary
        else urgency_of(CauseKind.COMPLETENESS, grade, mostly_present=present and certain),
        title=title,
        sentence=sentence,
        columns=tuple(column.name for column in group),
        since=first.since,
        event_ids=first.event_ids,
        query=select(source, first.name, f"{identifier(first.name)} IS NULL") if source else "",
        tonight=f"Find out why {shown} is missing: the caller, `features_fn` or the store." if present else "",
        tomorrow=f"Open five of the events and compare {shown} with its source.",
    )


def _slightly_missing(small: list[ColumnResult], fallen: dict[str, Violation], source: QuerySource | None) -> Cause:
    worst = max(small, key=missing_change)
    shown = wording.column(worst.name)
    if len(small) == 1:
        title = f"{shown} is missing slightly more often"
        sentence = _lacking(worst) or fallen[worst.name].sentence or fallen[worst.name].description
    else:
        title = f"{wording.capitalised(wording.spelled(len(small)))} columns are missing slightly more often"
        names = wording.joined([wording.column(column.name) for column in small], most=8)
        sentence = f"{names}. Most of all {shown}: {wording.lowered(_lacking(worst))}"
    return Cause(
        key=f"completeness:{worst.name}" if len(small) == 1 else "completeness:small_changes",
        kind=CauseKind.COMPLETENESS,
        grade=Grade.SMALL,
        urgency=urgency_of(CauseKind.COMPLETENESS, Grade.SMALL),
        title=title,
        sentence=sentence,
        columns=tuple(column.name for column in small),
        event_ids=worst.event_ids,
        query=select(source, worst.name, f"{identifier(worst.name)} IS NULL") if source else "",
        tomorrow="Accept it with a completeness threshold of the column, or look at five of the events.",
    )


def value_causes(
    columns: Sequence[ColumnResult], violations: Sequence[Violation], source: QuerySource | None
) -> tuple[Cause, ...]:
    """Returns causes for columns with values that training never had; small ones are one cause."""
    by_check = violated(violations, "categorical_values")
    new = [column for column in columns if column.name in by_check]
    large = [column for column in new if grade_of_rise(_new_share(column)) is not Grade.SMALL]
    small = [column for column in new if column not in large]
    if len(small) <= 2:
        large, small = new, []
    causes = [_value_cause(column, by_check[column.name], source) for column in large]
    if small:
        names = wording.joined([wording.column(column.name) for column in small], most=8)
        worst = max(small, key=_new_share)
        causes.append(
            Cause(
                key="categorical_values:small_changes",
                kind=CauseKind.CATEGORICAL_VALUES,
                grade=Grade.SMALL,
                urgency=urgency_of(CauseKind.CATEGORICAL_VALUES, Grade.SMALL),
                title=f"{wording.capitalised(wording.spelled(len(small)))} columns have values that training never had",
                sentence=f"{names}. Most of all {wording.column(worst.name)}: {_listed(worst)}",
                columns=tuple(column.name for column in small),
                event_ids=worst.event_ids,
                query=select(source, worst.name, new_values(worst)) if source and worst.unseen else "",
                tomorrow="Decide whether the model must know these values; add them at the next training.",
            )
        )
    return tuple(causes)


def _value_cause(column: ColumnResult, violation: Violation, source: QuerySource | None) -> Cause:
    share = _new_share(column)
    grade = grade_of_rise(share)
    shown = wording.column(column.name)
    number = len(column.unseen)
    values = f"{number} values" if number > 1 else "A value"
    title = f"{values} of {shown} that training never had" if number else f"{shown} has values that training never had"
    sentence = _listed(column) if number else violation.sentence or violation.description
    return Cause(
        key=f"categorical_values:{column.name}",
        kind=CauseKind.CATEGORICAL_VALUES,
        grade=grade,
        urgency=urgency_of(CauseKind.CATEGORICAL_VALUES, grade),
        title=title,
        sentence=f"{sentence} The model cannot know them.",
        columns=(column.name,),
        since=column.since,
        event_ids=column.event_ids,
        query=select(source, column.name, new_values(column)) if source and number else "",
        tomorrow=f"Decide whether the model must know these values of {shown}; add them at the next training.",
    )


def sign_causes(
    columns: Sequence[ColumnResult], violations: Sequence[Violation], source: QuerySource | None
) -> tuple[Cause, ...]:
    """Returns a cause for each column that was never negative in training and is now."""
    by_name = {column.name: column for column in columns}
    causes = []
    for name, violation in violated(violations, "negative").items():
        column = by_name.get(name)
        window = column.window if column is not None else None
        share = window.negatives / window.rows if window is not None and window.rows else 0.0
        grade = grade_of_rise(share)
        shown = wording.column(name)
        causes.append(
            Cause(
                key=f"non_negative:{name}",
                kind=CauseKind.NON_NEGATIVE,
                grade=grade,
                urgency=urgency_of(CauseKind.NON_NEGATIVE, grade),
                title=f"{shown} is negative in {wording.percent(share)} of the rows"
                if share
                else f"{shown} is negative",
                sentence=violation.sentence or violation.description,
                columns=(name,),
                event_ids=column.event_ids if column is not None else (),
                query=select(source, name, f"{identifier(name)} < 0") if source else "",
                tomorrow=f"Check where {shown} is computed: training had no negative value.",
            )
        )
    return tuple(causes)


def range_causes(
    columns: Sequence[ColumnResult], violations: Sequence[Violation], source: QuerySource | None
) -> tuple[Cause, ...]:
    """Returns one cause for the columns among `columns` whose values leave the range of training."""
    found = violated(violations, "range")
    outside = sorted((c for c in columns if c.name in found), key=_outside_share, reverse=True)
    if not outside:
        return ()
    worst = outside[0]
    low, high = (worst.baseline.minimum, worst.baseline.maximum) if worst.baseline is not None else (None, None)
    shown = wording.column(worst.name)
    grade = gravest([found[column.name].grade for column in outside])
    many = f"{wording.capitalised(wording.spelled(len(outside)))} columns have values outside the range of training"
    names = wording.joined([wording.column(column.name) for column in outside[1:]], most=8)
    also = f" So do {names}." if names else ""
    condition = f"{identifier(worst.name)} NOT BETWEEN {low!r} AND {high!r}"
    return (
        Cause(
            key=f"range:{worst.name}" if len(outside) == 1 else "range:small_changes",
            kind=CauseKind.RANGE,
            grade=grade,
            urgency=urgency_of(CauseKind.RANGE, grade),
            title=f"{shown} has values outside the range of training" if len(outside) == 1 else many,
            sentence=f"{found[worst.name].sentence}{also} Their distributions did not drift.",
            columns=tuple(column.name for column in outside),
            event_ids=worst.event_ids,
            query=select(source, worst.name, condition) if source and low is not None and high is not None else "",
            tomorrow="A model does not know what lies outside its training: look at its answers for these rows.",
        ),
    )


def _lacking(column: ColumnResult) -> str:
    window = column.window
    if window is None or not window.rows:
        return ""
    return (
        f"{wording.percent(missing_share(window))} of the {wording.count(window.rows)} {unit_of_count(column)} lack "
        f"{wording.column(column.name)}; {wording.percent(missing_share(column.baseline))} in training."
    )


def _listed(column: ColumnResult) -> str:
    rows = column.window.rows if column.window is not None else 0
    total = sum(number for _, number in column.unseen)
    values = [f"{wording.value(text)} {wording.count(number)}" for text, number in column.unseen[:6]]
    more = f" and {len(column.unseen) - 6} more" if len(column.unseen) > 6 else ""
    share = f" ({wording.percent(total / rows)})" if rows else ""
    return f"{wording.count(total)} of {wording.count(rows)} {unit_of_count(column)}{share}: {', '.join(values)}{more}."


def _new_share(column: ColumnResult) -> float:
    rows = column.window.rows if column.window is not None else 0
    return sum(number for _, number in column.unseen) / rows if rows else 0.0


def _outside_share(column: ColumnResult) -> float:
    window = column.window
    if window is None or not window.rows or column.kind != "numeric":
        return 0.0
    return (window.below + window.above) / window.rows


def _foreign(column: ColumnResult | None) -> tuple[int, int]:
    """Returns how many values of a column are text, where training had none, and how many were rescued."""
    if column is None or column.window is None:
        return 0, 0
    before = {kind.lower(): number for kind, number in (column.baseline.kinds if column.baseline else {}).items()}
    after = {kind.lower(): number for kind, number in column.window.kinds.items()}
    texts = after.get("string", 0) if not before.get("string") else 0
    return texts, column.window.rescued

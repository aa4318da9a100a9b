"""Nested messages as columns: `flatten` gives one dict of columns, `split` request-level values and rows of items.

Naming. A field of a nested message is called `{parent}_{child}`, at every level: `plane { seats }` is `plane_seats`.
Where a field of that name exists beside the parent, the nested one gets one more underscore, `plane__seats`, until it
is alone. A field keeps its place, so the columns of a message are the same for every body.

What stays as it is: scalars and lists of scalars; maps (their keys are data, not columns); messages that can contain
themselves; Google's well-known types, which are values. An absent message gives None in each of its columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .message import Message

if TYPE_CHECKING:
    from .decode import MessagePlan
    from .fields import Field


def flatten(message: Mapping[str, object]) -> dict[str, object]:
    """All of a message in one dict: nested messages as columns, repeated messages as lists in columns.

    `{"airport": "JFK", "flights": [{"tail": "N1"}, {"tail": "N2"}]}` gives
    `{"airport": "JFK", "flights_tail": ["N1", "N2"]}`. A plain dict that came from no schema is flattened by what it
    holds: a dict in it is a nested message, a list of dicts a repeated one.
    """
    return _flat(_plan_of(message), message)


def split(message: Mapping[str, object], items: str | None = None) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The request-level values, and one flat dict for each item of the repeated message.

    Made for `Features(*split(request))`. items: the repeated field; None where the message has exactly one. A message
    without any is one item with nothing above it. Items have their own names (`tail`, not `flights_tail`), except
    where a request-level column is called the same. Raises ValueError where there are several repeated fields and none
    is named, or the named one does not exist.
    """
    plan = _plan_of(message)
    name = _items_field(plan, message, items)
    if name is None:
        return {}, [flatten(message)]
    request = _flat(plan, {key: value for key, value in message.items() if key != name}, leave_out=name)
    rows = _rows(None if plan is None else plan.field(name).child, message[name])
    renamed = {column: join(name, column, request) for row in rows for column in row if column in request}
    if renamed:
        rows = [{renamed.get(column, column): value for column, value in row.items()} for row in rows]
    return request, rows


def join(parent: str, child: str, taken: Mapping[str, object] | set[str]) -> str:
    """The column of a nested field, different from all that are taken."""
    name = f"{parent}_{child}"
    underscores = "_"
    while name in taken:
        underscores += "_"
        name = f"{parent}{underscores}{child}"
    return name


def column_types(message: Message) -> dict[str, str]:
    """Arrow type names of the columns that `split` gives; of `flatten`, as lists, where a message cannot be split."""
    plan = message.plan
    if plan is None:
        return {}
    candidates = list(_candidates(plan))
    if len(candidates) != 1:
        return _types(plan)
    items = candidates[0]
    request = _types(plan, leave_out=items.name)
    child = items.child
    rows = _types(child) if child is not None else {}
    taken = dict.fromkeys(_flat(plan, None, leave_out=items.name))
    return request | {join(items.name, name, taken) if name in taken else name: kind for name, kind in rows.items()}


def _plan_of(message: Mapping[str, object]) -> MessagePlan | None:
    return message.plan if isinstance(message, Message) else None


def _flat(
    plan: MessagePlan | None, values: Mapping[str, object] | None, leave_out: str | None = None
) -> dict[str, object]:
    if plan is None:
        return _flat_by_shape(values or {})
    taken = {field.name for field in plan.fields if not field.nests and field.name != leave_out}
    out: dict[str, object] = {}
    for field in plan.fields:
        if field.name == leave_out:
            continue
        value = None if values is None else values.get(field.name)
        if not field.nests:
            out[field.name] = value
            continue
        columns = _columns(field.child, value) if field.repeated and values is not None else _flat(field.child, value)  # type: ignore[arg-type]
        for child, column in columns.items():
            name = join(field.name, child, taken)
            taken.add(name)
            out[name] = column
    return out


def _flat_by_shape(values: Mapping[str, object]) -> dict[str, object]:
    taken = {name for name, value in values.items() if not _is_nested(value)}
    out: dict[str, object] = {}
    for name, value in values.items():
        if not _is_nested(value):
            out[name] = value
            continue
        columns = _flat_by_shape(value) if isinstance(value, Mapping) else _columns(None, value)
        for child, column in columns.items():
            joined = join(name, child, taken)
            taken.add(joined)
            out[joined] = column
    return out


def _is_nested(value: object) -> bool:
    return (isinstance(value, Mapping) and bool(value)) or _is_records(value)


def _is_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _columns(plan: MessagePlan | None, value: object) -> dict[str, object]:
    """A repeated message as a dict of lists; what decoding gave as columns already stays so."""
    if isinstance(value, Mapping):
        return dict(value)
    rows = [_flat(plan, row) for row in value] if isinstance(value, list) else []
    names = (
        dict.fromkeys(_flat(plan, None)) if plan is not None else dict.fromkeys(name for row in rows for name in row)
    )
    return {name: [row.get(name) for row in rows] for name in names}


def _rows(plan: MessagePlan | None, value: object) -> list[dict[str, object]]:
    """A repeated message as flat dicts; columns are flat already."""
    if isinstance(value, Mapping):
        return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]
    return [_flat(plan, row) for row in value] if isinstance(value, list) else []


def _candidates(plan: MessagePlan) -> Iterator[Field]:
    return (field for field in plan.fields if field.nests and field.repeated)


def _items_field(plan: MessagePlan | None, message: Mapping[str, object], items: str | None) -> str | None:
    if plan is not None:
        names = [field.name for field in _candidates(plan)]
    else:
        names = [name for name, value in message.items() if _is_records(value)]
    if items is not None:
        if items not in names:
            raise ValueError(f"{items!r} is not a repeated message; there are {', '.join(names) or 'none'}")
        return items
    if len(names) > 1:
        raise ValueError(f"which of {', '.join(names)} are the items? name one")
    return names[0] if names else None


def _types(plan: MessagePlan, leave_out: str | None = None) -> dict[str, str]:
    taken = {field.name for field in plan.fields if not field.nests and field.name != leave_out}
    out: dict[str, str] = {}
    for field in plan.fields:
        if field.name == leave_out:
            continue
        if not field.nests:
            if field.arrow_type is not None:
                out[field.name] = field.arrow_type
        elif field.child is not None:
            kinds = _types(field.child)
            for child in _flat(field.child, None):
                name = join(field.name, child, taken)
                taken.add(name)
                if child in kinds:
                    out[name] = f"list<{kinds[child]}>" if field.repeated else kinds[child]
    return out

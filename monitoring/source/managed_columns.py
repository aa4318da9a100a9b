"""The names of captured values: which column of the baseline a position or a script's key means.

The managed service maps by position, so that a label in front shifts every column by one without a word. Here a mapping is
made only where the numbers agree, a mapping that needs a person to know of it is noted, and where none is certain the answer
is a question (UsageError).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from capture import dataset
from monitoring.errors import UsageError

_SHOWN = 5
_BETTER = 0.1
"""By how much more of the values must fit another order before the mapping is doubted."""


@dataclass(frozen=True, slots=True)
class BaselineColumns:
    """The columns of the baseline, in its order; none where the baseline is made from what is read.

    `predictions` are those that hold predictions, `text` those that are String. `given` names the captured input values in
    order, where the user names them. `ranges` holds the smallest and the largest number of a column, where they are known.
    """

    names: tuple[str, ...] = ()
    predictions: frozenset[str] = frozenset()
    text: frozenset[str] = frozenset()
    given: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that do not hold predictions."""
        return tuple(name for name in self.names if name not in self.predictions)


@dataclass(frozen=True, slots=True)
class Positions:
    """Names by position of an event's input and output, and a note where a person should know of the mapping."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    note: str = ""


def positions(columns: BaselineColumns, inputs: int, outputs: int, example: str) -> Positions:
    """Returns the names of `inputs` input values and `outputs` output values of a row.

    `example` is the id of an event, for the message. Raises UsageError where the numbers do not agree with the baseline.
    """
    predicted = output_names(outputs)
    if columns.given:
        if len(columns.given) == inputs:
            return Positions(columns.given, predicted)
        raise UsageError(
            f"feature_names has {len(columns.given)} names, and captured rows have {inputs} input values (event {example}): "
            "name each value once, in the order of the request"
        )
    if not columns.names:
        return Positions(tuple(f"feature_{number}" for number in range(inputs)), predicted)
    expected = columns.inputs
    if inputs == len(expected):
        return Positions(expected, predicted)
    if not columns.predictions and outputs and inputs + outputs == len(columns.names):
        front = columns.names[:outputs]
        return Positions(
            columns.names[outputs:],
            front,
            f"captured rows have {outputs} output and {inputs} input values, the baseline has {len(columns.names)} columns: "
            f"mapped in that order, as Model Monitor does. {_listed(front)} now holds predictions",
        )
    raise UsageError(
        f"captured rows have {inputs} input values (event {example}) and the baseline has {len(expected)} columns, "
        f"{_listed(expected)}: is the first one, {expected[0]!r}, the label? Make the baseline without the columns that are not "
        "sent to the endpoint, or name the captured values in order with feature_names, or give a preprocess script"
    )


def verify_order(
    columns: BaselineColumns, found: Positions, rows: Sequence[tuple[Sequence[object], Sequence[object]]]
) -> None:
    """Raises UsageError where the values of `rows`, (inputs, outputs), fit the baseline better with the outputs last.

    A mapping of outputs and inputs together takes the label for the first column, as Model Monitor does. Where the label is the
    last column of the baseline, each value would stand under its neighbour's name.
    """
    inputs, outputs = len(found.inputs), len(found.outputs)
    last = Positions(columns.names[:inputs], columns.names[inputs : inputs + outputs])
    first_fit, last_fit = (_fitting(columns, names, rows) for names in (found, last))
    if last_fit > first_fit + _BETTER:
        raise UsageError(
            f"captured rows have {outputs} output and {inputs} input values and the baseline has {len(columns.names)} columns. "
            f"{last_fit:.0%} of the values lie in the ranges of the baseline if the outputs are the last columns, "
            f"{_listed(last.outputs)}, and {first_fit:.0%} if they are the first: make the baseline without the label, or name "
            "the captured values in order with feature_names, or give a preprocess script"
        )


def _fitting(
    columns: BaselineColumns, names: Positions, rows: Sequence[tuple[Sequence[object], Sequence[object]]]
) -> float:
    """Returns the share of the input values that lie in the range of the column that they are mapped to."""
    inside = total = 0
    for values, _ in rows:
        for name, value in zip(names.inputs, values, strict=True):
            if name not in columns.ranges:
                continue
            low, high = columns.ranges[name]
            try:
                number = float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                number = float("nan")
            inside += low <= number <= high
            total += 1
    return inside / total if total else 0.0


def output_names(outputs: int) -> tuple[str, ...]:
    """Returns `prediction` for one unnamed output, else `prediction_0`, `prediction_1`, …"""
    if outputs == 1:
        return (dataset.PREDICTION,)
    return tuple(dataset.prediction_column(str(number)) for number in range(outputs))


@dataclass(slots=True)
class ScriptNames:
    """The columns that the keys of a preprocess script mean, remembered by the set of keys. `notes` collects warnings."""

    columns: BaselineColumns
    notes: dict[str, None] = field(default_factory=dict)
    _known: dict[tuple[str, ...], Mapping[str, str]] = field(default_factory=dict)

    def of(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Returns the column of each key.

        A key that the baseline has means its column, `prediction` and `prediction_{output}` mean a prediction. If as many keys as columns are left over, they are taken by sorted
        position, as Model Monitor does (`feature10` before `feature2`). Raises UsageError where no key is known and the
        numbers differ.
        """
        known = self._known.get(tuple(keys))
        if known is None:
            known = self._known[tuple(keys)] = self._mapped(keys)
        return known

    def _mapped(self, given: Sequence[str]) -> Mapping[str, str]:
        predictions = {key: key for key in given if dataset.is_prediction(key)}
        return {**predictions, **self._mapped_inputs([key for key in given if key not in predictions])}

    def _mapped_inputs(self, keys: Sequence[str]) -> Mapping[str, str]:
        names = set(self.columns.names)
        mapping = {key: key for key in keys if key in names}
        unknown = sorted(key for key in keys if key not in names)
        left = [name for name in self.columns.inputs if name not in mapping]
        if not unknown or not names:
            return {**mapping, **{key: dataset.feature_column(key) for key in unknown}}
        if len(unknown) == len(left):
            pairs = dict(zip(unknown, left, strict=True))
            differs = (
                " (not in the order in which the script gives them)"
                if [k for k in keys if k in pairs] != unknown
                else ""
            )
            self.notes[
                f"preprocess_handler gives {len(unknown)} names that the baseline does not have. They are taken by sorted "
                f"position{differs}, as Model Monitor does: {_pairs(pairs)}"
            ] = None
            return {**mapping, **pairs}
        if not mapping:
            raise UsageError(
                f"preprocess_handler gives {len(unknown)} names that the baseline does not have ({_listed(unknown)}), and the "
                f"baseline has {len(left)} columns ({_listed(left)}): return the names of the baseline"
            )
        return {**mapping, **{key: dataset.feature_column(key) for key in unknown}}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _pairs(pairs: Mapping[str, str]) -> str:
    shown = ", ".join(f"{key} → {name}" for key, name in list(pairs.items())[:_SHOWN])
    return f"{shown} …" if len(pairs) > _SHOWN else shown

"""The type rule: which values satisfy which type of a column, and which type a column has.

A whole double satisfies Integral, because untyped JSON numbers are captured as doubles. Any number satisfies Fractional. 0
and 1 satisfy Boolean. Strings among numbers, booleans among numbers and numbers among strings satisfy nothing but their own
type. Missing values have no type.
"""

from __future__ import annotations

from monitoring.baseline.constraints import DataType
from monitoring.states.column import ColumnState, ValueKind

_FLOATING = ("float", "double", "halffloat", "decimal")


def matching(state: ColumnState, data_type: DataType) -> int:
    """Returns how many present values satisfy `data_type`."""
    kinds = state.kinds
    if data_type is DataType.INTEGRAL:
        return int(kinds[ValueKind.INTEGRAL])
    if data_type is DataType.FRACTIONAL:
        return int(kinds[ValueKind.INTEGRAL] + kinds[ValueKind.FRACTIONAL])
    if data_type is DataType.BOOLEAN:
        return int(kinds[ValueKind.BOOLEAN]) + state.zero_one
    if data_type is DataType.STRING:
        return int(kinds[ValueKind.STRING])
    if data_type is DataType.LIST:
        return int(kinds[ValueKind.LIST])
    if data_type is DataType.OTHER:
        return int(kinds[ValueKind.OTHER])
    return state.present


def prevailing_type(state: ColumnState) -> DataType:
    """Returns the type that most present values have; Unknown without present values.

    Numbers count together. They are Fractional where one is not whole or where most rows have a floating Arrow type: whole
    doubles of training data may be whole by chance. Else they are Integral.
    """
    kinds = state.kinds
    fractional = kinds[ValueKind.FRACTIONAL] or state.type_name.startswith(_FLOATING)
    numbers = DataType.FRACTIONAL if fractional else DataType.INTEGRAL
    counts = {
        numbers: int(kinds[ValueKind.INTEGRAL] + kinds[ValueKind.FRACTIONAL]),
        DataType.STRING: int(kinds[ValueKind.STRING]),
        DataType.BOOLEAN: int(kinds[ValueKind.BOOLEAN]),
        DataType.LIST: int(kinds[ValueKind.LIST]),
        DataType.OTHER: int(kinds[ValueKind.OTHER]),
    }
    best = max(counts, key=lambda kind: counts[kind])
    return best if counts[best] else DataType.UNKNOWN

"""A decoded protobuf message: a dict of plain values that still knows its schema.

The schema is what tells a map from a nested message, and an absent message from an absent number, when the dict is
flattened into columns; and which type each column has, which plain Python numbers no longer say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .decode import MessagePlan


class Message(dict[str, object]):
    """A message as a dict: field name → plain value, in the schema's order. Copies and pickles as a plain dict.

    plan: the compiled schema, or None for a dict that came from no message.
    unknown_fields: fields in the body, at any level, that the descriptor set does not know.
    """

    __slots__ = ("plan", "unknown_fields")

    def __init__(self, values: Mapping[str, object], plan: MessagePlan | None = None, unknown_fields: int = 0) -> None:
        super().__init__(values)
        self.plan = plan
        self.unknown_fields = unknown_fields

    @property
    def types(self) -> dict[str, str]:
        """Column name → Arrow type name (`int64`, `float`, `string`, `list<double>` …), by the names that `split` gives.

        Columns that hold nested data (maps, messages that contain themselves) are left out. Empty without a schema.
        """
        from .flatten import column_types

        return column_types(self)

    def typed(self) -> dict[str, object]:
        """The fields with their numbers as NumPy values of the schema's types; see `typed.typed`."""
        from .typed import typed

        return typed(self)

    def __reduce__(self) -> tuple[type[dict[str, object]], tuple[dict[str, object]]]:
        return dict, (dict(self),)

"""Event times in whatever form a file holds them, as timestamps in UTC. A time without a zone is UTC; a note says so."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from monitoring.errors import UsageError

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")


@dataclass(slots=True)
class TimeColumn:
    """Converts one column, batch by batch, and collects the notes that a reader of the report must see."""

    name: str
    notes: set[str] = field(default_factory=set)

    def convert(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the batch with its time column as timestamps in UTC; the batch itself where it has no such column.

        Raises UsageError where the values are not times, with one of the values.
        """
        index = batch.schema.get_field_index(self.name) if self.name else -1
        if index < 0 or batch.schema.field(index).type == UTC_MICROSECONDS:
            return batch
        return batch.set_column(index, self.name, self._times(batch.column(index)))

    def _times(self, column: pa.Array) -> pa.Array:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_dictionary(column.type):
            column = column.cast(kind)
        if pa.types.is_timestamp(kind):
            if kind.tz is None:
                self._note()
            return column.cast(pa.timestamp("us", kind.tz), safe=False).cast(UTC_MICROSECONDS)
        if pa.types.is_date(kind):
            self._note()
            return column.cast(pa.timestamp("us")).cast(UTC_MICROSECONDS)
        if pa.types.is_null(kind):
            return pa.nulls(len(column), UTC_MICROSECONDS)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return self._parsed(column.cast(pa.string()))
        raise UsageError(
            f"the time column {self.name!r} holds {kind} ({_example(column)}): it must hold timestamps, dates or ISO 8601 "
            "texts such as 2026-01-31T12:00:00Z"
        )

    def _parsed(self, column: pa.Array) -> pa.Array:
        zoned = pc.match_substring_regex(column, r"(?:[Zz]|[+-]\d\d:?\d\d)$")
        parts = []
        for has_zone in (True, False):
            texts = pc.if_else(zoned if has_zone else pc.invert(zoned), column, None)
            if texts.null_count == len(texts):
                continue
            if not has_zone:
                self._note()
            try:
                parts.append(texts.cast(UTC_MICROSECONDS if has_zone else pa.timestamp("us")).cast(UTC_MICROSECONDS))
            except pa.ArrowInvalid as error:
                raise UsageError(
                    f"the time column {self.name!r} holds {_example(texts)}, which is not ISO 8601: write the year first, "
                    "2026-01-31T12:00:00Z"
                ) from error
        if not parts:
            return pa.nulls(len(column), UTC_MICROSECONDS)
        return parts[0] if len(parts) == 1 else pc.coalesce(*parts)

    def _note(self) -> None:
        self.notes.add(f"The times in {self.name} have no zone: they are taken as UTC.")


def _example(column: pa.Array) -> str:
    present = column.drop_null()
    return repr(present[0].as_py()) if len(present) else "no value"

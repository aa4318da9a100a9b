"""Captured data in which the managed service's JSON Lines stand, among objects of ours or alone.

A team that moves over keeps its history: objects that SageMaker Data Capture wrote are read under the names of the baseline,
objects of ours as ever. What a reader finds in one object becomes notes of that object; `summed` adds them up over a window.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from capture import dataset
from capture.reading.captured_object import CapturedObject, ReadError
from capture.reading.jsonl_reader import LineError
from monitoring.errors import MonitoringError
from monitoring.source.captured import CapturedSource
from monitoring.source.managed import ManagedReader, ObjectOrigin
from monitoring.source.managed_columns import BaselineColumns
from monitoring.source.managed_lines import is_managed
from monitoring.source.part import BATCH_ROWS, PartGroup, UnreadablePart
from monitoring.source.preprocess import load_handler
from monitoring.states.binning import ColumnKind
from monitoring.states.layout import FileFacts
from monitoring.storage import StorageError, open_storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitoring.source.part import OpenPart, Part
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.profile import Profile
    from monitoring.window import Window

_NOTE = re.compile(
    r"\S+\.jsonl: (?P<count>[\d,]+) of [\d,]+ events(?P<text>.*?)(?P<example>, (?:first|event) \S+)?", re.DOTALL
)
_LOST = (": ", " were left out")
"""How the text of a note begins whose events are not in the profile."""


class ManagedPart(msgspec.Struct, frozen=True, tag="managed"):
    """One object of JSON Lines, of the managed service or of ours. `preprocess` is the path of a script, "" for none."""

    uri: str
    key: str
    size: int = 0
    columns: BaselineColumns = BaselineColumns()
    preprocess: str = ""

    @property
    def name(self) -> str:
        """The object's key."""
        return self.key

    def fetch(self) -> OpenPart:
        """Returns the object, whole.

        Raises UnreadablePart where it is missing or not captured data, UsageError where its columns cannot be mapped.
        """
        key = dataset.parse_object_key(self.key)
        if key is None:
            raise UnreadablePart(f"{self.key} is not the key of a captured object")
        try:
            body = open_storage(self.uri).get(self.key).body
        except StorageError as error:
            raise UnreadablePart(f"cannot read {self.key}: {error}") from error
        try:
            return self._opened(key, body)
        except (ReadError, LineError, pa.ArrowException) as error:
            raise UnreadablePart(f"cannot read {self.key}: {error}") from error

    def _opened(self, key: dataset.ObjectKey, body: bytes) -> OpenPart:
        if not is_managed(body):
            ours = CapturedObject(key, body)
            facts = FileFacts(
                frozenset(ours.request_columns),
                frozenset(ours.prediction_columns),
                frozenset(ours.hashed_columns),
                frozenset(ours.json_columns),
                ours.renamed,
            )
            return _Opened(facts, set(), ours.batches(rows=BATCH_ROWS, dictionaries=True))
        reader = ManagedReader(self.columns, load_handler(self.preprocess) if self.preprocess else None)
        found = reader.read(body, ObjectOrigin.of_key(key))
        notes = {note if note in reader.report.warnings else f"{self.key}: {note}" for note in reader.report.notes()}
        return _Opened(
            FileFacts(predictions=frozenset(found.prediction_columns)), notes, found.batches(rows=BATCH_ROWS)
        )


@dataclass(frozen=True)
class _Opened:
    facts: FileFacts
    notes: set[str]
    rows: Iterator[pa.RecordBatch]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows in batches."""
        yield from self.rows


class ManagedSource(CapturedSource):
    """Captured data whose JSON Lines may be the managed service's. `columns` are those of the baseline.

    `has_lines` says whether the groups that were listed have JSON Lines, which a query over Parquet does not find.
    """

    def __init__(
        self,
        uri: str,
        endpoint: str | None = None,
        variant: str | None = None,
        unit: str = "",
        columns: BaselineColumns | None = None,
        preprocess: str | None = None,
    ) -> None:
        super().__init__(uri, endpoint, variant, unit)
        self.has_lines = False
        self._columns = columns or BaselineColumns()
        self._preprocess = preprocess or ""
        if preprocess:
            load_handler(preprocess)  # A wrong script is an error before any object is read.

    def groups(self, window: Window | None) -> Iterator[PartGroup]:
        """Yields a group for each hour that has objects, in the order of endpoint, variant and time."""
        for group in super().groups(window):
            yield replace(group, parts=tuple(map(self._part, group.parts)))

    def _part(self, part: Part) -> Part:
        if not part.name.endswith(".jsonl"):
            return part
        self.has_lines = True
        return ManagedPart(self.uri, part.name, part.size, self._columns, self._preprocess)


def baseline_columns(binning: Mapping[str, ColumnBinning], given: Iterable[str] = ()) -> BaselineColumns:
    """Returns the columns of a baseline as the reader needs them. `given` names the captured input values in order."""
    return BaselineColumns(
        names=tuple(binning),
        predictions=frozenset(name for name, column in binning.items() if column.is_prediction),
        text=frozenset(name for name, column in binning.items() if column.kind is ColumnKind.CATEGORICAL),
        given=tuple(given),
        ranges={
            name: (column.minimum, column.maximum)
            for name, column in binning.items()
            if column.kind is ColumnKind.NUMERIC and column.minimum <= column.maximum
        },
    )


def summed(profile: Profile) -> tuple[str, ...]:
    """Returns the notes of a profile, with those of single managed objects added up over the window.

    Raises MonitoringError where the window has events and not one of them could be read.
    """
    counts: dict[str, int] = {}
    examples: dict[str, str] = {}
    others = []
    for note in profile.notes:
        found = _NOTE.fullmatch(note)
        if found is None:
            others.append(note)
            continue
        text = found["text"]
        counts[text] = counts.get(text, 0) + int(found["count"].replace(",", ""))
        examples.setdefault(text, found["example"] or "")
    total = profile.events + sum(count for text, count in counts.items() if text.startswith(_LOST))
    added = [f"{count:,} of {total:,} events{text}{examples[text]}" for text, count in counts.items()]
    if not profile.events and any(text.startswith(": ") for text in counts):
        raise MonitoringError(f"none of {total:,} captured events could be read: {'; '.join(added)}")
    return (*others, *added)

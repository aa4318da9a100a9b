"""What was captured held against what was served: every prediction that a caller got is one row, and no row is more.

Read with PyArrow alone, so that the check does not rest on the code that it checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.dataset as ds

from examples.flights.replay import Answer

_COLUMNS = ["capture_event_id", "capture_item_index", "capture_inference_id", "prediction_risk", "prediction_rank"]

_Row = tuple[str, int, str, float, int]


@dataclass(frozen=True)
class Verdict:
    """Counts of rows; the first three equal and the others 0 is how it should be."""

    served: int
    captured: int
    equal: int
    missing: int
    unexpected: int

    @property
    def holds(self) -> bool:
        return self.served == self.captured == self.equal and not self.missing and not self.unexpected


def compare(objects: Path, answers: Iterable[Answer]) -> Verdict:
    """Hold the Parquet files under `objects` against `answers`.

    Rows are compared by event id, item, inference id, risk and rank, all exactly: a wrong value counts as one row
    missing and one unexpected, a row that stands twice as one unexpected.
    """
    served = Counter(_served(answers))
    captured = Counter(_captured(objects))
    return Verdict(
        served=served.total(),
        captured=captured.total(),
        equal=(served & captured).total(),
        missing=(served - captured).total(),
        unexpected=(captured - served).total(),
    )


def _served(answers: Iterable[Answer]) -> Iterable[_Row]:
    for answer in answers:
        for item, prediction in enumerate(answer.predictions):
            yield answer.event_id, item, answer.request.inference_id, prediction.risk, prediction.rank


def _captured(objects: Path) -> Iterable[_Row]:
    files = sorted(objects.rglob("*.parquet"))
    if files:
        table = ds.dataset([str(file) for file in files], format="parquet").to_table(columns=_COLUMNS)
        yield from zip(*(table.column(name).to_pylist() for name in _COLUMNS), strict=True)

"""What a run could not use: counted by reason, with a few examples of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

EXAMPLES = 5


class ExclusionReason(StrEnum):
    """Why a label was set aside."""

    NOT_JSON = "not JSON"
    PYTHON_REPR = "Python's repr instead of JSON"
    NO_ID = "no id"
    WRONG_TYPE = "wrong type"
    NO_VALUE = "no value"
    WRONG_LENGTH = "array of the wrong length"
    NO_ITEM = "names no item of an event with several"
    UNKNOWN_ITEM = "unknown item"
    UNKNOWN_EVENT = "unknown event"
    OTHER_WINDOW = "event of another window"
    AMBIGUOUS_KEY = "item key stands in several rows"
    UNREADABLE = "unreadable file"


@dataclass(slots=True)
class SetAside:
    """Counts labels (for UNREADABLE: files) by reason. `examples` holds at most EXAMPLES sentences a reason."""

    counts: Counter[ExclusionReason] = field(default_factory=Counter)
    examples: dict[ExclusionReason, list[str]] = field(default_factory=dict)

    def add(self, reason: ExclusionReason, example: str, count: int = 1) -> None:
        """Counts `count` labels and keeps `example` while there is room."""
        if count <= 0:
            return
        self.counts[reason] += count
        kept = self.examples.setdefault(reason, [])
        if len(kept) < EXAMPLES:
            kept.append(_cut(example))

    @property
    def total(self) -> int:
        """How many labels were set aside because something is wrong with them; other windows' labels are not."""
        return sum(count for reason, count in self.counts.items() if reason is not ExclusionReason.OTHER_WINDOW)


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"

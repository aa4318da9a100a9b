"""What a reader of managed objects could not read, and what a person should know of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from monitoring.errors import MonitoringError
from monitoring.source.preprocess import NAME


@dataclass(slots=True)
class ManagedReport:
    """What was read and what was not, over all objects of a reader.

    `unread` counts events and lines by reason, `first` names the first of each. `failures` counts events in which the script
    raised, by exception.
    """

    events: int = 0
    rows: int = 0
    left_out: int = 0
    by_hour: int = 0
    mismatches: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)

    def count(self, counter: Counter[str], reason: str, example: str) -> None:
        """Counts one event by its reason."""
        counter[reason] += 1
        self.first.setdefault(reason, example)

    def verify(self) -> None:
        """Raises MonitoringError where there were events and not one of them could be read."""
        if self.events and not self.rows and not self.left_out:
            raise MonitoringError(
                f"none of {self.events:,} captured events could be read: {'; '.join(self._reasons())}"
            )

    def notes(self) -> tuple[str, ...]:
        """Returns sentences about what a person should know, the mapping of columns first."""
        found = [*self.warnings, *(f"{reason}" for reason in self._reasons())]
        if self.by_hour:
            found.append(f"{self.by_hour:,} of {self.events:,} events have no time: the hour of their object serves")
        if self.mismatches:
            found.append(
                f"{self.mismatches:,} of {self.events:,} events have another number of outputs than of rows: their predictions "
                "are left out"
            )
        if self.left_out:
            found.append(f"{self.left_out:,} of {self.events:,} events were left out by {NAME}")
        return tuple(found)

    def _reasons(self) -> Iterator[str]:
        for reason, count in self.failures.items():
            yield f"{count:,} of {self.events:,} events: {reason} in {NAME}, event {self.first[reason]}"
        for reason, count in self.unread.items():
            yield f"{count:,} of {self.events:,} events: {reason}, first {self.first[reason]}"

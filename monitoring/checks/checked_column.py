"""What a check of one column sees: its constraint, and its states in baseline and window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitoring.baseline.constraints import FeatureConstraint, MonitoringConfig
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.column import ColumnState


@dataclass(frozen=True, slots=True, eq=False)
class CheckedColumn:
    """One column that the window has.

    `config` is the configuration with the column's overrides. `baseline` is None where the baseline has constraints only.
    `events` and `baseline_events` are the numbers of requests of each side: rows of one request are not independent.
    """

    constraint: FeatureConstraint
    config: MonitoringConfig
    window: ColumnState
    baseline: ColumnState | None = None
    binning: ColumnBinning | None = None
    events: int = 0
    baseline_events: int = 0

    @property
    def name(self) -> str:
        """The column's name."""
        return self.constraint.name

    @property
    def noun(self) -> str:
        """What the window's counts count: events, for a request-level column and where a request has one row."""
        request_level = self.binning is not None and self.binning.request_level
        return "events" if request_level or self.window.rows == self.events else "rows"

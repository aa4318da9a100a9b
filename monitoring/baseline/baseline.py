"""A baseline: the bins that every later count uses, the profile of the training rows, and their units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitoring.baseline.sidecar import BaselineUnits
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.profile import Profile


@dataclass(frozen=True, eq=False)
class Baseline:
    """What training looked like.

    `id` is a digest of the content: states of a window name it, and states of different baselines do not merge. `binning`
    holds the columns by name, in the order of the training data. `profile.total()` is the state of the training rows. `units`
    has no levels where the units are unknown: the drift decision then has a one-sample form. `source` says where the baseline
    came from, for a person. `notes` are sentences about what was read.
    """

    id: str
    binning: dict[str, ColumnBinning]
    profile: Profile
    units: BaselineUnits
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def predictions(self) -> tuple[str, ...]:
        """The columns that hold predictions."""
        return tuple(name for name, column in self.binning.items() if column.is_prediction)

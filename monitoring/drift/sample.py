"""What the drift decision needs to know: one column's counts, and the units that both sides are made of.

A *unit* is what can be exchanged between baseline and window where nothing changed: a request, or a block of as many
requests on both sides. Rows of one request resemble each other, so rows are no units.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from monitoring.errors import MonitoringError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _no_floats() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class ColumnSample:
    """One column of baseline and window, as counts. Counts may be weighted, so they are floats.

    `baseline_fine`, `window_fine`: shape (F + 1,), counts of all rows by fine bin, missing values last. `coarse_of_fine`:
    shape (F + 1,), the coarse bin of each fine bin. `window_units`: shape (W, K), counts by unit and coarse bin, missing
    values last; `baseline_units`: shape (M, K), None where the baseline is a table without units. Unit i is the same unit in
    every column of a run. `edges`: shape (F - 1,), empty for a categorical column. `baseline_sums`, `window_sums`: shape (F,),
    sums of the values by fine bin, empty where unknown. `baseline_std`: the standard deviation of the baseline's values, None
    where unknown. `labels`: the categories of the first fine bins. A request-level column counts one row a request.

    Raises MonitoringError where the shapes do not belong to one binning.
    """

    name: str
    categorical: bool
    request_level: bool
    baseline_fine: Floats
    window_fine: Floats
    coarse_of_fine: Ints
    window_units: Floats
    baseline_units: Floats | None = None
    edges: Floats = field(default_factory=_no_floats)
    baseline_sums: Floats = field(default_factory=_no_floats)
    window_sums: Floats = field(default_factory=_no_floats)
    baseline_std: float | None = None
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fine = len(self.coarse_of_fine)
        coarse = int(self.coarse_of_fine[-1]) + 1 if fine else 0
        shapes = {
            "baseline_fine": (self.baseline_fine.shape, (fine,)),
            "window_fine": (self.window_fine.shape, (fine,)),
            "window_units": (self.window_units.shape[1:], (coarse,)),
            "baseline_units": ((coarse,) if self.baseline_units is None else self.baseline_units.shape[1:], (coarse,)),
        }
        for what, (found, allowed) in shapes.items():
            if found != allowed:
                raise MonitoringError(
                    f"column {self.name!r}: {what} has the shape {found}, its bins need {allowed}; "
                    "count baseline and window with the same binning"
                )

    @property
    def coarse(self) -> int:
        """The number of coarse bins, the bin of missing values included."""
        return int(self.coarse_of_fine[-1]) + 1

    def coarse_counts(self, fine: Floats) -> Floats:
        """Returns counts by coarse bin, shape (K,), of counts by fine bin."""
        return np.bincount(self.coarse_of_fine, weights=fine, minlength=self.coarse).astype(np.float64)


@dataclass(frozen=True)
class Units:
    """The units of a run, the same for all its columns.

    `name`: "request" or what else a unit is. `window_requests`: requests of the window (None: one a unit).
    `baseline_size`, `window_size`: requests a unit. `rows`: sum of N² over sum of N, N the rows of each request of the
    window; a table without units repeats request-level values that many times. `weight_share`: (sum w)² / (n · sum w²) of
    the sampling weights w of the window's n requests, 1 where all requests have the same weight. `repeats`: whether a table
    without units repeats request-level values in every row. `baseline_is_sample`: the window holds so many more requests that
    it is taken as a table, and the baseline's units as the sample; `baseline_rows` is then `rows` of the baseline.
    """

    name: str = "request"
    window_requests: int | None = None
    baseline_size: float = 1.0
    window_size: float = 1.0
    rows: float = 1.0
    weight_share: float = 1.0
    repeats: bool = True
    baseline_is_sample: bool = False
    baseline_rows: float = 1.0

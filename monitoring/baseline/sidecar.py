"""The units of a baseline: what the drift decision compares a window's units with. Written as `units.arrow`.

A window of few requests has single requests as its units, one of many has blocks of requests. Only blocks of the same size
are exchangeable, so the baseline keeps several *levels*: up to 2,000 single requests, and blocks of 8, 64, 512 … requests. A
block is a range of the hashes of request ids, in the baseline as in a window, so its size varies in the same way in both.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.states.units import UnitTable

SINGLE_UNITS = 2000
LEVEL_BLOCKS = 1000
LEVEL_FACTOR = 8
MIN_BLOCKS = 50
"""A level with fewer blocks is not kept."""


@dataclass(frozen=True, eq=False)
class Level:
    """The units of one size: `size` requests a unit on average; `table` has single requests where `size` is 1."""

    size: int
    table: UnitTable


@dataclass(frozen=True, eq=False)
class BaselineUnits:
    """The counts by unit of a baseline.

    `requests` is the number of requests in the baseline. `levels` ascend by size; they are empty for a baseline without
    units (Model Monitor's files, or training data in which no column names the request). `rows_are_units`: each row was taken
    as a request of its own. `hours` has every hour of the baseline, and is empty without event times; `groups` counts by the
    values of `unit_column`.
    """

    requests: int
    levels: tuple[Level, ...]
    hours: UnitTable
    groups: UnitTable
    unit_column: str = ""
    rows_are_units: bool = False

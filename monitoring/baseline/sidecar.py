"""The units of a baseline: what the drift decision compares a window's units with. Written as `units.arrow`.

A window of few requests has single requests as its units, one of many has blocks of requests. Only blocks of the same size
are exchangeable, so the baseline keeps several *levels*: up to 2,000 single requests, and blocks of 8, 64, 512 … requests. A
block is a range of the hashes of request ids, in the baseline as in a window, so its size varies in the same way in both.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.states.array_file import Arrays, read_arrays, write_arrays
from monitoring.states.codec import pack_units, unpack_units
from monitoring.states.units import UnitTable

SINGLE_UNITS = 2000
LEVEL_BLOCKS = 1000
LEVEL_FACTOR = 8
MIN_BLOCKS = 50
"""A level with fewer blocks is not kept."""


@dataclass(frozen=True, eq=False)
class UnitLevel:
    """The units of one size: `size` requests a unit on average; `table` has single requests where `size` is 1."""

    size: int
    table: UnitTable


@dataclass(frozen=True, eq=False)
class BaselineUnits:
    """The counts by unit of a baseline.

    `requests` is the number of requests in the baseline. `levels` ascend by size; they are empty for a baseline without
    units (Model Monitor's files, or training data in which no column names the request). `rows_are_units`: each row was taken
    as a request of its own. `hours` has every hour of the baseline, and is empty without event times; `groups` counts by the
    values of a named column.
    """

    requests: int
    levels: tuple[UnitLevel, ...]
    hours: UnitTable
    groups: UnitTable
    rows_are_units: bool = False


def encode_units(units: BaselineUnits) -> bytes:
    """Returns the units as the bytes of `units.arrow`."""
    arrays: Arrays = {}
    tables = [units.hours, units.groups, *(level.table for level in units.levels)]
    names = list(dict.fromkeys(name for table in tables for name in table.counts))
    content = {
        "requests": units.requests,
        "rows_are_units": units.rows_are_units,
        "names": names,
        "sizes": [level.size for level in units.levels],
        "tables": [pack_units(table, names, arrays, str(number)) for number, table in enumerate(tables)],
    }
    return write_arrays("units", arrays, content)


def decode_units(data: bytes) -> BaselineUnits:
    """Returns the units in the bytes of `units.arrow`. Raises MonitoringError where they are damaged or something else."""
    arrays, content = read_arrays("units", data)
    tables = [
        unpack_units(entry, content["names"], arrays, str(number)) for number, entry in enumerate(content["tables"])
    ]
    levels = tuple(UnitLevel(size, table) for size, table in zip(content["sizes"], tables[2:], strict=True))
    return BaselineUnits(content["requests"], levels, tables[0], tables[1], content["rows_are_units"])

"""Makes a baseline in two passes over the rows: a survey that fixes the bins, then the counts in these bins.

The first pass is the kernel without bins, and a sample of whole events. The second counts as every later window does, and by
the levels of blocks that the drift decision compares with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from capture import dataset
from monitoring.baseline.baseline import Baseline, suggested
from monitoring.baseline.choose_bins import choose_bins
from monitoring.baseline.row_sample import Hashes, RowSample
from monitoring.baseline.sidecar import (
    LEVEL_BLOCKS,
    LEVEL_FACTOR,
    MIN_BLOCKS,
    SINGLE_UNITS,
    BaselineUnits,
    UnitLevel,
    encode_units,
)
from monitoring.errors import MonitoringError, UsageError
from monitoring.states.binning import ColumnKind
from monitoring.states.codec import encode_binning, encode_profile
from monitoring.states.groupings import LevelGrouper
from monitoring.states.plan import CountingPlan
from monitoring.states.profile import Profile, SliceState
from monitoring.states.units import UnitKind, UnitTable, without_empty

if TYPE_CHECKING:
    from monitoring.engines.counting import Engine
    from monitoring.source.part import PartGroup, RowSource
    from monitoring.states.binning import ColumnBinning
    from monitoring.window import Window

SHOWN_NAMES = 8
"""Columns that an error lists where the user named one that does not exist."""


def build_baseline(
    source: RowSource,
    engine: Engine,
    *,
    window: Window | None = None,
    predictions: Iterable[str] = (),
    named: Mapping[str, str] = {},
    progress: Callable[[PartGroup], None] = lambda group: None,
) -> Baseline:
    """Returns the baseline of the source's rows, in a window of time or all of them.

    `predictions` names columns that hold predictions, beside those that files name and `prediction…`. `named` gives, by its
    column, the role of each column that the user named. Raises MonitoringError where there is no row, or no column to monitor,
    UsageError where no file has a named column.
    """
    sample, found = RowSample(), set[str]()

    def look(batch: pa.RecordBatch, hashes: Hashes) -> None:
        found.update(batch.schema.names)
        sample.add(batch, hashes)

    survey = _count(source, engine, CountingPlan("", {}, source.layout, sampler=look), window, progress)
    state = survey.total()
    if not state.rows:
        reason = f": {survey.notes[0]}" if survey.unreadable else ""
        raise MonitoringError(f"there is no row in {source.uri}: a baseline needs training data{reason}")
    _all_found(named, found, source.uri)
    binning = _choose(survey, state, sample, frozenset(predictions))
    if not binning:
        raise MonitoringError(f"{source.uri} has no column to monitor: all its columns are ids or times")
    plan = CountingPlan("", binning, source.layout, tuple(_levels(state.events)))
    profile = _count(source, engine, plan, window, progress)
    return assemble(binning, profile, source.uri, rows_are_units=state.events == state.rows == _unnamed(state))


def _all_found(named: Mapping[str, str], found: set[str], uri: str) -> None:
    for name, role in named.items():
        if name not in found:
            similar = get_close_matches(name, found, n=1)
            meant = f"did you mean {similar[0]!r}?" if similar else f"it has {', '.join(sorted(found)[:SHOWN_NAMES])}"
            more = f" and {len(found) - SHOWN_NAMES} more" if not similar and len(found) > SHOWN_NAMES else ""
            raise UsageError(f"{uri} has no column {name!r} ({role}): {meant}{more}")


def assemble(binning: dict[str, ColumnBinning], profile: Profile, source: str, *, rows_are_units: bool) -> Baseline:
    """Returns a baseline whose id is the digest of its content."""
    total = profile.total()
    levels = tuple(UnitLevel(size, _trimmed(table)) for size, table in sorted(total.levels.items()))
    units = BaselineUnits(
        total.events,
        tuple(level for level in levels if len(level.table) >= MIN_BLOCKS or level.size == 1),
        total.hours,
        total.groups,
        rows_are_units=rows_are_units,
    )
    plain = replace(profile, slices={key: replace(state, levels={}) for key, state in profile.slices.items()})
    parts = (encode_binning(binning), encode_profile(plain), encode_units(units))
    name = blake2b(b"".join(parts), digest_size=8).hexdigest()
    constraints = suggested(binning, plain)
    return Baseline(name, binning, replace(plain, baseline_id=name), units, constraints, source, profile.notes)


def _count(
    source: RowSource,
    engine: Engine,
    plan: CountingPlan,
    window: Window | None,
    progress: Callable[[PartGroup], None],
) -> Profile:
    return engine.total(source.groups(window), plan, progress)


def _choose(
    survey: Profile, state: SliceState, sample: RowSample, predictions: frozenset[str]
) -> dict[str, ColumnBinning]:
    """Returns the bins of every column. Hashed columns are not binned: their values mean nothing."""
    binning = {}
    for name, column in state.columns.items():
        constant = column.minimum == column.maximum or column.distinct == 1
        request_level = column.request_rows == column.rows > 0 or (
            not column.request_rows and not constant and sample.is_request_level(name)
        )
        chosen = choose_bins(
            name,
            column,
            sample.numbers(name, lists=False) if column.finite else np.zeros(0),
            sample.texts(name),
            request_level=request_level,
            is_prediction=name in predictions or name in survey.predictions or dataset.is_prediction(name),
        )
        if chosen.kind is ColumnKind.LIST:
            chosen = choose_bins(
                name,
                column,
                sample.numbers(name, lists=True),
                {},
                request_level=request_level,
                is_prediction=chosen.is_prediction,
            )
        if name in survey.hashed:
            chosen = replace(
                chosen, kind=ColumnKind.UNKNOWN, domain=(), edges=np.zeros(0), coarse_of_fine=np.zeros(1, np.int64)
            )
        binning[name] = chosen
    return binning


def _levels(requests: int) -> Iterable[LevelGrouper]:
    """Yields the levels that this number of requests allows."""
    yield LevelGrouper(requests, 1, min(SINGLE_UNITS, requests))
    size = LEVEL_FACTOR
    while requests // size >= MIN_BLOCKS:
        yield LevelGrouper(requests, size, min(LEVEL_BLOCKS, requests // size))
        size *= LEVEL_FACTOR


def _trimmed(table: UnitTable) -> UnitTable:
    """Returns the level without empty units, at most SINGLE_UNITS of them."""
    table = without_empty(table)
    counts = {name: array[:SINGLE_UNITS] for name, array in table.counts.items()}
    return UnitTable(
        UnitKind.REQUEST, table.ids[:SINGLE_UNITS], table.requests[:SINGLE_UNITS], table.rows[:SINGLE_UNITS], counts
    )


def _unnamed(state: SliceState) -> int:
    """Returns the rows whose event has no id: all, or none."""
    return 0 if len(state.sample.hashes) else state.rows

"""A baseline: the bins that every later count uses, the profile of the training rows, their units, and the constraints.

A baseline is a directory or a prefix of a bucket:

    baseline.arrow      bins and profile of the training rows
    units.arrow         their counts by unit, for the drift decision
    statistics.json     the same statistics in Model Monitor's schema, for its users and tools
    constraints.json    what the checks compare with; edit it to change a threshold

A directory with Model Monitor's two JSON files alone is a baseline too, without units.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from monitoring.baseline import constraints_file, statistics, statistics_reader
from monitoring.baseline.constraints import Constraints
from monitoring.baseline.rebinning import binned
from monitoring.baseline.sidecar import BaselineUnits, decode_units, encode_units
from monitoring.baseline.suggestion import suggest
from monitoring.errors import MonitoringError
from monitoring.states.array_file import Arrays, read_arrays, write_arrays
from monitoring.states.codec import pack_binning, pack_profile, unpack_binning, unpack_profile
from monitoring.states.profile import Profile, SliceKey, SliceState
from monitoring.states.units import UnitKind, UnitTable
from monitoring.storage import MissingKey, Storage, open_storage

if TYPE_CHECKING:
    from monitoring.engines.counting import Engine
    from monitoring.states.binning import ColumnBinning
    from monitoring.states.column import ColumnState
    from monitoring.window import Window

STATES_FILE = "baseline.arrow"
UNITS_FILE = "units.arrow"
STATISTICS_FILE = "statistics.json"
CONSTRAINTS_FILE = "constraints.json"
_BYTES = "application/vnd.apache.arrow.file"


@dataclass(frozen=True, eq=False)
class Baseline:
    """What training looked like.

    `id` is a digest of the content: states of a window name it, and states of different baselines do not merge. `binning`
    holds the columns by name, in the order of the training data. `profile.total()` is the state of the training rows. `units`
    has no levels where the units are unknown: the drift decision then has a one-sample form. `constraints` are what the checks
    compare with. `source` says where the baseline came from, for a person. `notes` are sentences about what was read.

    >>> import pyarrow as pa
    >>> baseline = Baseline.from_training(pa.table({"wind": [1.0, 2.5, None] * 100, "origin": ["JFK", "LGA", "EWR"] * 100}))
    >>> list(baseline.binning), baseline.profile.rows
    (['wind', 'origin'], 300)
    """

    id: str
    binning: dict[str, ColumnBinning]
    profile: Profile
    units: BaselineUnits
    constraints: Constraints
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def predictions(self) -> tuple[str, ...]:
        """The columns that hold predictions."""
        return tuple(name for name, column in self.binning.items() if column.is_prediction)

    @classmethod
    def from_training(
        cls,
        data: Any,
        *,
        id_column: str | None = None,
        time_column: str | None = None,
        unit_column: str = "",
        predictions: Iterable[str] = (),
        label: str | None = None,
        engine: Engine | None = None,
    ) -> Baseline:
        """Returns the baseline of training data.

        `data` is the path or URI of Parquet or CSV (a file, a directory, a prefix), a pandas or Polars DataFrame, or an Arrow
        table. `id_column` names the request of a row: without it each row is taken as a request. `time_column` gives the
        baseline hours and days as units; times without a zone are UTC. `unit_column` names a column whose values are units.
        `predictions` are columns that hold predictions, `label` the one that the model learned to predict: it is not
        monitored, because the endpoint does not see it. Raises MonitoringError where there is nothing to read, UsageError
        where `data` or a column's name is wrong.
        """
        from monitoring.baseline.build import build_baseline
        from monitoring.source.open import open_rows

        source = open_rows(
            data,
            id_column=id_column,
            time_column=time_column,
            unit_column=unit_column,
            leave_out=() if label is None else (label,),
        )
        predictions = tuple(predictions)
        named = dict.fromkeys(predictions, "a prediction")
        roles = (("the id column", id_column), ("the time column", time_column), ("the unit column", unit_column))
        named |= {column: role for role, column in (*roles, ("the label", label)) if column}
        return build_baseline(source, engine or _default_engine(), predictions=predictions, named=named)

    @classmethod
    def from_captured(
        cls,
        uri: str,
        *,
        window: Window | None = None,
        endpoint: str | None = None,
        variant: str | None = None,
        unit_column: str = "",
        engine: Engine | None = None,
    ) -> Baseline:
        """Returns the baseline of a good period of captured data, with its requests and hours as units.

        Raises MonitoringError where there is no captured row in the window.
        """
        from monitoring.baseline.build import build_baseline
        from monitoring.source.managed_source import ManagedSource

        source = ManagedSource(uri, endpoint, variant, unit_column)
        return build_baseline(source, engine or _default_engine(), window=window)

    @classmethod
    def from_model_monitor(cls, statistics_json: bytes, constraints_json: bytes | None, source: str = "") -> Baseline:
        """Returns the baseline of Model Monitor's two files. It has no units; without constraints it suggests its own."""
        read = statistics_reader.read(statistics_json, f"{source}/{STATISTICS_FILE}" if source else STATISTICS_FILE)
        binning: dict[str, ColumnBinning] = {}
        columns: dict[str, ColumnState] = {}
        for feature in read.features:
            binning[feature.name], columns[feature.name] = binned(feature)
        rows = max((state.rows for state in columns.values()), default=0)
        name = blake2b(statistics_json, digest_size=8).hexdigest()
        profile = Profile(name, {SliceKey(): SliceState(rows, rows, square_rows=rows, columns=columns)})
        units = BaselineUnits(rows, (), UnitTable(UnitKind.HOUR), UnitTable(UnitKind.COLUMN))
        constraints = suggest((binning[name], columns[name]) for name in binning)
        if constraints_json is not None:
            where = f"{source}/{CONSTRAINTS_FILE}" if source else CONSTRAINTS_FILE
            constraints = constraints_file.read(constraints_json, where)
        return cls(name, binning, profile, units, constraints, source, read.notes)

    @classmethod
    def load(cls, uri: str) -> Baseline:
        """Returns the baseline of a directory or prefix. Raises MonitoringError where there is none or it is damaged."""
        storage = open_storage(uri)
        constraints = _optional(storage, CONSTRAINTS_FILE)
        states = _optional(storage, STATES_FILE)
        if states is None:
            found = _optional(storage, STATISTICS_FILE)
            if found is None:
                raise MonitoringError(
                    f"there is no baseline in {storage.uri}: it has neither {STATES_FILE} nor {STATISTICS_FILE}; make one "
                    "with `monitoring baseline --data TRAINING --output URI`"
                )
            return cls.from_model_monitor(found, constraints, storage.uri)
        units = _optional(storage, UNITS_FILE)
        if units is None:
            raise MonitoringError(f"the baseline in {storage.uri} lacks {UNITS_FILE}: copy the whole directory")
        baseline = _decode(states, decode_units(units))
        return baseline if constraints is None else replace(baseline, constraints=constraints_file.read(constraints))

    def save(self, uri: str) -> None:
        """Writes the four files below `uri`. `baseline.arrow` comes last, so that a directory that has it is whole."""
        storage = open_storage(uri)
        total = self.profile.total()
        columns = [(binning, total.columns[name]) for name, binning in self.binning.items() if name in total.columns]
        storage.put(STATISTICS_FILE, statistics.write(columns, total.rows))
        storage.put(CONSTRAINTS_FILE, constraints_file.write(self.constraints))
        storage.put(UNITS_FILE, encode_units(self.units), _BYTES)
        storage.put(STATES_FILE, _encode(self), _BYTES)


def _encode(baseline: Baseline) -> bytes:
    arrays: Arrays = {}
    content = {
        "id": baseline.id,
        "binning": pack_binning(baseline.binning, arrays),
        "profile": pack_profile(baseline.profile, arrays),
        "source": baseline.source,
        "notes": baseline.notes,
    }
    return write_arrays("baseline", arrays, content)


def _decode(data: bytes, units: BaselineUnits) -> Baseline:
    arrays, content = read_arrays("baseline", data)
    binning = unpack_binning(content["binning"], arrays)
    profile = unpack_profile(content["profile"], arrays)
    constraints = suggested(binning, profile)
    return Baseline(content["id"], binning, profile, units, constraints, content["source"], tuple(content["notes"]))


def suggested(binning: dict[str, ColumnBinning], profile: Profile) -> Constraints:
    """Returns the constraints that the training rows suggest."""
    columns = profile.total().columns
    return suggest((column, columns[name]) for name, column in binning.items() if name in columns)


def _optional(storage: Storage, key: str) -> bytes | None:
    try:
        return storage.get(key).body
    except MissingKey:
        return None


def _default_engine() -> Engine:
    from monitoring.engines.local import LocalEngine

    return LocalEngine()

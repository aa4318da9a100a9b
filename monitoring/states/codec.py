"""Bins, profiles and counts by unit as named arrays and plain values, and back (`array_file` has the bytes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from monitoring.states.array_file import Arrays, read_arrays, write_arrays
from monitoring.states.binning import ColumnBinning, ColumnKind
from monitoring.states.column import ColumnState, ExampleReason
from monitoring.states.far_values import FarValues
from monitoring.states.profile import EventSample, Profile, SliceKey, SliceState
from monitoring.states.store_health import StoreState
from monitoring.states.units import UnitKind, UnitTable


def encode_binning(binning: Mapping[str, ColumnBinning]) -> bytes:
    """Returns the bins of all columns as bytes."""
    arrays: Arrays = {}
    return write_arrays("binning", arrays, pack_binning(binning, arrays))


def decode_binning(data: bytes) -> dict[str, ColumnBinning]:
    """Returns the bins of all columns. Raises MonitoringError where `data` holds none."""
    arrays, content = read_arrays("binning", data)
    return unpack_binning(content, arrays)


def pack_binning(binning: Mapping[str, ColumnBinning], arrays: Arrays) -> Any:
    """Puts the arrays of all columns into `arrays`. Returns the rest as plain values."""
    content = []
    for number, (name, column) in enumerate(binning.items()):
        arrays[f"binning/{number}/edges"] = column.edges
        arrays[f"binning/{number}/coarse"] = column.coarse_of_fine
        arrays[f"binning/{number}/range"] = np.array([column.centre, column.minimum, column.maximum])
        content.append(
            {
                "name": name,
                "kind": column.kind.value,
                "domain": column.domain,
                "type_name": column.type_name,
                "request_level": column.request_level,
                "is_prediction": column.is_prediction,
                "domain_complete": column.domain_complete,
                "outer": column.outer,
            }
        )
    return content


def unpack_binning(content: Any, arrays: Arrays) -> dict[str, ColumnBinning]:
    """Returns the bins that `pack_binning` packed."""
    binning = {}
    for number, entry in enumerate(content):
        centre, minimum, maximum = (float(value) for value in arrays[f"binning/{number}/range"])
        binning[entry["name"]] = ColumnBinning(
            entry["name"],
            ColumnKind(entry["kind"]),
            arrays[f"binning/{number}/edges"].astype(np.float64),
            tuple(entry["domain"]),
            arrays[f"binning/{number}/coarse"].astype(np.int64),
            centre,
            minimum,
            maximum,
            entry["type_name"],
            entry["request_level"],
            entry["is_prediction"],
            entry["domain_complete"],
            (int(entry["outer"][0]), int(entry["outer"][1])),
        )
    return binning


def encode_profile(profile: Profile) -> bytes:
    """Returns a profile as bytes."""
    arrays: Arrays = {}
    return write_arrays("profile", arrays, pack_profile(profile, arrays))


def decode_profile(data: bytes) -> Profile:
    """Returns the profile in `data`. Raises MonitoringError where it holds none."""
    arrays, content = read_arrays("profile", data)
    return unpack_profile(content, arrays)


def pack_profile(profile: Profile, arrays: Arrays) -> Any:
    """Puts the arrays of a profile into `arrays`. Returns the rest as plain values."""
    slices = []
    for number, (key, state) in enumerate(sorted(profile.slices.items(), key=lambda entry: entry[0])):
        slices.append({"key": asdict(key), **_pack_slice(state, arrays, f"slice/{number}")})
    return {
        "baseline_id": profile.baseline_id,
        "predictions": sorted(profile.predictions),
        "hashed": sorted(profile.hashed),
        "json": sorted(profile.json),
        "renamed": profile.renamed,
        "unreadable": profile.unreadable,
        "notes": profile.notes,
        "slices": slices,
    }


def unpack_profile(content: Any, arrays: Arrays) -> Profile:
    """Returns the profile that `pack_profile` packed."""
    slices = {}
    for number, entry in enumerate(content["slices"]):
        slices[SliceKey(**entry["key"])] = _unpack_slice(entry, arrays, f"slice/{number}")
    return Profile(
        content["baseline_id"],
        slices,
        frozenset(content["predictions"]),
        frozenset(content["hashed"]),
        frozenset(content["json"]),
        content["renamed"],
        tuple(content["unreadable"]),
        tuple(content["notes"]),
    )


def _pack_slice(state: SliceState, arrays: Arrays, path: str) -> dict[str, Any]:
    arrays[f"{path}/sample"] = state.sample.hashes
    columns = []
    for number, (name, column) in enumerate(state.columns.items()):
        columns.append({"name": name, **_pack_column(column, arrays, f"{path}/column/{number}")})
        if name in state.sample.bins:
            arrays[f"{path}/column/{number}/sample"] = state.sample.bins[name]
    names = list(state.columns)
    tables = {"requests": state.requests, "hours": state.hours, "groups": state.groups}
    return {
        "rows": state.rows,
        "events": state.events,
        "duplicates": state.duplicates,
        "square_rows": state.square_rows,
        "first": state.first,
        "last": state.last,
        "sample": state.sample.ids,
        "columns": columns,
        "tables": {name: pack_units(table, names, arrays, f"{path}/{name}") for name, table in tables.items()},
        "levels": [
            [size, pack_units(table, names, arrays, f"{path}/level/{size}")] for size, table in state.levels.items()
        ],
        "stores": {
            group: _pack_store(store, arrays, f"{path}/store/{number}")
            for number, (group, store) in enumerate(state.stores.items())
        },
    }


def _unpack_slice(entry: Any, arrays: Arrays, path: str) -> SliceState:
    columns, bins = {}, {}
    for number, column in enumerate(entry["columns"]):
        columns[column["name"]] = _unpack_column(column, arrays, f"{path}/column/{number}")
        if f"{path}/column/{number}/sample" in arrays:
            bins[column["name"]] = arrays[f"{path}/column/{number}/sample"].astype(np.uint8)
    names = list(columns)
    tables = {name: unpack_units(content, names, arrays, f"{path}/{name}") for name, content in entry["tables"].items()}
    return SliceState(
        entry["rows"],
        entry["events"],
        entry["duplicates"],
        entry["square_rows"],
        entry["first"],
        entry["last"],
        columns,
        tables["requests"],
        tables["hours"],
        tables["groups"],
        {size: unpack_units(content, names, arrays, f"{path}/level/{size}") for size, content in entry["levels"]},
        {
            group: _unpack_store(content, arrays, f"{path}/store/{number}")
            for number, (group, content) in enumerate(entry["stores"].items())
        },
        EventSample(arrays[f"{path}/sample"].astype(np.uint64), tuple(entry["sample"]), bins),
    )


_COUNTS = (
    "rows", "missing", "nans", "absent", "request_rows", "rescued", "zero_one", "negatives", "below", "above", "finite",
)  # fmt: skip


def _pack_column(column: ColumnState, arrays: Arrays, path: str) -> dict[str, Any]:
    arrays[f"{path}/counts"] = np.array(
        [*(getattr(column, name) for name in _COUNTS), *column.infinities, *column.kinds], np.int64
    )
    arrays[f"{path}/moments"] = np.array([column.sum1, column.sum2, column.minimum, column.maximum])
    arrays[f"{path}/fine"] = column.fine
    arrays[f"{path}/sums"] = column.sums
    arrays[f"{path}/hashes"] = column.hashes
    if len(column.far):
        arrays[f"{path}/far"], arrays[f"{path}/far_values"] = column.far.hashes, column.far.values
    return {
        "unseen": [[name, count] for name, count in column.unseen.items()],
        "types": column.types,
        "examples": {
            reason.value: [[str(key), name] for key, name in entries] for reason, entries in column.examples.items()
        },
    }


def _unpack_column(entry: Any, arrays: Arrays, path: str) -> ColumnState:
    counts = arrays[f"{path}/counts"].astype(np.int64)
    sum1, sum2, minimum, maximum = (float(value) for value in arrays[f"{path}/moments"])
    size = len(_COUNTS)
    far = FarValues()
    if f"{path}/far" in arrays:
        far = FarValues(arrays[f"{path}/far"].astype(np.uint64), arrays[f"{path}/far_values"].astype(np.float64))
    values = {name: int(count) for name, count in zip(_COUNTS, counts[:size], strict=True)}
    return ColumnState(
        **values,
        infinities=(int(counts[size]), int(counts[size + 1])),
        kinds=counts[size + 2 :].copy(),
        sum1=sum1,
        sum2=sum2,
        minimum=minimum,
        maximum=maximum,
        fine=arrays[f"{path}/fine"].astype(np.int64),
        sums=arrays[f"{path}/sums"].astype(np.float64),
        hashes=arrays[f"{path}/hashes"].astype(np.uint64),
        unseen=dict(entry["unseen"]),
        types=entry["types"],
        examples={
            ExampleReason(reason): tuple((int(key), name) for key, name in entries)
            for reason, entries in entry["examples"].items()
        },
        far=far,
    )


def pack_units(table: UnitTable, names: list[str], arrays: Arrays, path: str) -> dict[str, Any]:
    """Puts the arrays of a table into `arrays`, its columns by their place in `names`. Returns the rest."""
    arrays[f"{path}/ids"] = table.ids
    arrays[f"{path}/requests"] = table.requests
    arrays[f"{path}/rows"] = table.rows
    for number, name in enumerate(names):
        if name in table.counts:
            arrays[f"{path}/counts/{number}"] = table.counts[name]
    return {
        "kind": table.kind.value,
        "bits": table.bits,
        "labels": [[str(key), label] for key, label in table.labels.items()],
    }


def unpack_units(content: Any, names: list[str], arrays: Arrays, path: str) -> UnitTable:
    """Returns the table that `pack_units` packed."""
    return UnitTable(
        UnitKind(content["kind"]),
        arrays[f"{path}/ids"].astype(np.uint64),
        arrays[f"{path}/requests"].astype(np.float64),
        arrays[f"{path}/rows"].astype(np.float64),
        {
            name: arrays[f"{path}/counts/{number}"].astype(np.float64)
            for number, name in enumerate(names)
            if f"{path}/counts/{number}" in arrays
        },
        content["bits"],
        {int(key): label for key, label in content["labels"]},
    )


def _pack_store(store: StoreState, arrays: Arrays, path: str) -> dict[str, int]:
    arrays[f"{path}/ages"] = store.ages
    arrays[f"{path}/range"] = np.array([store.oldest, store.newest])
    return {
        "events": store.events,
        "missing_ids": store.missing_ids,
        "events_with_missing": store.events_with_missing,
    }


def _unpack_store(content: Any, arrays: Arrays, path: str) -> StoreState:
    oldest, newest = (float(value) for value in arrays[f"{path}/range"])
    return StoreState(
        content["events"],
        arrays[f"{path}/ages"].astype(np.int64),
        oldest,
        newest,
        content["missing_ids"],
        content["events_with_missing"],
    )

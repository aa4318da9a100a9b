"""States that are kept: one profile for each hour, so that a day, a trend or a second question reads no rows again.

Layout, below the output URI:

    states/{baseline id}/{endpoint}/{variant}/{yyyy}/{mm}/{dd}/{hh}.arrow

A state names the objects that it counted, with their sizes. It is valid only for exactly these: after a late file the hour is
counted again and the state replaced. An object's key and bytes follow from the batch that was written (docs/dataset.md), so
a key with its size identifies the content. Objects appear whole (`monitoring.storage`), so two monitors may write at once:
both write the same.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from monitoring.errors import MonitoringError
from monitoring.states.array_file import Arrays, read_arrays, write_arrays
from monitoring.states.codec import pack_profile, unpack_profile
from monitoring.storage import MissingKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from monitoring.states.profile import Profile
    from monitoring.storage import Storage

PREFIX = "states"
_BYTES = "application/vnd.apache.arrow.file"


class StateStore:
    """The states of one baseline. `unit_column` is the column whose values were counted as units, empty for none."""

    def __init__(self, storage: Storage, baseline_id: str, unit_column: str = "") -> None:
        self._storage = storage
        self._baseline_id = baseline_id
        self._unit_column = unit_column

    def get(self, endpoint: str, variant: str, hour: dt.datetime, objects: Mapping[str, int]) -> Profile | None:
        """Returns the state of an hour if it counted exactly these objects (sizes by key); None where it must be counted.

        A state that is damaged or of another version counts as none. Raises StorageError where the storage cannot be read.
        """
        try:
            data = self._storage.get(self._key(endpoint, variant, hour)).body
        except MissingKey:
            return None
        try:
            arrays, content = read_arrays("state", data)
            if content["objects"] != dict(objects) or content["unit"] != self._unit_column:
                return None
            return unpack_profile(content["profile"], arrays)
        except (MonitoringError, KeyError, TypeError):
            return None

    def put(self, endpoint: str, variant: str, hour: dt.datetime, objects: Mapping[str, int], profile: Profile) -> None:
        """Keeps the state of an hour. Raises StorageError where the storage cannot be written."""
        arrays: Arrays = {}
        content = {
            "objects": dict(objects),
            "unit": self._unit_column,
            "profile": pack_profile(profile, arrays),
        }
        self._storage.put(self._key(endpoint, variant, hour), write_arrays("state", arrays, content), _BYTES)

    def hours(self, endpoint: str, variant: str) -> Iterator[dt.datetime]:
        """Yields the hours that have a state, ascending."""
        root = f"{PREFIX}/{self._baseline_id}/{endpoint}/{variant}/"
        for entry in self._storage.list(root):
            try:
                yield dt.datetime.strptime(f"{entry.key.removeprefix(root)} +0000", "%Y/%m/%d/%H.arrow %z")
            except ValueError:
                continue

    def _key(self, endpoint: str, variant: str, hour: dt.datetime) -> str:
        return f"{PREFIX}/{self._baseline_id}/{endpoint}/{variant}/{hour.astimezone(dt.UTC):%Y/%m/%d/%H}.arrow"
